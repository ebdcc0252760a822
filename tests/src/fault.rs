//! Breaking the network and mending it: pulled plugs, and frames lost between two ports of the switch or at random.

use anyhow::{Context, Result};

use crate::{
    Lab,
    interface::LinkState,
    ip,
    spec::Role,
    wires::{self, SWITCH_MACHINE},
};

/// The switch's table: frames from the first port to the second of a pair in `cut` are lost, and what a rule in `luck`
/// says.
pub(crate) const TABLE: &str = "
table bridge afc_lab {
    set cut { type ifname . ifname; }
    chain forward {
        type filter hook forward priority 0; policy accept;
        iifname . oifname @cut drop
    }
    chain luck {
        type filter hook forward priority 1; policy accept;
    }
}";

impl Lab {
    /// Pulls a machine's plug, within microseconds. Its agent goes on running, alone.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn power_cut(&self, machine: &str) -> Result<()> {
        self.switch_ports.set_link(machine, LinkState::Down)
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn power_on(&self, machine: &str) -> Result<()> {
        self.switch_ports.set_link(machine, LinkState::Up)
    }

    /// Loses every frame from and to a machine, whose link stays up.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn cut(&self, machine: &str) -> Result<()> {
        let others = wires::ports(self.spec()).into_iter().filter(|port| port != machine);
        self.lose(&both_ways(machine, others))
    }

    /// Loses every frame between a node and the other nodes; the outside client still reaches it.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn isolate(&self, node: &str) -> Result<()> {
        let others = self.spec().nodes.iter().map(|node| node.name.clone()).filter(|name| name != node);
        self.lose(&both_ways(node, others))
    }

    /// Parts the members and witnesses of one side from those of the other, both ways. Gateway and clients reach all.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn partition(&self, side: &[&str]) -> Result<()> {
        let nodes = self.spec().nodes.iter().filter(|node| node.role != Role::Gateway);
        let others: Vec<_> =
            nodes.map(|node| node.name.clone()).filter(|name| !side.contains(&name.as_str())).collect();
        let pairs: Vec<_> = side.iter().flat_map(|node| both_ways(node, others.iter().cloned())).collect();
        self.lose(&pairs)
    }

    /// Loses every frame from one machine to another, not the other way.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn cut_one_way(&self, direction: Direction) -> Result<()> {
        self.lose(&[(direction.from.to_owned(), direction.to.to_owned())])
    }

    /// Loses every frame that a machine sends; it still hears the others.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn mute(&self, machine: &str) -> Result<()> {
        let others = wires::ports(self.spec()).into_iter().filter(|port| port != machine);
        self.lose(&others.map(|other| (machine.to_owned(), other)).collect::<Vec<_>>())
    }

    /// Loses every frame to a machine; the others still hear it.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn deafen(&self, machine: &str) -> Result<()> {
        let others = wires::ports(self.spec()).into_iter().filter(|port| port != machine);
        self.lose(&others.map(|other| (other, machine.to_owned())).collect::<Vec<_>>())
    }

    /// Loses datagrams at random, each by itself, in place of what was lost at random before.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn lose_at_random(&self, loss: Loss) -> Result<()> {
        ip::nft(self.machine(SWITCH_MACHINE), &loss.script())
    }

    /// How many datagrams were lost at random so far.
    ///
    /// # Errors
    /// When nothing is being lost at random.
    pub fn lost_at_random(&self) -> Result<u64> {
        let list = ["list", "chain", "bridge", "afc_lab", "luck"];
        let text = ip::output(self.machine(SWITCH_MACHINE), "nft", &list)?;
        counted_packets(&text).with_context(|| format!("nothing is counted in\n{text}"))
    }

    /// Loses no frame any more. Plugs that were pulled stay out.
    ///
    /// # Errors
    /// When the lab is broken.
    pub fn heal(&self) -> Result<()> {
        let script = "flush set bridge afc_lab cut\nflush chain bridge afc_lab luck";
        ip::nft(self.machine(SWITCH_MACHINE), script)
    }

    /// Adds pairs of ports to what is lost, all at once.
    fn lose(&self, pairs: &[(String, String)]) -> Result<()> {
        let pairs: Vec<_> = pairs.iter().map(|(from, to)| format!("\"{from}\" . \"{to}\"")).collect();
        let script = format!("add element bridge afc_lab cut {{ {} }}", pairs.join(", "));
        ip::nft(self.machine(SWITCH_MACHINE), &script)
    }
}

/// A way through the switch.
#[derive(Clone, Copy, Debug)]
pub struct Direction<'a> {
    /// The machine that sends.
    pub from: &'a str,
    /// The machine that would receive.
    pub to: &'a str,
}

/// Datagrams that the switch loses.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// The UDP port that they are sent to.
    pub port: u16,
    /// How many of a hundred: less than all of them, for which there are cuts.
    pub percent: u8,
}

impl Loss {
    /// For `nft`: one rule, which counts what it loses.
    fn script(self) -> String {
        let Self { port, percent } = self;
        format!(
            "flush chain bridge afc_lab luck\n\
             add rule bridge afc_lab luck udp dport {port} numgen random mod 100 < {percent} counter drop"
        )
    }
}

/// The number in `counter packets 5 bytes 700`.
fn counted_packets(text: &str) -> Option<u64> {
    text.split_once("counter packets ")?.1.split_whitespace().next()?.parse().ok()
}

/// The pairs (from, to) between `machine` and each of `others`, both ways.
fn both_ways(machine: &str, others: impl IntoIterator<Item = String>) -> Vec<(String, String)> {
    let pairs = others.into_iter().flat_map(|other| {
        let back = (other.clone(), machine.to_owned());
        [(machine.to_owned(), other), back]
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_counts_what_it_takes() {
        let script = Loss { port: 7948, percent: 30 }.script();
        assert!(script.ends_with("udp dport 7948 numgen random mod 100 < 30 counter drop"), "{script}");
        let listed = "udp dport 7948 numgen random mod 100 < 30 counter packets 17 bytes 2176 drop";
        assert_eq!(counted_packets(listed), Some(17));
        assert_eq!(counted_packets("chain luck { }"), None);
    }

    #[test]
    fn both_ways_means_each_pair_in_both_orders() {
        let pairs = both_ways("a", ["b".to_owned(), "c".to_owned()]);
        let expected = [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")];
        assert_eq!(pairs, expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    }
}
