//! What the observer writes down: for each address who answered, and when each client had its last answer. Bounded, so that it
//! may observe for hours. Knows no program and no wire.

use std::{collections::BTreeMap, net::Ipv4Addr};

use afc_observer::kind;

use super::{
    Answers, Client, Plan, Tally,
    place::{Seat, Seen},
    witness::{Span, Witness},
};
use crate::report::Gap;

/// Lengths of spans that are told apart, see [`Tally::spans`].
pub(crate) const SPANS: usize = 32;
/// Questions that go unanswered in a gap, at least: a client that was itself held up misses nothing.
const UNANSWERED_MIN: u32 = 2;
/// Gaps that are remembered for each client and address; of more, the first.
const GAPS: usize = 50_000;

/// Everything.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) pages: BTreeMap<Ipv4Addr, Page>,
    /// Everything seen before this time has been written down, ns.
    pub(super) known_until_ns: u64,
    pub(super) frames: u64,
    pub(super) lost: u64,
    arrived: u64,
    spans: [u64; SPANS],
    /// The latest time that a frame of a port told.
    told_ns: BTreeMap<u16, u64>,
    gap_ns: u64,
}

/// What is known of one address.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) witness: Witness,
    pub(super) lanes: BTreeMap<Client, Lane>,
    answers: BTreeMap<u16, Answers>,
}

/// A client's answers from one address.
#[derive(Debug)]
pub(super) struct Lane {
    last_ns: u64,
    last_sequence: u32,
    gap_ns: u64,
    gaps: Vec<Gap>,
}

impl Book {
    pub(super) fn new(addresses: &[Ipv4Addr], plan: Plan) -> Self {
        let page = |&address: &Ipv4Addr| {
            let page =
                Page { witness: Witness::new(plan.settle), lanes: BTreeMap::new(), answers: BTreeMap::new() };
            (address, page)
        };
        Self {
            pages: addresses.iter().map(page).collect(),
            known_until_ns: 0,
            frames: 0,
            lost: 0,
            arrived: 0,
            spans: [0; SPANS],
            told_ns: BTreeMap::new(),
            gap_ns: plan.gap.as_nanos() as u64,
        }
    }

    /// Writes down one sighting; they come in the order of their arrival.
    pub(super) fn note(&mut self, seen: &Seen) {
        match seen.seat {
            Seat::Port(node) => self.note_answer(node, seen),
            Seat::Client(client) if seen.kind == kind::ECHO => self.note_arrival(client, seen),
            // Pages take as long as they take; who asks for them is not held to a rhythm.
            Seat::Client(_) => {}
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let answers = self.pages.iter().flat_map(|(&address, page)| {
            page.answers.iter().map(move |(&node, &answers)| ((address, node), answers))
        });
        Tally {
            frames: self.frames,
            answers: answers.collect(),
            arrived: self.arrived,
            lost: self.lost,
            spans: self.spans,
        }
    }

    fn note_answer(&mut self, node: u16, seen: &Seen) {
        let Some(page) = self.pages.get_mut(&seen.address) else { return };
        let told_ns = self.told_ns.entry(node).or_default();
        // A frame without a time left no sooner than the ones before it on its wire.
        let from_ns = match seen.stamp_ns {
            Some(stamp_ns) => {
                let stamp_ns = stamp_ns.min(seen.arrived_ns);
                *told_ns = stamp_ns.max(*told_ns);
                stamp_ns
            }
            None => *told_ns,
        };
        let micros = (seen.arrived_ns - from_ns) / 1_000;
        self.spans[(64 - micros.leading_zeros() as usize).min(SPANS - 1)] += 1;
        page.witness.hear(Span { node, from_ns, to_ns: seen.arrived_ns });
        let answers = page.answers.entry(node).or_default();
        match seen.kind {
            kind::ASKED => answers.asked += 1,
            kind::ARP => answers.arp += 1,
            kind::ECHO => answers.echo += 1,
            _ => answers.other += 1,
        }
    }

    fn note_arrival(&mut self, client: Client, seen: &Seen) {
        let Some(page) = self.pages.get_mut(&seen.address) else { return };
        self.arrived += 1;
        let new = || Lane {
            last_ns: seen.arrived_ns,
            last_sequence: seen.sequence,
            gap_ns: self.gap_ns,
            gaps: Vec::new(),
        };
        page.lanes.entry(client).or_insert_with(new).note(seen);
    }
}

impl Lane {
    /// The gaps that have ended, and one that goes on, as it is `now_ns`.
    pub(super) fn gaps(&self, now_ns: u64) -> impl Iterator<Item = Gap> {
        self.gaps.iter().copied().chain(self.gap_until(now_ns))
    }

    pub(super) fn is_served_since(&self, since_ns: u64) -> bool {
        self.last_ns >= since_ns
    }

    fn note(&mut self, seen: &Seen) {
        // Questions between the last that was answered and this one. With none, the client had not asked.
        let unanswered = seen.sequence.wrapping_sub(self.last_sequence).wrapping_sub(1);
        if unanswered >= UNANSWERED_MIN && self.gaps.len() < GAPS {
            self.gaps.extend(self.gap_until(seen.arrived_ns));
        }
        (self.last_ns, self.last_sequence) = (seen.arrived_ns, seen.sequence);
    }

    fn gap_until(&self, to_ns: u64) -> Option<Gap> {
        let gap = Gap { from_ns: self.last_ns, to_ns };
        (to_ns.saturating_sub(self.last_ns) > self.gap_ns).then_some(gap)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 101);
    const PLAN: Plan = Plan {
        pause: Duration::from_millis(2),
        settle: Duration::from_millis(25),
        gap: Duration::from_millis(15),
    };

    fn seen(seat: Seat, kind: u32, arrived_ms: u64, stamp_ms: Option<u64>) -> Seen {
        let ns = |ms: u64| ms * 1_000_000;
        Seen {
            seat,
            address: ADDRESS,
            kind,
            arrived_ns: ns(arrived_ms),
            stamp_ns: stamp_ms.map(ns),
            sequence: arrived_ms as u32,
        }
    }

    #[test]
    fn a_frame_without_a_time_left_no_sooner_than_the_one_before_it_on_its_wire() {
        let mut book = Book::new(&[ADDRESS], PLAN);
        book.note(&seen(Seat::Port(1), kind::ECHO, 11, Some(10)));
        book.note(&seen(Seat::Port(4), kind::ECHO, 13, Some(12)));
        // Between 10 and 14: it may have left before node 4's.
        book.note(&seen(Seat::Port(1), kind::OTHER, 14, None));
        assert_eq!(book.pages[&ADDRESS].witness.overlaps(), []);
        book.note(&seen(Seat::Port(1), kind::ECHO, 15, Some(14)));
        assert_eq!(book.pages[&ADDRESS].witness.overlaps().len(), 1);
        assert_eq!(book.tally().answers(), 4);
    }

    #[test]
    fn a_client_has_a_gap_between_two_answers_that_are_far_apart_and_after_the_last_one() {
        let mut book = Book::new(&[ADDRESS], PLAN);
        let client = Seat::Client(Client::Direct);
        for at in [10, 20, 60, 62] {
            book.note(&seen(client, kind::ECHO, at, Some(at)));
        }
        let gaps = |now_ms: u64| {
            let lane = &book.pages[&ADDRESS].lanes[&Client::Direct];
            lane.gaps(now_ms * 1_000_000).map(|gap| gap.duration().as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(gaps(70), [40]);
        assert_eq!(gaps(100), [40, 38]);
    }

    #[test]
    fn a_client_that_did_not_ask_has_no_gap() {
        let mut book = Book::new(&[ADDRESS], PLAN);
        let client = Seat::Client(Client::Direct);
        book.note(&seen(client, kind::ECHO, 10, Some(10)));
        book.note(&Seen { sequence: 11, ..seen(client, kind::ECHO, 60, Some(60)) });
        assert_eq!(book.pages[&ADDRESS].lanes[&Client::Direct].gaps(60_000_000).count(), 0);
    }
}
