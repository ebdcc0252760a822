//! Rules on who may use what: dependencies point one way.

use super::{Breach, source::Source};

/// A part of the workspace and what its code, tests aside, must not name.
struct Layer {
    name: &'static str,
    /// Beginnings of the paths of its files.
    files: &'static [&'static str],
    forbidden: &'static [&'static str],
}

const LAYERS: [Layer; 3] = [
    Layer {
        name: "the engine: the world comes in as events, and goes out as effects",
        files: &["afc-engine/src/"],
        forbidden: &[
            "aya",
            "core::net",
            "core::sync",
            "libc",
            "std::fs",
            "std::io",
            "std::net",
            "std::sync",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
            "tokio",
        ],
    },
    Layer {
        name: "a part that the agent puts together",
        files: &[
            "afc-agent/src/cluster",
            "afc-agent/src/datapath",
            "afc-agent/src/heartbeat",
            "afc-agent/src/metrics",
            "afc-agent/src/network",
            "afc-agent/src/repository",
            "afc-agent/src/resources",
            "afc-agent/src/service",
        ],
        forbidden: &["crate::agent"],
    },
    // Atomics compile for BPF and do something else there.
    Layer { name: "the kernel's side", files: &["afc-ebpf/src/"], forbidden: &["core::sync::atomic", "std"] },
];

/// Files whose callers only print the error.
const ANYHOW_FILES: [&str; 3] = ["afc-agent/src/main.rs", "afc-agent/src/agent.rs", "afc-agent/build.rs"];

/// Folders that do nothing but that.
const ANYHOW_PACKAGES: [&str; 4] = ["afc-agent/src/agent/", "bench/", "xtask/", "tests/"];

pub(super) fn layers(source: &Source) -> Vec<Breach> {
    let is_in = |layer: &&Layer| layer.files.iter().any(|files| source.path().starts_with(files));
    let Some(layer) = LAYERS.iter().find(is_in) else {
        return Vec::new();
    };
    let mut breaches = Vec::new();
    for path in source.paths() {
        let forbidden =
            layer.forbidden.iter().find(|forbidden| path.is_within(forbidden) || path.contains(forbidden));
        if let Some(forbidden) = forbidden
            && !source.is_test(path.line)
        {
            breaches.push(Breach { line: path.line, message: format!("`{forbidden}` in {}", layer.name) });
        }
    }
    breaches
}

/// An error that somebody may have to tell from others is an enum.
pub(super) fn anyhow(source: &Source) -> Vec<Breach> {
    let may = ANYHOW_FILES.contains(&source.path())
        || ANYHOW_PACKAGES.iter().any(|package| source.path().starts_with(package));
    if may {
        return Vec::new();
    }
    let uses =
        source.paths().into_iter().filter(|path| path.is_within("anyhow") && !source.is_test(path.line));
    uses.map(|path| Breach { line: path.line, message: "a library's error is an enum of its own".to_owned() })
        .collect()
}
