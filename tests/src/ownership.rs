//! Who served an address, when, as its clients saw it, and whether two nodes ever did at once. Pure.
//!
//! A service stamps each answer before it leaves, and the fence on egress lets an answer out only under a live lease. So
//! an answer that a client received was stamped before its node's lease ended, and the stamps of two owners
//! can't interleave while the promise holds: no tolerance is needed.

use std::time::Duration;

use crate::{clock::between, history::Packet};

/// A stretch of answers from one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The node.
    pub node: u16,
    /// When it served the first, ns.
    pub first_ns: u64,
    /// When it served the last, ns.
    pub last_ns: u64,
    /// How many there were.
    pub answers: usize,
}

/// Two nodes that served one address at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The node that was still serving.
    pub before: u16,
    /// The node that served already.
    pub after: u16,
    /// The second's first answer, ns.
    pub from_ns: u64,
    /// The first's later answer, ns.
    pub to_ns: u64,
}

/// The stretches of one address, in the order of serving. Packets of all its clients belong here.
pub fn phases<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> Vec<Phase> {
    let mut answers: Vec<_> = packets.into_iter().filter_map(|packet| packet.answered).collect();
    answers.sort_unstable_by_key(|answer| answer.served_ns);
    let mut phases: Vec<Phase> = Vec::new();
    for answer in answers {
        match phases.last_mut() {
            Some(phase) if phase.node == answer.node => {
                phase.last_ns = answer.served_ns;
                phase.answers += 1;
            }
            Some(_) | None => phases.push(Phase {
                node: answer.node,
                first_ns: answer.served_ns,
                last_ns: answer.served_ns,
                answers: 1,
            }),
        }
    }
    phases
}

/// The nodes of the stretches, in order.
pub fn owners(phases: &[Phase]) -> Vec<u16> {
    phases.iter().map(|phase| phase.node).collect()
}

/// Every time that a node served again within `settle` of its earlier stretch, although another had served since. A
/// service can't legitimately go away and come back faster than a lease runs out, so that is what `settle` is.
pub fn overlaps(phases: &[Phase], settle: Duration) -> Vec<Overlap> {
    let mut overlaps = Vec::new();
    for (index, phase) in phases.iter().enumerate() {
        let earlier = phases[..index].iter().rposition(|earlier| earlier.node == phase.node);
        let Some(earlier) = earlier else { continue };
        if between(phases[earlier].last_ns, phase.first_ns) < settle {
            let other = phases[earlier + 1];
            overlaps.push(Overlap {
                before: phase.node,
                after: other.node,
                from_ns: other.first_ns,
                to_ns: phase.first_ns,
            });
        }
    }
    overlaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Answered;

    const LEASE: Duration = Duration::from_nanos(100);

    fn served(times: &[(u64, u16)]) -> Vec<Phase> {
        let packet = |&(served_ns, node): &(u64, u16)| Packet {
            sent_ns: 0,
            answered: Some(Answered { received_ns: served_ns + 1, served_ns, node }),
        };
        let packets: Vec<_> = times.iter().map(packet).collect();
        phases(&packets)
    }

    #[test]
    fn a_takeover_is_two_phases_and_no_overlap() {
        let phases = served(&[(30, 4), (10, 1), (20, 1), (40, 4)]);
        assert_eq!(owners(&phases), [1, 4]);
        assert_eq!(phases[0], Phase { node: 1, first_ns: 10, last_ns: 20, answers: 2 });
        assert_eq!(overlaps(&phases, LEASE), []);
    }

    #[test]
    fn an_answer_of_the_old_owner_after_the_first_of_the_new_is_an_overlap() {
        let phases = served(&[(10, 1), (20, 4), (21, 1), (30, 4)]);
        let first = Overlap { before: 1, after: 4, from_ns: 20, to_ns: 21 };
        let second = Overlap { before: 4, after: 1, from_ns: 21, to_ns: 30 };
        assert_eq!(overlaps(&phases, LEASE), [first, second]);
    }

    #[test]
    fn coming_back_after_a_lease_is_legitimate() {
        let phases = served(&[(10, 1), (20, 4), (110, 4), (111, 1)]);
        assert_eq!(owners(&phases), [1, 4, 1]);
        assert_eq!(overlaps(&phases, LEASE), []);
    }

    #[test]
    fn unanswered_packets_belong_to_no_phase() {
        assert_eq!(phases(&[Packet { sent_ns: 1, answered: None }]), []);
    }
}
