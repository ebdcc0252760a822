//! How long things take on the fast path: ticks, and the phases of a takeover. Plain counts; allocates nothing.

use afc_ebpf::histogram::Histogram;

/// A phase of a takeover, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// From the last answer of an owner that fell silent to the claim.
    Detect,
    /// From the claim to the majority, as the kernel saw it.
    Agree,
    /// From the majority to the owner word in the map.
    Flip,
    /// From there to the last gratuitous ARP frame.
    Announce,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Detect, Self::Agree, Self::Flip, Self::Announce];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Agree => "agree",
            Self::Flip => "flip",
            Self::Announce => "announce",
        }
    }
}

/// What the fast path measured of itself since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// How late it saw its timer; wide buckets.
    pub lateness: Histogram,
    /// By [`Phase`]; wide buckets.
    pub phases: [Histogram; Phase::ALL.len()],
}

impl Timings {
    /// Counts one time of a phase.
    pub fn add(&mut self, phase: Phase, ns: u64) {
        self.phases[phase as usize].add_wide(ns);
    }

    /// A service's takeover comes to the end of `phase` at `now_ns`: each is measured from the end of the one before. What
    /// comes out of turn is not counted; a majority that the kernel did not tell of ends with the flip.
    pub fn finish(&mut self, takeover: &mut Takeover, phase: Phase, now_ns: u64) {
        let Some((current, since_ns)) = takeover.0 else {
            return;
        };
        let next = match (current, phase) {
            (Phase::Agree, Phase::Agree) => Some(Phase::Flip),
            (Phase::Agree | Phase::Flip, Phase::Flip) => Some(Phase::Announce),
            (Phase::Announce, Phase::Announce) => None,
            (Phase::Detect | Phase::Agree | Phase::Flip | Phase::Announce, _) => return,
        };
        self.add(current, now_ns.saturating_sub(since_ns));
        takeover.0 = next.map(|next| (next, now_ns));
    }
}

/// Where a service's takeover by this node stands: the phase under way and its beginning, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takeover(Option<(Phase, u64)>);

impl Takeover {
    /// A claim was made.
    pub fn claimed(now_ns: u64) -> Self {
        Self(Some((Phase::Agree, now_ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Phase::{Agree, Announce, Detect, Flip},
        *,
    };

    #[test]
    fn each_phase_is_measured_from_the_one_before() {
        for (ends, expected) in [
            (vec![(Agree, 1_000), (Flip, 1_100), (Announce, 1_150)], [None, Some(900), Some(100), Some(50)]),
            (vec![(Flip, 1_100), (Agree, 1_200), (Announce, 1_300)], [None, Some(1_000), None, Some(200)]),
            (vec![(Announce, 1_000), (Detect, 1_000)], [None; 4]),
            (vec![(Agree, 1_000), (Agree, 2_000), (Flip, 2_500)], [None, Some(900), Some(1_500), None]),
        ] {
            let (mut timings, mut takeover) = (Timings::default(), Takeover::claimed(100));
            for (phase, now_ns) in &ends {
                timings.finish(&mut takeover, *phase, *now_ns);
            }
            let sums = timings.phases.map(|times| (times.count() > 0).then_some(times.sum_ns));
            assert_eq!(sums, expected, "{ends:?}");
        }
    }

    #[test]
    fn a_service_that_is_not_taken_over_is_not_measured() {
        let mut timings = Timings::default();
        for phase in Phase::ALL {
            timings.finish(&mut Takeover::default(), phase, 5);
        }
        assert_eq!(timings, Timings::default());
    }
}
