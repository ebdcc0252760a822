//! Tables of what a cgroup's files say.

use super::*;
use crate::resources::cgroup::{CgroupMemory, inactive_file, limit, number, operations, quota, usage_us};

const MACHINE: Memory = Memory { available_bytes: 600, total_bytes: 1000 };

#[test]
fn memory_is_what_is_left_of_the_limit_and_of_the_machine() {
    for (max_bytes, current_bytes, inactive_file_bytes, available_bytes, total_bytes) in [
        (Some(400), 100, 0, 300, 400),
        (Some(400), 300, 50, 150, 400),
        (Some(400), 450, 0, 0, 400),
        // More reclaimable than used, as two reads one after the other may say.
        (Some(400), 100, 200, 400, 400),
        // The machine has less.
        (Some(900), 100, 0, 600, 900),
        (Some(5000), 100, 0, 600, 1000),
        (Some(5000), 700, 0, 300, 1000),
        // `max`
        (None, 100, 0, 600, 1000),
        (None, u64::MAX, u64::MAX, 600, 1000),
    ] {
        let memory = CgroupMemory { max_bytes, current_bytes, inactive_file_bytes };
        assert_eq!(memory.within(MACHINE), Ok(Memory { available_bytes, total_bytes }), "{memory:?}");
    }
    let nothing = CgroupMemory { max_bytes: Some(0), current_bytes: 0, inactive_file_bytes: 0 };
    assert_eq!(nothing.within(MACHINE), Err(Flaw::Absurd("no memory at all")));
}

#[test]
fn limits_are_numbers_or_max() {
    assert_eq!(limit("max\n"), Ok(None));
    assert_eq!(limit("268435456\n"), Ok(Some(268_435_456)));
    assert_eq!(number("134217728\n"), Ok(134_217_728));
    for text in ["", "max", "-1", "1 2", "18446744073709551616"] {
        assert!(number(text).is_err(), "{text:?}");
    }
    assert_eq!(quota("max 100000\n"), Ok(None));
    assert_eq!(quota("50000 100000\n"), Ok(Some(0.5)));
    assert_eq!(quota("400000 100000\n"), Ok(Some(4.0)));
    assert_eq!(quota("0 100000"), Err(Flaw::Absurd("no CPU time at all")));
    assert_eq!(quota("1 0"), Err(Flaw::Absurd("no CPU time at all")));
    for text in ["", "max", "100000", "a 100000", "1 -1"] {
        assert!(matches!(quota(text), Err(Flaw::Malformed(_))), "{text:?}");
    }
}

#[test]
fn statistics_are_found_by_their_whole_key() {
    let text = |name| CGROUP.iter().find(|(file, _)| *file == name).unwrap().1;
    assert_eq!(inactive_file(text("memory.stat")), Ok(41_943_040));
    assert_eq!(inactive_file("zinactive_file 1\ninactive_file_x 2\ninactive_file 3"), Ok(3));
    assert_eq!(usage_us(text("cpu.stat")), Ok(12_579_650_238));
    for text in ["", "usage_usec", "usage_usec x", "usage_usec -1"] {
        assert!(matches!(usage_us(text), Err(Flaw::Malformed(_))), "{text:?}");
    }
}

#[test]
fn operations_are_those_of_devices_that_are_not_memory() {
    let counted = |text: &str| operations(text).unwrap().into_iter().collect::<Vec<_>>();
    assert_eq!(counted(""), []);
    assert_eq!(
        counted(
            "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n1:0 rios=9 wios=9\n7:0 rios=9 wios=9\n"
        ),
        [((8, 0), 7)]
    );
    // A device without figures, with and without an end of its line; a cost model's words.
    assert_eq!(
        counted("7:7 7:6 253:0 \n8:16 8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=1"),
        [((8, 0), 7)]
    );
    for text in ["rios=3", "8:0 rios=x", "8 rios=1", "8:0:0 rios=1", "-8:0 rios=1"] {
        assert!(matches!(operations(text), Err(Flaw::Malformed(_))), "{text:?}");
    }
}
