//! What strikes when: rounds, in each of which every kind of fault strikes alone once, in a random order; between them two
//! faults at once, and storms of several, one on top of another. Only names nodes, touches no lab.

use std::time::Duration;

use crate::{
    dice::Dice,
    fault::{Fault, Kind, MEMBERS},
};

/// Two at once, and storms, in each round.
const DOUBLES: usize = 5;
const STORMS: usize = 1;
/// Faults of one storm.
const STORM_FAULTS: u64 = 4;

/// What one episode consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plot {
    One(Kind),
    Two(Kind, Kind),
    Storm,
}

/// Faults that strike one after the other, each after a pause, and for how long they stay.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    pub(crate) faults: Vec<(Duration, Fault)>,
    pub(crate) hold: Duration,
}

/// A round of plots.
pub(crate) fn round(dice: &mut Dice) -> Vec<Plot> {
    let mut plots: Vec<_> = Kind::ALL.into_iter().map(Plot::One).collect();
    plots.extend((0..DOUBLES).map(|_| two(dice)));
    plots.extend((0..STORMS).map(|_| Plot::Storm));
    dice.shuffle(&mut plots);
    plots
}

impl Plot {
    /// Throws what is open: who is struck, most often an owner, and for how long.
    pub(crate) fn episode(self, owners: &[&'static str], dice: &mut Dice) -> Episode {
        match self {
            Self::One(kind) => {
                let fault = Fault::thrown(kind, victim(owners, dice), dice);
                Episode { hold: fault.hold(dice), faults: vec![(Duration::ZERO, fault)] }
            }
            Self::Two(one, two) => {
                let first = Fault::thrown(one, victim(owners, dice), dice);
                let others: Vec<_> = MEMBERS.into_iter().filter(|node| *node != first.node).collect();
                let second = Fault::thrown(two, dice.pick(&others), dice);
                let hold = first.hold(dice).max(second.hold(dice));
                Episode { faults: vec![(Duration::ZERO, first), (Duration::ZERO, second)], hold }
            }
            Self::Storm => storm(owners, dice),
        }
    }
}

fn storm(owners: &[&'static str], dice: &mut Dice) -> Episode {
    let mut faults: Vec<(Duration, Fault)> = Vec::new();
    while (faults.len() as u64) < STORM_FAULTS {
        let kind = dice.pick(&Kind::ALL);
        if faults.iter().all(|(_, fault)| do_together(fault.kind, kind)) {
            let pause = Duration::from_millis(20 + dice.below(600));
            faults.push((pause, Fault::thrown(kind, victim(owners, dice), dice)));
        }
    }
    Episode { faults, hold: Duration::from_millis(100 + dice.below(500)) }
}

fn two(dice: &mut Dice) -> Plot {
    loop {
        let (one, two) = (dice.pick(&Kind::ALL), dice.pick(&Kind::ALL));
        if do_together(one, two) {
            return Plot::Two(one, two);
        }
    }
}

/// Whether the lab can do both. Loss and reordering use the same filter; a node is frozen once.
fn do_together(one: Kind, two: Kind) -> bool {
    let is_luck = |kind| matches!(kind, Kind::Loss | Kind::Reordering);
    let is_once = |kind| matches!(kind, Kind::Freeze | Kind::Starvation);
    !(is_luck(one) && is_luck(two) || one == two && is_once(one))
}

fn victim(owners: &[&'static str], dice: &mut Dice) -> &'static str {
    match dice.below(3) {
        0 => dice.pick(&MEMBERS),
        _ if owners.is_empty() => dice.pick(&MEMBERS),
        _ => dice.pick(owners),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_strikes_alone_once_in_a_round_and_the_same_seed_throws_the_same() {
        let plots = round(&mut Dice::new(7));
        for kind in Kind::ALL {
            assert_eq!(plots.iter().filter(|plot| **plot == Plot::One(kind)).count(), 1, "{kind:?}");
        }
        assert_eq!(plots.len(), Kind::ALL.len() + DOUBLES + STORMS);
        assert_eq!(plots, round(&mut Dice::new(7)));
        assert_ne!(plots, round(&mut Dice::new(8)));
    }

    #[test]
    fn two_at_once_strike_two_nodes() {
        let mut dice = Dice::new(3);
        for _ in 0..100 {
            let episode = Plot::Two(Kind::Kill, Kind::LinkDown).episode(&["n1", "n2", "n3"], &mut dice);
            assert_ne!(episode.faults[0].1.node, episode.faults[1].1.node);
        }
    }
}
