//! The BPF object: `afc_xdp` on every interface, `afc_egress` on every interface of a member.
//!
//! Built by afc-agent's build script for the BPF target. On the host this target is empty, so that
//! `cargo test --workspace` and `cargo clippy --workspace` need no flags.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod program;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
