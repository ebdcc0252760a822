//! Whether two nodes ever answered for one address at once, from spans of time in which each is known to have answered. Pure.

use std::{collections::VecDeque, time::Duration};

use crate::ownership::Phase;

/// Overlaps that are kept; one is too many already.
const OVERLAPS: usize = 1000;
/// Phases that are kept; of more, the latest.
const PHASES: usize = 20_000;

/// A node decided to answer at some time in this span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The node.
    pub node: u16,
    /// Not before this, ns.
    pub from_ns: u64,
    /// Not after this, ns.
    pub to_ns: u64,
}

/// One node answered, then another, then the first again, and all of that in less time than a change of ownership and back
/// can take. So one of the three answers came from a node that was not alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The first answer.
    pub before: Span,
    /// That of the other node.
    pub between: Span,
    /// The first node's second answer.
    pub after: Span,
}

/// Hears the answers for one address.
#[derive(Debug)]
pub struct Witness {
    settle_ns: u64,
    /// The answers of the last moments: all that could still be part of an overlap.
    recent: VecDeque<Span>,
    phases: VecDeque<Phase>,
    overlaps: Vec<Overlap>,
}

impl Witness {
    /// One that knows how fast ownership can change and change back.
    pub fn new(settle: Duration) -> Self {
        Self {
            settle_ns: settle.as_nanos() as u64,
            recent: VecDeque::new(),
            phases: VecDeque::new(),
            overlaps: Vec::new(),
        }
    }

    /// Hears one answer; they come in the order of `to_ns`.
    pub fn hear(&mut self, span: Span) {
        while self.recent.front().is_some_and(|old| old.to_ns + self.settle_ns < span.to_ns) {
            self.recent.pop_front();
        }
        if self.overlaps.len() < OVERLAPS {
            self.overlaps.extend(self.overlap_ending_with(span));
        }
        self.recent.push_back(span);
        self.write_phase(span);
    }

    /// Every proved overlap.
    pub fn overlaps(&self) -> &[Overlap] {
        &self.overlaps
    }

    /// Who answered, one after the other, as far as is certain.
    pub fn phases(&self) -> &VecDeque<Phase> {
        &self.phases
    }

    /// The tightest one.
    fn overlap_ending_with(&self, after: Span) -> Option<Overlap> {
        // Certainly before: the other's answer was there when this one was not even begun.
        let others = self.recent.iter().filter(|it| it.node != after.node && it.to_ns <= after.from_ns);
        let pairs = others.filter_map(|&between| {
            let own = self.recent.iter().filter(|it| it.node == after.node && it.to_ns <= between.from_ns);
            let before = *own.max_by_key(|it| it.from_ns)?;
            (after.to_ns - before.from_ns < self.settle_ns).then_some(Overlap { before, between, after })
        });
        pairs.max_by_key(|overlap| overlap.before.from_ns)
    }

    fn write_phase(&mut self, span: Span) {
        match self.phases.back_mut() {
            Some(last) if last.node == span.node => {
                last.last_ns = span.to_ns;
                last.answers += 1;
                return;
            }
            // It may have been on its way since before the phase began.
            Some(last) if span.from_ns < last.last_ns => return,
            Some(_) | None => {}
        }
        if self.phases.len() == PHASES {
            self.phases.pop_front();
        }
        self.phases.push_back(Phase {
            node: span.node,
            first_ns: span.from_ns,
            last_ns: span.to_ns,
            answers: 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(answers: &[(u16, u64, u64)]) -> Witness {
        let mut witness = Witness::new(Duration::from_nanos(100));
        answers.iter().for_each(|&(node, from_ns, to_ns)| witness.hear(Span { node, from_ns, to_ns }));
        witness
    }

    fn owners(witness: &Witness) -> Vec<u16> {
        witness.phases().iter().map(|phase| phase.node).collect()
    }

    #[test]
    fn a_takeover_is_two_phases_and_no_overlap() {
        let witness = witness(&[(1, 10, 11), (1, 20, 21), (4, 30, 31), (4, 40, 41)]);
        assert_eq!(owners(&witness), [1, 4]);
        assert_eq!(witness.overlaps(), []);
    }

    #[test]
    fn an_answer_between_two_of_another_node_is_an_overlap() {
        let witness = witness(&[(1, 10, 11), (4, 20, 21), (1, 30, 31)]);
        let span = |node, from_ns, to_ns| Span { node, from_ns, to_ns };
        let expected = Overlap { before: span(1, 10, 11), between: span(4, 20, 21), after: span(1, 30, 31) };
        assert_eq!(witness.overlaps(), [expected]);
    }

    #[test]
    fn an_answer_that_may_have_left_before_the_other_node_answered_proves_nothing() {
        // It was asked for at 15, and arrived long after node 4 had begun.
        let witness = witness(&[(1, 10, 11), (4, 20, 21), (4, 30, 31), (1, 15, 40), (4, 41, 42)]);
        assert_eq!(witness.overlaps(), []);
        assert_eq!(owners(&witness), [1, 4]);
    }

    #[test]
    fn coming_back_after_a_lease_is_legitimate() {
        let witness = witness(&[(1, 10, 11), (4, 20, 21), (4, 60, 61), (1, 110, 111)]);
        assert_eq!(witness.overlaps(), []);
        assert_eq!(owners(&witness), [1, 4, 1]);
    }

    #[test]
    fn two_nodes_that_both_answer_all_the_time_are_found_out_at_once() {
        let answers: Vec<_> = (0..10).map(|i| (if i % 2 == 0 { 1 } else { 4 }, i * 10, i * 10 + 1)).collect();
        assert_eq!(witness(&answers).overlaps().len(), 8);
    }
}
