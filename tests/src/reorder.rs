//! Frames that overtake each other: at each port of the switch, some of the cluster's datagrams wait in a slow queue while
//! those behind them pass.
//!
//! A queueing discipline (HTB) has two classes for each port, and the switch's filter picks frames for the slow one at
//! random. That is a bucket of a small rate and a queue of some frames: with what the cluster sends, a frame waits there for
//! milliseconds up to a few leases, and is lost when the queue is full.

use anyhow::Result;

use crate::{
    Lab, ip,
    wires::{self, SWITCH_MACHINE},
};

/// What a port lets through, for all but the slow frames.
const FAST: &str = "10gbit";
/// The class of slow frames, 1:20, as the number that a frame carries.
const SLOW_CLASS: u32 = 0x1_0020;

/// Datagrams that are held up.
#[derive(Clone, Copy, Debug)]
pub struct Reordering {
    /// The UDP port that they are sent to.
    pub port: u16,
    /// How many of a hundred.
    pub percent: u8,
    /// What the slow queue of a port lets through, kbit/s.
    pub slow_kbit: u32,
    /// How many frames wait there before some are lost.
    pub queue: u32,
}

impl Lab {
    /// Has frames overtake each other, in place of what was lost or held up at random before.
    ///
    /// # Errors
    /// When the kernel lacks the queueing discipline.
    pub fn reorder(&self, reordering: Reordering) -> Result<()> {
        for port in wires::ports(self.spec()) {
            for line in reordering.queues(&port) {
                let arguments: Vec<_> = line.split(' ').collect();
                ip::output(self.machine(SWITCH_MACHINE), "tc", &arguments)?;
            }
        }
        ip::nft(self.machine(SWITCH_MACHINE), &reordering.filter())
    }

    /// Lets every frame pass in its turn again. What is waiting is lost.
    ///
    /// # Errors
    /// When frames were not being held up.
    pub fn keep_order(&self) -> Result<()> {
        ip::nft(self.machine(SWITCH_MACHINE), "flush chain bridge afc_lab luck")?;
        for port in wires::ports(self.spec()) {
            ip::output(self.machine(SWITCH_MACHINE), "tc", &["qdisc", "del", "dev", &port, "root"])?;
        }
        Ok(())
    }
}

impl Reordering {
    /// For `tc`: the two queues of a port.
    fn queues(self, port: &str) -> [String; 4] {
        let Self { slow_kbit, queue, .. } = self;
        [
            format!("qdisc replace dev {port} root handle 1: htb default 10"),
            format!("class add dev {port} parent 1: classid 1:10 htb rate {FAST} quantum 60000"),
            format!(
                "class add dev {port} parent 1: classid 1:20 htb rate {slow_kbit}kbit burst 200 cburst 200 quantum 1514"
            ),
            format!("qdisc add dev {port} parent 1:20 pfifo limit {queue}"),
        ]
    }

    /// For `nft`: which frames are for the slow one.
    fn filter(self) -> String {
        let Self { port, percent, .. } = self;
        format!(
            "flush chain bridge afc_lab luck\n\
             add rule bridge afc_lab luck udp dport {port} numgen random mod 100 < {percent} counter meta priority set {SLOW_CLASS:#x}"
        )
    }
}
