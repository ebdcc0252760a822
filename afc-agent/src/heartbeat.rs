//! The heartbeat engine's userspace half: the fast-path thread and what only it touches.
//!
//! Nothing here waits for the slow path (tasks, disk, netlink, sockets of operators): the two talk through bounded
//! queues ([`mailbox`]) and a copy of the state ([`view`]).

pub mod codec;
pub mod fast_path;
pub mod mailbox;
pub mod scheduling;
pub mod socket;
pub mod timing;
pub mod view;
pub mod wake;
