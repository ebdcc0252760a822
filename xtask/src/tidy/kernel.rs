//! Rules on the BPF programs, which keep what is dangerous in one file each.

use super::{Breach, source::Source};

/// The package of the BPF programs.
const KERNEL: &str = "afc-ebpf/src/";

/// Where raw pointers become bounds-checked values, and where the kernel's helpers take them.
const RAW_POINTER_FILES: [&str; 3] =
    ["afc-ebpf/src/program/packet.rs", "afc-ebpf/src/program/maps.rs", "afc-ebpf/src/program/helper.rs"];

const MAP_FILE: &str = "afc-ebpf/src/program/maps.rs";

/// Attributes that make a static a map.
const MAP_ATTRIBUTES: [&str; 2] = ["map", "btf_map"];

pub(super) fn raw_pointer(source: &Source) -> Vec<Breach> {
    if !source.path().starts_with(KERNEL) || RAW_POINTER_FILES.contains(&source.path()) {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for at in source.places() {
        if let [star, kind, ..] = at
            && star.is_mark('*')
            && (kind.is_word("mut") || kind.is_word("const"))
        {
            let message = format!("a raw pointer outside of {}", RAW_POINTER_FILES.join(", "));
            breaches.push(Breach { line: star.line, message });
        }
    }
    breaches
}

pub(super) fn map_static(source: &Source) -> Vec<Breach> {
    if !source.path().starts_with(KERNEL) || source.path() == MAP_FILE {
        return Vec::new();
    }
    let attributes = source.attributes().into_iter().filter_map(|attribute| attribute.first());
    attributes
        .filter(|name| MAP_ATTRIBUTES.iter().any(|map| name.is_word(map)))
        .map(|name| Breach { line: name.line, message: format!("a map outside of {MAP_FILE}") })
        .collect()
}
