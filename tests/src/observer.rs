//! An observer outside the cluster: who answers for which virtual IP, by the kernel's clock, and what of it reaches clients.
//!
//! It stands at the switch's end of every wire, as an XDP program that sees every frame that a node sends, before the bridge
//! loses any, and at both clients' own interfaces. And it asks: every few milliseconds each node gets an ARP question for
//! each virtual IP over its own wire, whatever is cut. So a node that would answer is found out, also if no client asks it.
//!
//! ## What it proves
//! Of each answer the observer knows the time of arrival, and a time before the node let it go, which the frame carries: when
//! the observer asked, or when the echo service made the answer. In between the node decided to answer. Only what these
//! spans leave no doubt about counts ([`witness`]): A answered, then B, then A again, sooner than any change of
//! ownership and back can be. So a frame that waits in a queue, on a machine whose processors are taken, is no false alarm:
//! its span is long and proves nothing. [`Tally::within`] says how long the spans are: if they were all long, the
//! observer would see nothing.
//!
//! ## What it does not
//! - What happens between two questions, and leaves no answer to a client either, is not seen.
//! - Packets without a time in them (HTTP, gratuitous ARP) count from the last time that the same port's frames told, as a
//!   wire keeps their order.
//! - The fence decides, then the frame leaves. A frame that is held up in between is legitimate here; so it is for any node
//!   that can't stop the wire.

mod asker;
mod book;
mod place;
pub mod witness;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    Lab,
    clock::{now_ns, sleep_until},
    ownership::Phase,
    report::Gap,
    wait_for,
    wires::{self, CLIENT_MACHINE, SWITCH_MACHINE},
    worker::{Stop, Worker},
    xdp_pass,
};
use asker::Asker;
use book::{Book, Page};
use place::Place;
pub use witness::Overlap;

/// Between two looks at what the programs have seen.
const LOOK: Duration = Duration::from_millis(10);
/// The observer has caught up in this time, also on a machine whose processors are taken.
const CATCH_UP: Duration = Duration::from_secs(10);

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Between two questions to a node about an address.
    pub pause: Duration,
    /// An address can't go away from a node and come back sooner: a lease.
    pub settle: Duration,
    /// A client without an answer for longer than this has a gap.
    pub gap: Duration,
}

/// Observes a lab. Dropping it ends it; its programs stay on the wires until the lab is gone.
#[derive(Debug)]
pub struct Observer {
    book: Arc<Mutex<Book>>,
    _reader: Worker,
    _asker: Asker,
}

/// A time in which a client had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceGap {
    /// Which client.
    pub client: Client,
    /// The virtual IP.
    pub address: Ipv4Addr,
    /// From its last answer to its next, as they arrived at its interface.
    pub gap: Gap,
}

/// A client of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// The one behind the gateway.
    Gateway,
    /// The one beside the nodes.
    Direct,
}

/// How much was seen.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Frames that came by.
    pub frames: u64,
    /// Answers by address and node.
    pub answers: BTreeMap<(Ipv4Addr, u16), Answers>,
    /// Answers that arrived at clients.
    pub arrived: u64,
    /// What the programs saw and could not tell: must be 0, or the observer may have missed something.
    pub lost: u64,
    /// How many spans of answers were shorter than 2^i µs, and not shorter than half of that.
    pub spans: [u64; book::SPANS],
}

/// A node's answers for an address, by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// To the observer's questions.
    pub asked: u64,
    /// Other ARP.
    pub arp: u64,
    /// Of the echo service.
    pub echo: u64,
    /// Others: HTTP.
    pub other: u64,
}

impl Client {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gateway, Self::Direct];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Direct => "direct",
        }
    }
}

impl Answers {
    /// All of them.
    pub fn sum(self) -> u64 {
        self.asked + self.arp + self.echo + self.other
    }
}

impl Observer {
    /// Starts observing.
    ///
    /// # Errors
    /// When a program can't be loaded or put on a wire.
    pub fn start(lab: &Lab, plan: Plan) -> Result<Self> {
        let addresses: Vec<_> = lab.spec().services.iter().map(|service| service.address).collect();
        let places = places(lab, &addresses)?;
        let book = Arc::new(Mutex::new(Book::new(&addresses, plan)));
        let written = Arc::clone(&book);
        Ok(Self {
            book,
            _reader: Worker::start("observer", move |stop| read_all_the_time(places, &written, stop))?,
            _asker: Asker::start(lab, addresses, plan.pause)?,
        })
    }

    /// Waits until everything is known that was seen so far.
    ///
    /// # Errors
    /// When that takes very long.
    pub fn catch_up(&self) -> Result<()> {
        let now = now_ns();
        wait_for("the observer catches up", CATCH_UP, || self.book().known_until_ns > now).map(drop)
    }

    /// Each time that two nodes are proved to have answered for an address at once. Must be none.
    pub fn overlaps(&self, address: Ipv4Addr) -> Vec<Overlap> {
        self.page(address, |page| page.witness.overlaps().to_vec())
    }

    /// Who answered for an address, one after the other, since `since_ns`.
    pub fn phases(&self, address: Ipv4Addr, since_ns: u64) -> Vec<Phase> {
        let ended_before = |phase: &&Phase| phase.last_ns < since_ns;
        self.page(address, |page| page.witness.phases().iter().skip_while(ended_before).copied().collect())
    }

    /// The gaps that ended since `since_ns`, and those that go on.
    pub fn gaps(&self, since_ns: u64) -> Vec<ServiceGap> {
        let now = now_ns();
        let book = self.book();
        let gaps = book.pages.iter().flat_map(|(&address, page)| {
            page.lanes.iter().flat_map(move |(&client, lane)| {
                lane.gaps(now).map(move |gap| ServiceGap { client, address, gap })
            })
        });
        gaps.filter(|gap| gap.gap.to_ns >= since_ns).collect()
    }

    /// Whether every client had an answer from every address in the last `moment`.
    pub fn is_served(&self, moment: Duration) -> bool {
        let since_ns = now_ns().saturating_sub(moment.as_nanos() as u64);
        let book = self.book();
        let mut lanes =
            book.pages.values().flat_map(|page| Client::ALL.map(|client| page.lanes.get(&client)));
        lanes.all(|lane| lane.is_some_and(|lane| lane.is_served_since(since_ns)))
    }

    /// How much was seen so far.
    pub fn tally(&self) -> Tally {
        self.book().tally()
    }

    fn page<T>(&self, address: Ipv4Addr, read: impl FnOnce(&Page) -> T) -> T {
        let book = self.book();
        read(book.pages.get(&address).unwrap_or_else(|| panic!("nobody watches {address}")))
    }

    /// Also when the reader has panicked.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// The answers of all nodes for all addresses.
    pub fn answers(&self) -> u64 {
        self.answers.values().map(|answers| answers.sum()).sum()
    }

    /// The share of the answers whose moment is known to within `span`.
    pub fn within(&self, span: Duration) -> f64 {
        let places = (128 - span.as_micros().leading_zeros()) as usize;
        let shorter: u64 = self.spans.iter().take(places).sum();
        shorter as f64 / self.spans.iter().sum::<u64>().max(1) as f64
    }
}

/// Puts the programs where the observer stands.
fn places(lab: &Lab, addresses: &[Ipv4Addr]) -> Result<[Place; 3]> {
    let mut switch = Place::new(addresses)?;
    for port in wires::ports(lab.spec()) {
        let number = lab.spec().nodes.iter().find(|node| node.name == port).map_or(0, |node| node.id.into());
        switch.take_over(lab, SWITCH_MACHINE, &port, place::Seat::Port(number))?;
    }
    let mut behind = Place::new(addresses)?;
    behind.take_over(lab, CLIENT_MACHINE, "eth0", place::Seat::Client(Client::Gateway))?;
    let mut beside = Place::new(addresses)?;
    let link = xdp_pass::attach(lab.outside(), "eth0").context("where the outside client receives")?;
    beside.stand_at(lab.outside(), "eth0", link, place::Seat::Client(Client::Direct))?;
    Ok([switch, behind, beside])
}

/// The reader's thread.
fn read_all_the_time(mut places: [Place; 3], book: &Mutex<Book>, stop: &Stop) {
    let mut seen = Vec::new();
    while !stop.is_asked() {
        let now = now_ns();
        for place in &mut places {
            place.read(&mut seen);
        }
        // Two processors may have put two sightings into the ring the other way round.
        seen.sort_unstable_by_key(|seen: &place::Seen| seen.arrived_ns);
        let lost = places.iter().map(Place::counted).fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in seen.drain(..) {
            book.note(&seen);
        }
        (book.frames, book.lost) = lost;
        book.known_until_ns = now;
        drop(book);
        sleep_until(now + LOOK.as_nanos() as u64);
    }
}
