//! The adaptive failover controller of one node.

pub mod engine;
