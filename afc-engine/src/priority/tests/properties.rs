//! What lists promise holds on random clusters, and the checks would notice if it did not.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fastrand::Rng;

use super::{super::*, check, random};

/// Clusters in one run.
const CLUSTERS: u64 = 100_000;
/// One in so many is large.
const LARGE_EVERY: u64 = 500;

/// Runs a test for every seed; says which one failed.
pub(super) fn for_each_cluster(clusters: u64, test: impl Fn(&mut Rng, Inputs)) {
    for seed in 0..clusters {
        let one = || {
            let mut rng = Rng::with_seed(seed);
            let most_nodes = if seed % LARGE_EVERY == 0 { 60 } else { 12 };
            let inputs = random::inputs(&mut rng, most_nodes);
            test(&mut rng, inputs);
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(one)) {
            eprintln!("seed {seed}");
            resume_unwind(panic);
        }
    }
}

#[test]
fn a_hundred_thousand_random_clusters_keep_every_promise() {
    for_each_cluster(CLUSTERS, |rng, inputs| {
        let lists = lists(&inputs);
        check::all(&inputs, &lists).unwrap();

        let mut shuffled = inputs.clone();
        rng.shuffle(&mut shuffled.nodes);
        rng.shuffle(&mut shuffled.services);
        assert_eq!(super::super::lists(&shuffled), lists, "the order of inputs matters");

        let (after, changed) = random::change(rng, &inputs);
        let lists_after = super::super::lists(&after);
        check::unrelated_unmoved(changed, (&inputs, &lists), (&after, &lists_after)).unwrap();
        if after != inputs {
            assert_ne!(lists_after.inputs_digest, lists.inputs_digest, "{changed:?}");
        }
        assert_eq!(lists_after.digest == lists.digest, shown(&lists_after) == shown(&lists), "{changed:?}");
    });
}

/// Lists without what their digest leaves out.
fn shown(lists: &Lists) -> Lists {
    let mut lists = Lists { inputs_digest: Digest(0), digest: Digest(0), ..lists.clone() };
    let of_services = lists.services.iter_mut().flat_map(|list| &mut list.backups);
    let of_nodes = lists.nodes.iter_mut().flat_map(|list| &mut list.backups);
    for backup in of_services.chain(of_nodes) {
        backup.why = Why::Preference;
        backup.preference = 0;
    }
    lists
}

#[test]
fn static_lists_keep_their_order_and_break_both_promises_somewhere() {
    let (mut not_available_first, mut shared) = (0, 0);
    let counts = std::cell::RefCell::new((&mut not_available_first, &mut shared));
    for_each_cluster(2_000, |_, inputs| {
        let lists = static_lists(&inputs);
        check::complete(&inputs, &lists).unwrap();
        for list in &lists.services {
            assert!(list.backups.iter().is_sorted_by_key(|backup| backup.preference));
        }
        let mut counts = counts.borrow_mut();
        *counts.0 += u32::from(check::available_first(&lists).is_err());
        *counts.1 += u32::from(check::no_needless_sharing(&inputs, &lists).is_err());
    });
    assert!(not_available_first > 100 && shared > 100, "{not_available_first} {shared}");
}

#[test]
fn the_checks_notice_a_swapped_pair_a_lost_backup_and_a_list_that_moved() {
    let (mut swapped, mut lost, mut moved) = (0, 0, 0);
    let counts = std::cell::RefCell::new((&mut swapped, &mut lost, &mut moved));
    for_each_cluster(2_000, |rng, inputs| {
        let good = lists(&inputs);
        let mut counts = counts.borrow_mut();
        for at in 0..good.services.len() {
            let mut bad = good.clone();
            let backups = &mut bad.services[at].backups;
            let split = backups.partition_point(|backup| backup.reasons.is_available());
            if split > 0 && split < backups.len() {
                backups.swap(split - 1, split);
                check::available_first(&bad).unwrap_err();
                *counts.0 += 1;
            }
            let mut bad = good.clone();
            if bad.services[at].backups.pop().is_some() {
                check::complete(&inputs, &bad).unwrap_err();
                *counts.1 += 1;
            }
        }
        let (after, changed) = random::change(rng, &inputs);
        let mut bad = lists(&after);
        for list in &mut bad.services {
            list.backups.reverse();
        }
        let verdict = check::unrelated_unmoved(changed, (&inputs, &good), (&after, &bad));
        *counts.2 += u32::from(verdict.is_err());
    });
    assert!(swapped > 100 && lost > 100 && moved > 100, "{swapped} {lost} {moved}");
}
