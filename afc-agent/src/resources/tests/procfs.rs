//! Tables of what several kernels write below /proc.

use super::*;
use crate::resources::procfs::{cpu_count, cpu_time, disks, load, memory, pressure};

const KIB: u64 = 1024;

/// What a file is when it is no such file at all.
const NONSENSE: [&str; 8] =
    ["", "\n", "x", "0", "some", "cpu", "MemTotal:", "<html><body>404 Not Found</body></html>\n"];

#[test]
fn memory_is_read_from_every_kernel_s_meminfo() {
    for (text, available_kib, total_kib) in [
        (MEMINFO_6_18, 24_261_760, 24_684_084),
        (MEMINFO_3_10, 1_535_676, 1_882_064),
        // Without MemAvailable: free, buffers and cache, less what is shared.
        (MEMINFO_2_6_32, 5_206_868 + 17_980 + 7_395_552 - 56, 16_464_260),
    ] {
        let expected = Memory { available_bytes: available_kib * KIB, total_bytes: total_kib * KIB };
        assert_eq!(memory(text), Ok(expected));
    }
}

#[test]
fn memory_that_cannot_be_is_an_error() {
    let change = |from: &str, to: &str| {
        assert_eq!(MEMINFO_3_10.matches(from).count(), 1, "{from}");
        memory(&MEMINFO_3_10.replace(from, to)).unwrap_err().to_string()
    };
    assert_eq!(change("1882064", "0"), "says no memory at all, which cannot be");
    assert_eq!(change("1535676", "1882065"), "says more memory available than there is, which cannot be");
    for (from, to) in [
        ("1882064", "-5"),
        ("1882064", "NaN"),
        ("1882064", "18446744073709551615"),
        ("1376380 kB", "99999999999 GB"),
        ("1376380 kB", "1376380 pages"),
        ("MemTotal: ", "MemTotals:"),
        ("MemFree:         1376380 kB\n", ""),
    ] {
        assert!(change(from, to).starts_with("does not read as memory figures"), "{to}");
    }
}

#[test]
fn cpu_time_is_read_with_as_many_columns_as_there_are() {
    let columns = |line: &str| {
        cpu_time(&format!("{line}\ncpu0 1 1 1 1\nctxt 1\nbtime 1\nprocesses 1\n"))
            .map(|time| (time.used, time.total))
    };
    for (line, used, total) in [
        ("cpu  100 20 30 850", 150, 1000),
        ("cpu  100 20 30 800 50", 150, 1000),
        ("cpu  100 20 30 800 40 4 6", 160, 1000),
        ("cpu  100 20 30 800 30 4 6 10", 170, 1000),
        ("cpu  100 20 30 800 30 4 6 10 90", 170, 1000),
        ("cpu  100 20 30 800 30 4 6 10 90 5", 170, 1000),
        ("cpu  100 20 30 800 30 4 6 10 90 5 77", 170, 1000),
        ("cpu  18446744073709551615 20 30 800", u64::MAX, u64::MAX),
    ] {
        assert_eq!(columns(line), Ok((used, total)), "{line}");
    }
    for line in ["cpu  100 20 30", "cpu  100 20 30 -1", "cpu  a b c d", "cpu9 1 2 3 4"] {
        assert!(matches!(columns(line), Err(Flaw::Malformed(_))), "{line}");
    }
    assert_eq!(cpu_count(STAT_6_18), Ok(2.0));
    let without = "cpu  1 2 3 4\nctxt 1\nbtime 1\nprocesses 1\n";
    assert_eq!(cpu_count(without), Err(Flaw::Absurd("no CPU")));
}

#[test]
fn only_whole_disks_count_and_each_once() {
    let counted = |text: &str| {
        let disks = disks(text).unwrap();
        disks.operations.into_iter().map(|((major, minor), count)| (major, minor, count)).collect::<Vec<_>>()
    };
    assert_eq!(counted(DISKSTATS_3_10), [(8, 0, 20_076 + 23_573_766), (8, 16, 88), (8, 32, 88)]);
    assert_eq!(counted(DISKSTATS_6_18), [(254, 0, 1_942_712 + 202_496)]);
    // Linux 4.18 to 5.4 has discards, and no flushes.
    assert_eq!(counted("   8       0 sda 5 0 0 0 6 0 0 0 0 0 0 7 0 0 0\n"), [(8, 0, 11)]);
}

#[test]
fn partitions_and_devices_that_stand_for_others_are_told_by_the_kernel_s_names() {
    let all = [
        ("sda", true),
        ("sda1", false),
        ("sda15", false),
        ("sdab", true),
        ("nvme0n1", true),
        ("nvme0n1p2", false),
        ("nvme0n2", true),
        ("nvme1c0n1", false),
        ("mmcblk0", true),
        ("mmcblk0p1", false),
        ("mmcblk0boot0", true),
        ("xvda1", true), // without xvda: some clouds attach a file system as if it were a partition
        ("sr0", true),
        ("nbd0", true),
        ("nbd0p1", false),
        ("loop0", false),
        ("loop0p1", false),
        ("ram15", false),
        ("zram0", false),
        ("dm-0", false),
        ("md127", false),
        ("md127p1", false),
        ("drbd1", false),
        ("dasda", true),
        ("dasda1", false),
        ("7", true),
    ];
    let lines =
        all.iter().enumerate().map(|(minor, (name, _))| format!("8 {minor} {name} 1 0 0 0 1 0 0 0 0 0 0\n"));
    let disks = disks(&lines.collect::<String>()).unwrap();
    for (minor, (name, is_disk)) in (0..).zip(all) {
        assert_eq!(disks.operations.contains_key(&(8, minor)), is_disk, "{name}");
        assert_eq!(disks.others.contains(&(8, minor)), !is_disk, "{name}");
    }
}

#[test]
fn load_and_pressure_are_read_within_their_bounds() {
    assert!(load(LOADAVG).is_ok_and(|load| (load - 2.63).abs() < 1e-6));
    for text in ["-1.0 0 0 1/2 3", "inf 0 0 1/2 3", "NaN 0 0 1/2 3", "1e30 0 0 1/2 3"] {
        assert!(matches!(load(text), Err(Flaw::Absurd(_))), "{text}");
    }
    let some = "some avg10=4.50 avg60=0.91 avg300=0.00 total=681245\n";
    for text in [PRESSURE, some, some.trim_end()] {
        assert!(pressure(text).is_ok_and(|share| (share - 0.045).abs() < 1e-6), "{text}");
    }
    for value in ["-0.01", "100.01", "NaN", "inf"] {
        let text = some.replace("4.50", value);
        assert!(matches!(pressure(&text), Err(Flaw::Absurd(_))), "{text}");
    }
    for text in
        ["some", "some\n", "full avg10=0 avg60=0 avg300=0 total=0\n", "some avg10= avg60=0 avg300=0 total=0"]
    {
        assert!(matches!(pressure(text), Err(Flaw::Malformed(_))), "{text}");
    }
}

#[test]
fn nonsense_is_an_error_and_never_a_panic() {
    for text in NONSENSE {
        assert!(memory(text).is_err() && cpu_time(text).is_err() && load(text).is_err(), "{text:?}");
        assert!(pressure(text).is_err(), "{text:?}");
        assert!(text.is_empty() || disks(text).is_err(), "{text:?}");
    }
    let mut random = fastrand::Rng::with_seed(11);
    for text in [MEMINFO_6_18, MEMINFO_2_6_32, STAT_6_18, DISKSTATS_6_18, LOADAVG, PRESSURE] {
        for _ in 0..2000 {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..random.usize(1..5) {
                let at = random.usize(0..bytes.len());
                match random.u8(0..4) {
                    0 => bytes.truncate(at + 1),
                    1 => bytes[at] = random.u8(0..128),
                    2 => drop(bytes.splice(at..at, *b"99999999")),
                    _ => drop(bytes.splice(at..at, *b" \n")),
                }
            }
            let text = std::str::from_utf8(&bytes).unwrap();
            let results = (memory(text), cpu_time(text), cpu_count(text), load(text), pressure(text));
            drop((results, disks(text)));
        }
    }
}
