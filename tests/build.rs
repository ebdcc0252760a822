//! Builds the BPF program of the lab's observer, which the library contains.

fn main() {
    bpf_build::Object {
        package: "afc-observer",
        directory: "tests/observer",
        binary: "afc-observe",
        features: &[],
    }
    .build();
}
