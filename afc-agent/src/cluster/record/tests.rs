//! What a record may say and what not.

use super::*;

/// Changes a good record into a bad one.
type Spoil = fn(&mut NodeRecord);

fn record() -> NodeRecord {
    let pressure = Pressure { cpu: 0.1, memory: 0.0, io: 1.0 };
    NodeRecord {
        node: NodeId(1),
        version: Version { incarnation: 1, sequence: 1 },
        state: NodeState {
            reasons: Reasons::NONE.with(UnavailableReason::Memory).with(UnavailableReason::Drained),
            reason_ages_ms: vec![5, 6],
            capacity: 1,
            utilization: Some(Utilization {
                cpu: 1.0,
                memory_available_bytes: 1,
                memory_total_bytes: 2,
                iops: 3,
                load: 4.0,
                pressure: Some(pressure),
            }),
            limits: Limits { cpu: Some(0.85), load: Some(8.0), ..Limits::default() },
            holdings: vec![(ServiceId(1), OwnerWord(1)), (ServiceId(2), OwnerWord(1))],
            watches: vec![(NodeId(2), Watch::Alive), (NodeId(3), Watch::Suspected)],
            ..NodeState::default()
        },
    }
}

fn utilization(record: &mut NodeRecord) -> &mut Utilization {
    record.state.utilization.as_mut().unwrap()
}

#[test]
fn a_record_at_its_limits_is_valid() {
    assert_eq!(record().validate(), Ok(()));
    let mut full = record();
    full.node = NodeId::MAX;
    full.state.holdings = (0..MAX_HOLDINGS as u32).map(|n| (ServiceId(n), OwnerWord(u64::MAX))).collect();
    full.state.watches = (1..=MAX_WATCHES as u16).map(|n| (NodeId(n), Watch::Alive)).collect();
    assert_eq!(full.validate(), Ok(()));
}

#[test]
fn what_no_node_can_say_is_refused() {
    let bad: [(Spoil, RecordError); 20] = [
        (|r| r.node = NodeId(0), RecordError::Node(0)),
        (|r| r.node = NodeId(4096), RecordError::Node(4096)),
        (|r| r.version.sequence = 0, RecordError::Version),
        (|r| r.version.sequence = u64::MAX, RecordError::Version),
        (|r| r.version.incarnation = u64::MAX, RecordError::Version),
        (|r| r.state.reasons = Reasons::NONE.with(UnavailableReason::Dead), RecordError::Reasons),
        (|r| r.state.reasons = Reasons::NONE.with(UnavailableReason::Serving), RecordError::Reasons),
        (|r| r.state.reason_ages_ms = vec![5], RecordError::ReasonAges),
        (|r| r.state.reason_ages_ms[0] = u64::MAX, RecordError::ReasonAges),
        (|r| r.state.capacity = u32::MAX, RecordError::Capacity),
        (|r| utilization(r).cpu = f64::NAN, RecordError::Quantity("CPU time")),
        (|r| utilization(r).cpu = -0.1, RecordError::Quantity("CPU time")),
        (|r| utilization(r).load = f64::INFINITY, RecordError::Quantity("load")),
        (|r| utilization(r).iops = u64::MAX, RecordError::Quantity("I/O operations")),
        (|r| utilization(r).memory_total_bytes = u64::MAX, RecordError::Quantity("memory")),
        (|r| utilization(r).pressure.as_mut().unwrap().io = 2.0, RecordError::Quantity("I/O pressure")),
        (|r| r.state.limits.load = Some(f64::NAN), RecordError::Quantity("limit of the load")),
        (|r| r.state.holdings[1].0 = ServiceId(1), RecordError::Holdings),
        (|r| r.state.watches[1].0 = NodeId(2), RecordError::Watches),
        (|r| r.state.watches[1].0 = NodeId(0), RecordError::Node(0)),
    ];
    for (index, (spoil, error)) in bad.into_iter().enumerate() {
        let mut record = record();
        spoil(&mut record);
        assert_eq!(record.validate(), Err(error), "row {index}");
    }
    let mut many = record();
    many.state.holdings = (0..=MAX_HOLDINGS as u32).map(|n| (ServiceId(n), OwnerWord(1))).collect();
    assert_eq!(many.validate(), Err(RecordError::Holdings));
    let mut many = record();
    many.state.watches = (1..=MAX_WATCHES as u16 + 1).map(|n| (NodeId(n), Watch::Alive)).collect();
    assert_eq!(many.validate(), Err(RecordError::Watches));
}
