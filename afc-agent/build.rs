//! Builds the BPF object of `afc-ebpf` for its own target, so that `cargo build` is enough.
//!
//! It leaves in `OUT_DIR` the object `afc-datapath`, and in the environment of the crate `AFC_LAYOUT_HASH`: the hash of
//! every source that decides what lies in a map, which names the pin directory (design.md section 5).

use std::{env, fs, path::Path};

use bpf_build::{Object, fail, workspace};

/// The sources that decide the bytes of the maps and the meaning of their indices.
const LAYOUT_SOURCES: &[&str] = &[
    "histogram.rs",
    "identity.rs",
    "layout.rs",
    "lease.rs",
    "mac.rs",
    "near.rs",
    "program/maps.rs",
    "reason.rs",
    "replay.rs",
    "siphash.rs",
];

fn main() {
    let source = workspace().join("afc-ebpf/src");
    println!("cargo::rustc-env=AFC_LAYOUT_HASH={}", layout_hash(&source));
    let trace: &[&str] = if env::var_os("CARGO_FEATURE_TRACE").is_some() { &["trace"] } else { &[] };
    Object { package: "afc-ebpf", directory: "afc-ebpf", binary: "afc-datapath", features: trace }.build();
}

fn layout_hash(source: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in LAYOUT_SOURCES {
        let path = source.join(name);
        match fs::read(&path) {
            Ok(bytes) => hasher.update(&bytes),
            Err(error) => fail(&format!("{}: {error}", path.display())),
        };
    }
    hasher.finalize().to_hex()[..16].to_owned()
}
