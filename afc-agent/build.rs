//! Builds the BPF object of `afc-ebpf` for its own target, so that `cargo build` is enough.
//!
//! aya-build can't pass `-C target-cpu`, so this runs the nested cargo itself. It leaves in `OUT_DIR` the object
//! `afc-datapath`, and in the environment of the crate `AFC_LAYOUT_HASH`: the hash of every source that decides what
//! lies in a map, which names the pin directory (design.md section 5).

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, exit},
};

/// The sources that decide the bytes of the maps and the meaning of their indices.
const LAYOUT_SOURCES: &[&str] = &[
    "identity.rs",
    "layout.rs",
    "lease.rs",
    "mac.rs",
    "program/maps.rs",
    "reason.rs",
    "replay.rs",
    "rtt.rs",
    "siphash.rs",
];

/// What the outer cargo set for the host, and what `cargo clippy` or a wrapper put around its compiler: none of it is
/// meant for the BPF target.
const NOT_FOR_BPF: &[&str] = &[
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CLIPPY_ARGS",
    "CLIPPY_CONF_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
];

fn main() {
    let workspace = workspace();
    let source = workspace.join("afc-ebpf");
    for path in ["afc-ebpf/src", "afc-ebpf/Cargo.toml", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=AFC_LAYOUT_HASH={}", layout_hash(&source.join("src")));

    let out = PathBuf::from(variable("OUT_DIR"));
    let target = Target::from_environment();
    let target_dir = out.join("bpf");
    let status = target.build(&workspace, &target_dir).status();
    if !status.as_ref().is_ok_and(|status| status.success()) {
        fail(&format!(
            "the BPF object was not built ({})",
            status.map_or_else(|error| error.to_string(), |s| s.to_string())
        ));
    }
    let object = target_dir.join(target.triple).join("bpf/afc-datapath");
    if let Err(error) = fs::copy(&object, out.join("afc-datapath")) {
        fail(&format!("{}: {error}", object.display()));
    }
}

/// The BPF target that belongs to the agent's.
struct Target {
    triple: &'static str,
    arch: String,
}

impl Target {
    fn from_environment() -> Self {
        let triple = match variable("CARGO_CFG_TARGET_ENDIAN").as_str() {
            "big" => "bpfeb-unknown-none",
            _ => "bpfel-unknown-none",
        };
        Self { triple, arch: variable("CARGO_CFG_TARGET_ARCH") }
    }

    /// The nested cargo. Its target directory is its own, so it does not wait for the outer one's lock.
    fn build(&self, workspace: &Path, target_dir: &Path) -> Command {
        let mut cargo = Command::new(variable("CARGO"));
        cargo.current_dir(workspace).args(["build", "--package", "afc-ebpf", "--bin", "afc-datapath"]);
        cargo.args(["-Z", "build-std=core", "--profile", "bpf", "--target", self.triple]);
        cargo.arg("--target-dir").arg(target_dir);
        if env::var_os("CARGO_FEATURE_TRACE").is_some() {
            cargo.args(["--features", "trace"]);
        }
        if workspace.join("Cargo.lock").exists() {
            cargo.arg("--locked");
        }
        for name in NOT_FOR_BPF {
            cargo.env_remove(name);
        }
        // `-Z build-std` on the stable compiler: the target has no prebuilt core.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags().join("\x1f"));
        cargo
    }

    fn flags(&self) -> [String; 5] {
        [
            // aya-ebpf picks the registers of `pt_regs` by it.
            format!("--cfg=bpf_target_arch=\"{}\"", self.arch),
            // Together these two give the object its BTF.
            "-Cdebuginfo=2".into(),
            "-Clink-arg=--btf".into(),
            // 32-bit operations and compare-and-swap (Linux 5.12).
            "-Ctarget-cpu=v3".into(),
            // Headers are unaligned; without this every field is loaded byte by byte. The kernels of x86-64 and arm64
            // allow it (CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS).
            "-Clink-arg=--cpu-features=+allows-misaligned-mem-access".into(),
        ]
    }
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

fn workspace() -> PathBuf {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let Some(workspace) = package.parent() else { fail("this package lies in no workspace") };
    workspace.to_owned()
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| fail(&format!("{name}: {error}")))
}

/// Says what is wrong and what to run, and ends the build.
fn fail(what: &str) -> ! {
    println!("cargo::error={what}");
    println!(
        "cargo::error=it needs bpf-linker and the rust-src of this compiler: `cargo xtask setup` installs both and says what it does"
    );
    exit(1)
}
