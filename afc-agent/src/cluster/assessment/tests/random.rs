//! Records that say anything at all: nothing fails, and the order in which a record says things does not matter.

use fastrand::Rng;

use super::*;

#[test]
fn random_records_fail_nothing_and_their_inner_order_does_not_matter() {
    for seed in 0..5_000 {
        let mut rng = Rng::with_seed(seed);
        let mut records = Records::new();
        for node in 0..rng.u16(0..8) {
            let id = |rng: &mut Rng| NodeId(rng.u16(0..9));
            let mut state = NodeState { capacity: rng.u32(0..3), ..NodeState::default() };
            state.reasons = Reasons::from_bits(rng.u8(..));
            state.reason_ages_ms = (0..rng.usize(0..10)).map(|_| rng.u64(..)).collect();
            for _ in 0..rng.usize(0..12) {
                let watch = if rng.bool() { Watch::Alive } else { Watch::Suspected };
                state.watches.push((id(&mut rng), watch));
                state.holdings.push((ServiceId(rng.u32(0..5) * 100), word(rng.u32(0..4), rng.u16(0..8))));
            }
            records.extend([record(node, state)]);
        }
        let assessment = assess(&roster(), &records);
        for (id, node) in &assessment.nodes {
            assert!(records.contains_key(id) || node.is_dead(), "seed {seed}: {id:?} has no record");
            assert!(
                node.is_dead() || node.suspected_by.len() <= node.answers_to.len(),
                "seed {seed}: {id:?}"
            );
        }
        for record in records.values_mut() {
            let state = &mut Arc::make_mut(record).state;
            rng.shuffle(&mut state.watches);
            rng.shuffle(&mut state.holdings);
        }
        assert_eq!(assess(&roster(), &records), assessment, "seed {seed}");
    }
}
