//! The adaptive failover controller of one node.

pub mod clock;
pub mod engine;
pub mod heartbeat;
pub mod network;
