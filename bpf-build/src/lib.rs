//! Builds a BPF object of this workspace for its own target, from a build script, so that `cargo build` is enough.
//!
//! aya-build can't pass `-C target-cpu`, so this runs the nested cargo itself. It only builds: what the object is called and
//! who loads it is the build script's.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, exit},
};

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

/// An object: the binary target of a package.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// The package.
    pub package: &'a str,
    /// Its directory below the workspace's, whose changes have it built anew.
    pub directory: &'a str,
    /// Its binary target, and the name of the object in `OUT_DIR`.
    pub binary: &'a str,
    /// Features of the package.
    pub features: &'a [&'a str],
}

impl Object<'_> {
    /// Builds the object and leaves it in `OUT_DIR`; ends the build script if it can't be built.
    pub fn build(self) {
        let workspace = workspace();
        for path in [&format!("{}/src", self.directory), &format!("{}/Cargo.toml", self.directory)] {
            println!("cargo::rerun-if-changed={}", workspace.join(path).display());
        }
        for path in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "bpf-build/src"] {
            println!("cargo::rerun-if-changed={}", workspace.join(path).display());
        }
        println!("cargo::rerun-if-changed=build.rs");

        let out = PathBuf::from(variable("OUT_DIR"));
        let target_dir = out.join("bpf");
        let triple = triple();
        let status = self.cargo(&workspace, &target_dir, triple).status();
        if !status.as_ref().is_ok_and(|status| status.success()) {
            let why = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            fail(&format!("the BPF object {} was not built ({why})", self.binary));
        }
        let object = target_dir.join(triple).join("bpf").join(self.binary);
        if let Err(error) = fs::copy(&object, out.join(self.binary)) {
            fail(&format!("{}: {error}", object.display()));
        }
    }

    /// The nested cargo. Its target directory is its own, so it does not wait for the outer one's lock.
    fn cargo(self, workspace: &Path, target_dir: &Path, triple: &str) -> Command {
        let mut cargo = Command::new(variable("CARGO"));
        cargo.current_dir(workspace).args(["build", "--package", self.package, "--bin", self.binary]);
        cargo.args(["-Z", "build-std=core", "--profile", "bpf", "--target", triple]);
        cargo.arg("--target-dir").arg(target_dir);
        if !self.features.is_empty() {
            cargo.args(["--features", &self.features.join(",")]);
        }
        if workspace.join("Cargo.lock").exists() {
            cargo.arg("--locked");
        }
        for name in NOT_FOR_BPF {
            cargo.env_remove(name);
        }
        // `-Z build-std` on the stable compiler: the target has no prebuilt core.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags().join("\x1f"));
        cargo
    }
}

/// Says what is wrong and what to run, and ends the build.
pub fn fail(what: &str) -> ! {
    println!("cargo::error={what}");
    println!(
        "cargo::error=it needs bpf-linker and the rust-src of this compiler: `cargo xtask setup` installs both and says what it does"
    );
    exit(1)
}

/// A variable that cargo sets for build scripts.
pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| fail(&format!("{name}: {error}")))
}

/// The directory that holds `Cargo.lock`, above that of the package that is built.
pub fn workspace() -> PathBuf {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let found = package.ancestors().skip(1).find(|directory| directory.join("rust-toolchain.toml").exists());
    found.map_or_else(|| fail("this package lies in no workspace"), Path::to_owned)
}

/// The BPF target of the host's byte order.
fn triple() -> &'static str {
    match variable("CARGO_CFG_TARGET_ENDIAN").as_str() {
        "big" => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    }
}

fn flags() -> [String; 5] {
    [
        // aya-ebpf picks the registers of `pt_regs` by it.
        format!("--cfg=bpf_target_arch=\"{}\"", variable("CARGO_CFG_TARGET_ARCH")),
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
