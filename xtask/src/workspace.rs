//! Where things lie in this repository. Reads the environment, touches no file.

use std::env;
use std::path::{Path, PathBuf};

/// The directory of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else `target`.
pub(crate) fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Programs that setup installs for this repository alone, which others must not see.
pub(crate) fn tools_dir() -> PathBuf {
    target_dir().join("tools")
}

/// The integration tests of a package: the names that `cargo test --test` takes.
pub(crate) fn integration_tests(package: &str) -> Vec<String> {
    let Ok(entries) = root().join(package).join("tests").read_dir() else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    names
}
