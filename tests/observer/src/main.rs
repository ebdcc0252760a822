//! The observer's BPF program: XDP on the lab's side of a wire, that notes each frame in which somebody answers for a virtual
//! IP, and takes the answers to the observer's own questions out of the network. All other frames pass untouched.
//!
//! Built by the lab's build script for the BPF target. On the host this target is empty.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod program;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
