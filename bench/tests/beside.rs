//! The benchmark itself, in the shortest form that measures afc beside a peer. Needs root and keepalived.

use std::{path::Path, process::Command};

use serde_json::Value;

#[test]
fn a_power_cut_is_measured_of_afc_and_of_keepalived_in_one_run() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside");
    let output = Command::new(env!("CARGO_BIN_EXE_afc-bench"))
        .args([
            "--only",
            "gap",
            "--faults",
            "power-cut",
            "--systems",
            "afc,keepalived",
            "--count",
            "1",
            "--out",
        ])
        .arg(&out)
        .output()
        .unwrap();
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    println!("{said}");

    let json = std::fs::read_to_string(out.join("bench.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let median = |system: &str| {
        let row = rows.iter().find(|row| row["system"] == system);
        let row = row.unwrap_or_else(|| panic!("no row of {system}: {said}"));
        assert_eq!((row["n"].as_u64(), row["scenario"].as_str()), (Some(1), Some("power cut")), "{row}");
        row["median"].as_f64().unwrap()
    };
    // No shorter than the silence that each waits for, less the interval that may have passed before the cut.
    assert!(median("afc") > 15.0 && median("keepalived") > 18.0, "{said}");
    assert!(rows.iter().all(|row| row["ratio_to_keepalived"].is_f64()), "{said}");
    assert!(std::fs::read_to_string(out.join("bench.svg")).unwrap().contains("<circle"));
}
