//! The adaptive failover controller of one node, as a library; the binary `afc` is its command line.

pub mod agent;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod columns;
pub mod config;
pub mod control;
pub mod datapath;
pub mod events;
pub mod heartbeat;
pub mod http;
pub mod key;
pub mod lists;
pub mod metrics;
pub mod network;
pub mod recorder;
pub mod repository;
pub mod resources;
pub mod state;
pub mod status;
pub mod systemd;
pub mod top;
