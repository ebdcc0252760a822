//! The adaptive failover controller of one node.

pub mod clock;
pub mod datapath;
pub mod engine;
