//! What the kernel programs and the agent share: pure, `no_std`, unit-tested on the host.
//!
//! Nothing here reads a clock, a packet or a map: callers pass values in and apply what comes out.
//! The BPF programs themselves are the binary target (`main.rs` and the modules beside it).
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(test)]
extern crate std;

pub mod histogram;
pub mod identity;
pub mod layout;
pub mod lease;
pub mod mac;
pub mod near;
pub mod opaque;
pub mod reason;
pub mod replay;
pub mod siphash;
pub mod verdict;
pub mod wire;
