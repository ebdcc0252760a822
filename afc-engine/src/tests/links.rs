//! The links between simulated machines: what the network loses, delays, doubles and reorders, and which links are cut or
//! flap. Knows no machine; a place is a machine's number less one.

use super::shape::Network;

/// Every link, and what happens on all of them.
pub(super) struct Links {
    pub(super) network: Network,
    places: usize,
    links: Vec<Link>,
}

/// From one machine to another, one way.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    is_cut: bool,
    flap: Flap,
}

/// A link that goes down and comes back, each for `half_ns`, until a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flap {
    pub(super) since_ns: u64,
    pub(super) half_ns: u64,
    pub(super) until_ns: u64,
}

impl Flap {
    fn is_down(self, now_ns: u64) -> bool {
        now_ns < self.until_ns && ((now_ns - self.since_ns) / self.half_ns.max(1)).is_multiple_of(2)
    }
}

impl Links {
    pub(super) fn new(places: usize) -> Self {
        Self { network: Network::GOOD, places, links: vec![Link::default(); places * places] }
    }

    pub(super) fn cut(&mut self, from: usize, to: usize) {
        self.link(from, to).is_cut = true;
    }

    pub(super) fn flap(&mut self, from: usize, to: usize, flap: Flap) {
        self.link(from, to).flap = flap;
    }

    pub(super) fn isolate(&mut self, place: usize) {
        for other in 0..self.places {
            self.cut(place, other);
            self.cut(other, place);
        }
    }

    pub(super) fn heal(&mut self) {
        self.links.fill(Link::default());
    }

    /// When what is sent now arrives: never, once or twice.
    pub(super) fn carry(
        &mut self,
        from: usize,
        to: usize,
        now_ns: u64,
        rng: &mut fastrand::Rng,
    ) -> [Option<u64>; 2] {
        let link = *self.link(from, to);
        let network = self.network;
        if link.is_cut || link.flap.is_down(now_ns) || rng.u32(0..1000) < network.lost {
            return [None; 2];
        }
        let mut arrives_ns = || {
            let mut delay_ns = network.delay_ns + rng.u64(0..=network.jitter_ns);
            if rng.u32(0..1000) < network.held_up {
                delay_ns += rng.u64(0..=network.held_up_ns);
            }
            now_ns + delay_ns
        };
        let first_ns = arrives_ns();
        let second_ns = arrives_ns();
        [Some(first_ns), (rng.u32(0..1000) < network.doubled).then_some(second_ns)]
    }

    fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.places + to]
    }
}
