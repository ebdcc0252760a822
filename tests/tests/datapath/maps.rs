//! The fast path's half of the maps, against the real ones: what it writes is what the kernel and the next agent read.

use afc_agent::{clock::boottime_ns, datapath::Claim};
use afc_ebpf::{
    identity::{NodeId, OwnerWord},
    layout::{MAX_HELD, Record},
};
use afc_engine::effect::Leases;

use super::rig::{INCARNATION, ME, OTHER, PEER, Rig, mac, service, word};

/// A fresh claim of a service.
fn claim(index: u32) -> Claim<'static> {
    Claim {
        service: service(index),
        word: word(5, ME),
        others: &[PEER, OTHER],
        now_ns: boottime_ns(),
        leases: Leases::Fresh,
    }
}

#[test]
fn an_owner_word_is_raised_and_released_but_never_lowered() {
    let rig = Rig::new("word");
    let fast = &rig.fast;
    assert!(fast.raise_word(0, word(5, ME)));
    assert!(fast.raise_word(0, word(5, ME)), "it stands there");
    assert!(!fast.raise_word(0, word(4, PEER)));
    assert_eq!(fast.serving(0).0, word(5, ME));
    assert!(!fast.clear_owner(0, word(4, ME).epoch()), "another epoch is not released");
    assert!(fast.clear_owner(0, word(5, ME).epoch()));
    assert_eq!(fast.serving(0).0, word(5, ME).epoch().owned_by(NodeId::NONE));
    assert!(fast.raise_word(0, word(6, PEER)));
    assert!(fast.clear_owner(0, word(6, PEER).epoch()), "another node's RELEASE ends redirection too");
    assert!(!fast.clear_owner(0, word(6, PEER).epoch()), "once");
    assert_eq!(fast.serving(0).0.owner(), NodeId::NONE);
}

#[test]
fn a_drop_empties_the_holding_ends_the_lease_and_leaves_the_list() {
    let mut rig = Rig::new("drop");
    rig.fast.hold(2, &claim(2)).expect("held");
    rig.fast.set_lease_until(2, u64::MAX);
    let holding = rig.fast.holding(2).expect("read");
    assert_eq!((holding.word, holding.incarnation, holding.needed), (word(5, ME).0, INCARNATION, 1));
    assert_eq!(rig.fast.held().collect::<Vec<_>>(), [(service(2), 2)]);
    rig.fast.drop_holding(2).expect("dropped");
    assert!(!rig.fast.holding(2).expect("read").is_held());
    assert_eq!(rig.fast.serving(2).1, 0);
    assert_eq!(rig.fast.held().count(), 0);
    rig.fast.drop_holding(2).expect("a second time changes nothing");
}

#[test]
fn a_fresh_claim_starts_without_the_lease_before_it() {
    let mut rig = Rig::new("fresh");
    rig.fast.hold(0, &claim(0)).expect("held");
    rig.fast.set_lease_until(0, u64::MAX);
    rig.fast.hold(0, &Claim { word: word(6, ME), ..claim(0) }).expect("held");
    assert_eq!(rig.fast.serving(0).1, 0);
}

#[test]
fn leases_do_not_carry_over_to_other_voters() {
    let mut rig = Rig::new("voters");
    rig.fast.hold(0, &claim(0)).expect("held");
    rig.fast.set_lease_until(0, u64::MAX);
    let others = &[OTHER, PEER];
    let raised = Claim { word: word(6, ME), others, leases: Leases::CarriedOver, ..claim(0) };
    rig.fast.hold(0, &raised).expect("held");
    assert_eq!(rig.fast.serving(0).1, 0);
}

#[test]
fn an_adopted_holding_keeps_its_age_and_its_lease() {
    let mut rig = Rig::new("adopt");
    let old = claim(0);
    rig.fast.hold(0, &old).expect("held");
    rig.fast.set_lease_until(0, 77);
    rig.fast.set_incarnation(INCARNATION + 1);
    let now_ns = old.now_ns + 1_000_000;
    rig.fast.hold(0, &Claim { now_ns, leases: Leases::CarriedOver, ..old }).expect("held");
    let holding = rig.fast.holding(0).expect("read");
    assert_eq!((holding.since_ns, holding.incarnation), (old.now_ns, INCARNATION + 1));
    assert_eq!(rig.fast.serving(0).1, 77);
}

#[test]
fn a_node_that_holds_as_much_as_can_be_listed_claims_no_more() {
    let mut rig = Rig::new("full");
    for index in 0..MAX_HELD {
        rig.fast.hold(index, &claim(index)).expect("held");
    }
    let error = rig.fast.hold(MAX_HELD, &claim(MAX_HELD)).expect_err("full");
    assert!(error.to_string().contains("64"), "{error}");
    assert!(!rig.fast.holding(MAX_HELD).expect("read").is_held());
    rig.fast.drop_holding(0).expect("dropped");
    rig.fast.hold(MAX_HELD, &claim(MAX_HELD)).expect("held");
    (0..=MAX_HELD).for_each(|index| rig.fast.drop_holding(index).expect("dropped"));
}

#[test]
fn a_node_that_leaves_the_cluster_is_no_member_by_its_link_address() {
    let mut rig = Rig::new("leave");
    for node in [PEER, OTHER] {
        let probe = rig.probe_of(node).frame();
        rig.receive(&probe);
    }
    assert_eq!(rig.members.keys().count(), 2);
    let peers = [(ME, rig.peer(ME)), (OTHER, rig.peer(OTHER))];
    rig.datapath.set_peers(&peers).expect("peers");
    let left: Vec<u64> = rig.members.keys().collect::<Result<_, _>>().expect("keys");
    assert_eq!(left, [mac(OTHER).0]);
}

#[test]
fn a_record_comes_back_as_it_was_kept() {
    let rig = Rig::new("record");
    let grown = Record { word: word(5, PEER).0, guard_until_ns: 1000, floor: word(5, PEER).0 };
    let released = Record { word: OwnerWord(5).0, guard_until_ns: 0, ..grown };
    for record in [Record::default(), grown, released] {
        rig.fast.set_record(3, record);
        assert_eq!(rig.fast.record(3), record);
    }
}

/// Linux allows a million; an older verifier prunes less, so there must be much room.
#[test]
fn the_programs_stay_far_below_the_verifier_s_limit() {
    let _rig = Rig::new("verifier");
    let counts: Vec<(String, u32)> = aya::programs::loaded_programs()
        .filter_map(Result::ok)
        .filter_map(|program| {
            Some((program.name_as_str()?.to_owned(), program.verified_instruction_count()?))
        })
        .filter(|(name, _)| name.starts_with("afc_"))
        .collect();
    println!("{counts:?}");
    assert!(counts.iter().all(|(_, count)| *count < 100_000), "{counts:?}");
}
