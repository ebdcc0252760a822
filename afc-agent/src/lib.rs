//! The adaptive failover controller of one node.

pub mod cli;
pub mod config;
pub mod control;
pub mod engine;
pub mod events;
pub mod key;
pub mod network;
pub mod state;
pub mod status;
pub mod systemd;
