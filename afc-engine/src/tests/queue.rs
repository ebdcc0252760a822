//! What is still to happen in a simulated world, in the order of time; at one time in the order of asking.

use std::{cmp::Reverse, collections::BinaryHeap};

/// A queue of things that happen at a time, ns. The heap orders places only, so that it moves little.
pub(super) struct Queue<T> {
    order: BinaryHeap<Reverse<(u64, u64, usize)>>,
    things: Vec<Option<T>>,
    free: Vec<usize>,
    pushed: u64,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self { order: BinaryHeap::new(), things: Vec::new(), free: Vec::new(), pushed: 0 }
    }

    pub(super) fn push(&mut self, at_ns: u64, thing: T) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.things.push(None);
            self.things.len() - 1
        });
        self.things[place] = Some(thing);
        self.pushed += 1;
        self.order.push(Reverse((at_ns, self.pushed, place)));
    }

    /// The next thing, if it happens by then.
    pub(super) fn pop_by(&mut self, end_ns: u64) -> Option<(u64, T)> {
        let Reverse((at_ns, _, place)) = *self.order.peek()?;
        if at_ns > end_ns {
            return None;
        }
        self.order.pop();
        self.free.push(place);
        self.things[place].take().map(|thing| (at_ns, thing))
    }
}
