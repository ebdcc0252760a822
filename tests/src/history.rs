//! What became of a client's last packets: a ring that one thread writes when it sends and another when it receives.
//!
//! Nothing is allocated while it is measured, and readers stop nobody.

use std::{
    ops::Range,
    sync::atomic::{AtomicU16, AtomicU64, Ordering},
};

use crate::datagram::{Answer, Question};

/// One packet of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it was sent, ns.
    pub sent_ns: u64,
    /// Its answer, if there was one.
    pub answered: Option<Answered>,
}

/// An answer, as the client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// When it was received, ns.
    pub received_ns: u64,
    /// When the service answered, ns.
    pub served_ns: u64,
    /// The node that answered.
    pub node: u16,
}

/// The ring. Sequences count from 1; the oldest packets are overwritten.
#[derive(Debug)]
pub(crate) struct History {
    slots: Box<[Slot]>,
    last: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    /// 0 while the slot is being written.
    sequence: AtomicU64,
    sent_ns: AtomicU64,
    /// 0 until there is an answer; written last.
    received_ns: AtomicU64,
    served_ns: AtomicU64,
    node: AtomicU16,
}

impl History {
    /// One that remembers `capacity` packets.
    pub(crate) fn new(capacity: usize) -> Self {
        let slots = (0..capacity.max(1)).map(|_| Slot::default()).collect();
        Self { slots, last: AtomicU64::new(0) }
    }

    /// Notes a packet before it is sent, so that its answer finds it. Called by one thread alone.
    pub(crate) fn record_question(&self, question: Question) {
        let slot = self.slot(question.sequence);
        slot.sequence.store(0, Ordering::Release);
        slot.received_ns.store(0, Ordering::Relaxed);
        slot.sent_ns.store(question.sent_ns, Ordering::Relaxed);
        slot.sequence.store(question.sequence, Ordering::Release);
        self.last.store(question.sequence, Ordering::Release);
    }

    /// Notes an answer; only the first to each question counts. Called by one thread alone.
    pub(crate) fn record_answer(&self, answer: &Answer, received_ns: u64) {
        let slot = self.slot(answer.question.sequence);
        let known = slot.sequence.load(Ordering::Acquire) == answer.question.sequence;
        if !known || slot.received_ns.load(Ordering::Relaxed) != 0 {
            return;
        }
        slot.served_ns.store(answer.served_ns, Ordering::Relaxed);
        slot.node.store(answer.node, Ordering::Relaxed);
        slot.received_ns.store(received_ns, Ordering::Release);
    }

    /// The packets that were sent in `window`, in order, as far as they are remembered.
    pub(crate) fn packets(&self, window: &Range<u64>) -> Vec<Packet> {
        let last = self.last.load(Ordering::Acquire);
        let first = last.saturating_sub(self.slots.len() as u64) + 1;
        let remembered = (first..=last).filter_map(|sequence| self.packet(sequence));
        remembered.filter(|packet| window.contains(&packet.sent_ns)).collect()
    }

    /// One packet, unless it was overwritten.
    fn packet(&self, sequence: u64) -> Option<Packet> {
        let slot = self.slot(sequence);
        if slot.sequence.load(Ordering::Acquire) != sequence {
            return None;
        }
        let sent_ns = slot.sent_ns.load(Ordering::Relaxed);
        let answered = match slot.received_ns.load(Ordering::Acquire) {
            0 => None,
            received_ns => Some(Answered {
                received_ns,
                served_ns: slot.served_ns.load(Ordering::Relaxed),
                node: slot.node.load(Ordering::Relaxed),
            }),
        };
        (slot.sequence.load(Ordering::Acquire) == sequence).then_some(Packet { sent_ns, answered })
    }

    /// Where a sequence is kept.
    fn slot(&self, sequence: u64) -> &Slot {
        &self.slots[(sequence % self.slots.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(sequence: u64) -> Question {
        Question { sequence, sent_ns: sequence * 10 }
    }

    #[test]
    fn packets_come_back_in_order_with_their_first_answer() {
        let history = History::new(8);
        (1..=3).for_each(|sequence| history.record_question(question(sequence)));
        let answer = Answer { question: question(2), served_ns: 25, node: 4 };
        history.record_answer(&answer, 26);
        history.record_answer(&Answer { node: 5, ..answer }, 27);
        let answered = Some(Answered { received_ns: 26, served_ns: 25, node: 4 });
        let expected = [
            Packet { sent_ns: 10, answered: None },
            Packet { sent_ns: 20, answered },
            Packet { sent_ns: 30, answered: None },
        ];
        assert_eq!(history.packets(&(0..u64::MAX)), expected);
        assert_eq!(history.packets(&(20..30)), expected[1..2]);
    }

    #[test]
    fn the_oldest_packets_make_room_and_their_answers_count_for_nobody_else() {
        let history = History::new(2);
        (1..=3).for_each(|sequence| history.record_question(question(sequence)));
        history.record_answer(&Answer { question: question(1), served_ns: 1, node: 1 }, 99);
        let packets = history.packets(&(0..u64::MAX));
        assert_eq!(packets.iter().map(|packet| packet.sent_ns).collect::<Vec<_>>(), [20, 30]);
        assert!(packets.iter().all(|packet| packet.answered.is_none()));
    }
}
