//! The failover engine: what this node votes, holds, claims and drops (design.md section 2).
//!
//! Sans-IO: [`Engine::handle`] takes an [`Event`] and the time, [`Engine::poll_effect`] gives the [`Effect`]s in the
//! order in which they must be done, [`Engine::poll_timeout`] says when to tick next. It names no clock, socket, task or
//! lock, and cannot fail. Two engines fed the same events at the same times do the same things.

pub mod effect;
pub mod event;
pub mod message;

pub use effect::Effect;
pub use event::Event;
