//! Whether a gap in a service is explained by what was done to the cluster. Pure.

use std::{ops::Range, time::Duration};

use afc_lab::{clock::between, observer::Client, report::Gap};

use crate::{
    bound::Bounds,
    timeline::{Demand, Timeline, Vacancy},
};

/// A gap, and what was to be expected of the cluster meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) service: String,
    pub(crate) client: Client,
    pub(crate) gap: Gap,
    /// The longest time in it in which service could be asked for and nothing was done to the cluster.
    pub(crate) demanded: Duration,
    /// The same, though messages were late or lost.
    pub(crate) disturbed: Duration,
}

impl Judged {
    /// Looks at each stretch of a gap; `vacancy` says who may take the service at a time.
    pub(crate) fn of<'a>(
        (service, client, gap): (&str, Client, Gap),
        timeline: &Timeline,
        vacancy: impl Fn(u64) -> Vacancy<'a>,
    ) -> Self {
        let mut judged = Self {
            service: service.to_owned(),
            client,
            gap,
            demanded: Duration::ZERO,
            disturbed: Duration::ZERO,
        };
        for Range { start, end } in timeline.stretches(&(gap.from_ns..gap.to_ns)) {
            let length = between(start, end);
            match timeline.demand(start, &vacancy(start)) {
                Demand::None => {}
                Demand::Disturbed => judged.disturbed = judged.disturbed.max(length),
                Demand::Full => judged.demanded = judged.demanded.max(length),
            }
        }
        judged
    }

    /// Whether nothing that was done explains it.
    pub(crate) fn is_unexplained(&self, bounds: &Bounds) -> bool {
        self.demanded > bounds.full || self.disturbed > bounds.disturbed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        fault::Effect::{self, Disturbed, Out},
        timeline::Hit,
    };

    const BOUNDS: Bounds = Bounds { full: Duration::from_nanos(100), disturbed: Duration::from_nanos(1000) };

    fn is_unexplained(hits: &[(Effect, u64, u64)], gap: (u64, u64)) -> bool {
        let hit = |&(effect, from_ns, to_ns): &(Effect, u64, u64)| Hit { effect, from_ns, to_ns };
        let timeline = Timeline { hits: hits.iter().map(hit).collect(), events: Vec::new() };
        let backups = ["n4".to_owned(), "n5".to_owned()];
        let occupied = BTreeSet::new();
        let vacancy = |_| Vacancy { home: "n1", backups: &backups, occupied: &occupied, competing: 1 };
        let gap = Gap { from_ns: gap.0, to_ns: gap.1 };
        Judged::of(("web-1", Client::Direct, gap), &timeline, vacancy).is_unexplained(&BOUNDS)
    }

    #[test]
    fn a_gap_is_unexplained_when_service_could_be_asked_for_longer_than_the_bound() {
        let no_majority = [(Out("n1"), 0, 500), (Out("n2"), 0, 500), (Out("n3"), 0, 500)];
        assert!(is_unexplained(&[], (0, 101)), "nothing was done at all");
        assert!(!is_unexplained(&[(Out("n1"), 0, 500)], (0, 100)), "within the bound");
        assert!(is_unexplained(&[(Out("n1"), 0, 500)], (0, 101)), "four nodes and two backups are left");
        assert!(
            !is_unexplained(&no_majority, (0, 600)),
            "the bound counts from when there is a majority again"
        );
        assert!(is_unexplained(&no_majority, (0, 601)));
        assert!(!is_unexplained(&[(Disturbed, 0, 2000)], (0, 1000)));
        assert!(is_unexplained(&[(Disturbed, 0, 2000)], (0, 1001)), "not for ever, though");
    }
}
