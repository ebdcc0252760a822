//! The lab: a whole afc cluster in network namespaces of this machine, with clients that measure it.
//!
//! ```text
//!            client 192.0.2.10 ── gw 192.0.2.1        n1 .. n5      outside
//!                                 gw 10.0.0.254    10.0.0.1 .. 5   10.0.0.200
//!                                    │                  │               │
//!                                    └─────────── switch (bridge) ──────┘
//! ```
//!
//! A [`Lab`] lays the wires, starts the agents (the real binary `afc`), breaks things ([`fault`]) and removes
//! everything when it is dropped or when its process dies, however it dies ([`janitor`]). Every node runs a UDP
//! echo and an HTTP service; a [`UdpClient`] or [`HttpClient`] asks them all the time, and [`report`] and
//! [`ownership`] say what the clients saw: the gaps, and whether two nodes ever served one address at once.
//!
//! An [`Observer`] outside the cluster sees by the kernel's clock who answers for which address, whatever the clients see.
//!
//! What the agents think is in their lists: [`lists`] follows every node's, and [`spread`] says how long a change took to
//! reach all of them. A node runs short of memory by [`memory`].
//!
//! All of it runs on one host, so every time stamp is of one `CLOCK_MONOTONIC` and may be compared exactly; so may the
//! `CLOCK_BOOTTIME` that agents say, though nodes never do that.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use std::time::Duration;
//!
//! use afc_lab::{Lab, LabSpec};
//!
//! let lab = Lab::new(LabSpec::five_nodes())?;
//! lab.start_agents()?;
//! lab.wait_for_homes(Duration::from_secs(20))?;
//! lab.power_cut("n1")?;
//! # Ok(())
//! # }
//! ```

pub mod agent;
pub mod arp;
pub mod bpf;
pub mod clock;
pub mod config;
pub mod cost;
pub mod datagram;
pub mod disk;
pub mod echo;
pub mod fault;
pub mod freeze;
pub mod history;
pub mod http;
pub mod interface;
pub mod ip;
pub mod janitor;
pub mod lab;
pub mod lists;
pub mod memory;
pub mod netns;
pub mod observer;
pub mod operator;
pub mod ownership;
pub mod pulse;
pub mod reorder;
pub mod report;
pub mod scene;
pub mod spec;
pub mod spread;
pub mod starvation;
pub mod status;
pub mod udp_client;
pub mod verdict;
pub mod wait;
pub mod wires;
mod worker;
pub mod xdp_pass;

pub use http::HttpClient;
pub use lab::Lab;
pub use lists::Followers;
pub use observer::Observer;
pub use scene::Scene;
pub use spec::LabSpec;
pub use udp_client::UdpClient;
pub use verdict::when_undisturbed;
pub use wait::{hold_for, wait_for};
