//! What struck when, and what the cluster could be asked for at each time: whether a majority of the members was connected
//! and alive, and a candidate for a service among them. Pure; it knows the faults, never what agents say.
//!
//! In doubt a time is not counted on: a node that was struck counts as out until the whole cluster was seen to be well again.

use std::{collections::BTreeSet, ops::Range};

use crate::fault::{Effect, MEMBERS};

/// Members that are more than half.
const MAJORITY: usize = 3;

/// Something that can't be counted on, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) effect: Effect,
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

/// All of one episode.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    pub(crate) hits: Vec<Hit>,
    /// When something was done, mending too, and when a processor went on that had long stood still. Each may start an
    /// election anew, so waiting is counted from the last.
    pub(crate) events: Vec<u64>,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Demand {
    /// Nothing: no majority, or no candidate.
    None,
    /// Service, though messages are late or lost.
    Disturbed,
    /// Service.
    Full,
}

/// A service that is without an owner, and who may take it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vacancy<'a> {
    pub(crate) home: &'a str,
    pub(crate) backups: &'a [String],
    /// Backups that serve something else, and have no room for more.
    pub(crate) occupied: &'a BTreeSet<String>,
    /// Services that compete for the same backups, this one too.
    pub(crate) competing: usize,
}

impl Timeline {
    /// Times between two events, within `window`.
    pub(crate) fn stretches(&self, window: &Range<u64>) -> Vec<Range<u64>> {
        let mut edges: Vec<_> = self.hits.iter().flat_map(|hit| [hit.from_ns, hit.to_ns]).collect();
        edges.extend(&self.events);
        edges.retain(|edge| window.contains(edge));
        edges.extend([window.start, window.end]);
        edges.sort_unstable();
        edges.dedup();
        edges.windows(2).map(|pair| pair[0]..pair[1]).collect()
    }

    /// What can be asked for at a time.
    pub(crate) fn demand(&self, at_ns: u64, vacancy: &Vacancy) -> Demand {
        let active = || {
            let now = self.hits.iter().filter(move |hit| (hit.from_ns..hit.to_ns).contains(&at_ns));
            now.map(|hit| hit.effect)
        };
        let is_well =
            |node: &&str| !active().any(|effect| matches!(effect, Effect::Out(out) if out == *node));
        let well: Vec<_> = MEMBERS.into_iter().filter(is_well).collect();
        let is_apart = |one: &str, two: &str| {
            active().any(|effect| matches!(effect, Effect::Apart(a, b) if (a, b) == (one, two) || (b, a) == (one, two)))
        };
        let is_unfit =
            |node: &str| active().any(|effect| matches!(effect, Effect::Unfit(unfit) if unfit == node));
        let can_serve = |group: &[&str]| {
            let is_there = |node: &str| group.contains(&node);
            let is_free = |node: &str| is_there(node) && !is_unfit(node) && !vacancy.occupied.contains(node);
            let free = vacancy.backups.iter().filter(|node| is_free(node)).count();
            is_there(vacancy.home) || free >= vacancy.competing
        };
        let connected = groups(&well).into_iter().filter(|group| {
            let pairs = group.iter().flat_map(|one| group.iter().map(move |two| (one, two)));
            pairs.into_iter().all(|(one, two)| !is_apart(one, two))
        });
        match connected.into_iter().any(|group| group.len() >= MAJORITY && can_serve(&group)) {
            false => Demand::None,
            true if active().any(|effect| effect == Effect::Disturbed) => Demand::Disturbed,
            true => Demand::Full,
        }
    }
}

/// Every set of these nodes.
fn groups(nodes: &[&'static str]) -> Vec<Vec<&'static str>> {
    let all = 0..1_u32 << nodes.len();
    let group = |bits: u32| {
        let chosen = nodes.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        chosen.map(|(_, node)| *node).collect()
    };
    all.map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(effects: &[Effect], occupied: &[&str], competing: usize) -> Demand {
        let hit = |&effect: &Effect| Hit { effect, from_ns: 10, to_ns: 20 };
        let timeline = Timeline { hits: effects.iter().map(hit).collect(), events: Vec::new() };
        let backups = ["n4".to_owned(), "n5".to_owned()];
        let occupied = occupied.iter().map(|&node| node.to_owned()).collect();
        let vacancy = Vacancy { home: "n1", backups: &backups, occupied: &occupied, competing };
        assert_eq!(timeline.demand(20, &vacancy), Demand::Full, "all is mended");
        timeline.demand(10, &vacancy)
    }

    #[test]
    fn service_is_asked_for_while_a_majority_has_a_free_candidate() {
        use Effect::{Apart, Disturbed, Out, Unfit};
        let table: [(&[Effect], &[&str], usize, Demand); 11] = [
            (&[Out("n1")], &[], 1, Demand::Full),
            (&[Out("n1"), Disturbed], &[], 1, Demand::Disturbed),
            (&[Out("n1"), Out("n2")], &[], 2, Demand::Full),
            (&[Out("n1"), Out("n2"), Out("n3")], &[], 1, Demand::None),
            (&[Out("n1"), Out("n4")], &[], 2, Demand::None),
            (&[Out("n1")], &["n4", "n5"], 1, Demand::None),
            (&[Out("n1"), Unfit("n4")], &["n5"], 1, Demand::None),
            (&[Unfit("n4")], &["n5"], 1, Demand::Full),
            (&[Out("n1"), Apart("n4", "n5")], &[], 1, Demand::Full),
            (&[Out("n1"), Apart("n4", "n5"), Apart("n2", "n4")], &["n5"], 1, Demand::None),
            (&[Apart("n1", "n2"), Apart("n3", "n4")], &["n4", "n5"], 1, Demand::Full),
        ];
        for (effects, occupied, competing, expected) in table {
            assert_eq!(
                demand(effects, occupied, competing),
                expected,
                "{effects:?} {occupied:?} {competing}"
            );
        }
    }

    #[test]
    fn a_window_is_cut_wherever_something_happened() {
        let hits = vec![Hit { effect: Effect::Out("n1"), from_ns: 10, to_ns: 30 }];
        let timeline = Timeline { hits, events: vec![10, 20, 50] };
        assert_eq!(timeline.stretches(&(5..40)), [5..10, 10..20, 20..30, 30..40]);
        assert_eq!(timeline.stretches(&(60..70)).len(), 1);
    }
}
