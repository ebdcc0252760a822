//! A lab with one system at work and the outside client, which asks one service two thousand times a second.

use std::{net::Ipv4Addr, ops::Range, time::Duration};

use afc_lab::{
    Lab, LabSpec, UdpClient,
    clock::{self, Measuring, now_ns, suspended_ns},
    history::Packet,
    hold_for, ip,
    scene::IN_FLIGHT_NS,
    status::Expected,
    udp_client, wait_for,
};
use anyhow::{Context, Result, ensure};

use super::{
    Kind, System,
    keepalived::{Keepalived, Place, configuration::Preemption},
};
use crate::fault::Fault;

/// The service that is measured.
pub(crate) const SERVICE: &str = "web-1";
/// Questions a second.
pub(crate) const RATE_HZ: u32 = 2000;
/// How long the client remembers: longer than any sample.
const MEMORY: Duration = Duration::from_secs(40);
/// For a system to start, or to get over a fault.
const SOON: Duration = Duration::from_secs(30);
/// A system has got over a fault when one node has answered everything for so long. A node whose plug was out needs a second
/// until it is heard again.
const CALM: Duration = Duration::from_millis(1200);
/// A client that was held up itself has asked less, but this much of what it should.
const ASKED_PERCENT: usize = 50;

/// A system at work. Clients are dropped first.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) system: System,
    pub(crate) client: UdpClient,
    peers: Option<Keepalived>,
    pub(crate) lab: Lab,
}

/// Which faults a site is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Those that nobody planned.
    Failures,
    /// Moves: keepalived is told to preempt, which makes them gentle.
    Moves,
}

impl Site {
    /// Builds the lab, starts the system, and waits until it is calm.
    ///
    /// # Errors
    /// When the system is not installed or does not come up.
    pub(crate) fn start(system: System, purpose: Purpose) -> Result<Self> {
        Self::of(system, purpose, LabSpec::five_nodes())
    }

    /// The same with another cluster.
    ///
    /// # Errors
    /// When the system is not installed or does not come up.
    pub(crate) fn of(system: System, purpose: Purpose, spec: LabSpec) -> Result<Self> {
        clock::set_measuring(Measuring::Deadline);
        let spec = match system.kind {
            Kind::Afc(timing) => spec.with_timing(timing),
            Kind::Keepalived(_) => spec,
        };
        let lab = Lab::new(spec)?;
        let peers = start_system(&lab, system, purpose)?;
        let targets = vec![lab.spec().service(SERVICE).address];
        let plan = udp_client::Plan { targets, rate_hz: RATE_HZ, memory: MEMORY };
        let site = Self { system, client: UdpClient::start(lab.outside(), &plan)?, peers, lab };
        site.settle()?;
        Ok(site)
    }

    /// The address that is measured.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.lab.spec().service(SERVICE).address
    }

    /// What the client sent in a window of [`now_ns`].
    pub(crate) fn packets(&self, window: Range<u64>) -> Vec<Packet> {
        self.client.packets(self.address(), window)
    }

    /// Waits until one node answers everything, and a cluster of afc is whole.
    ///
    /// # Errors
    /// When that takes too long.
    pub(crate) fn settle(&self) -> Result<()> {
        match self.system.kind {
            Kind::Afc(_) => self.lab.wait_until_whole(SOON)?,
            Kind::Keepalived(_) => {}
        }
        wait_for("one node answers everything", SOON, || self.is_calm())?;
        wait_for("no member looks for the client", SOON, || self.is_found()).map(drop)
    }

    /// The node that answered last.
    ///
    /// # Errors
    /// When none did in a while.
    pub(crate) fn serving(&self) -> Result<String> {
        let now = now_ns();
        let packets = self.packets(now.saturating_sub(CALM.as_nanos() as u64)..now);
        let last = packets.iter().rev().find_map(|packet| packet.answered);
        let name = last.and_then(|answer| self.lab.spec().name_of(answer.node));
        name.map(str::to_owned).context("nobody answers")
    }

    /// Strikes a node.
    ///
    /// # Errors
    /// When the lab is broken.
    pub(crate) fn strike(&mut self, fault: Fault, node: &str) -> Result<()> {
        match fault {
            Fault::PowerCut => self.lab.power_cut(node),
            Fault::Kill => match &mut self.peers {
                Some(peers) => {
                    peers.kill(node);
                    Ok(())
                }
                None => self.lab.kill9(node),
            },
            Fault::Freeze => {
                self.lab.freeze_wires(node)?;
                match &self.peers {
                    Some(peers) => peers.signal(node, libc::SIGSTOP),
                    None => self.lab.freeze(node)?,
                }
                Ok(())
            }
            Fault::Move => match &self.peers {
                Some(peers) => peers.move_to(&self.lab, self.home(), self.destination(node)),
                None => self.lab.drain(node).map(drop),
            },
        }
    }

    /// Mends what was done to a node, and waits until the system has got over it.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn mend(&mut self, fault: Fault, node: &str) -> Result<()> {
        match fault {
            Fault::PowerCut => self.lab.power_on(node)?,
            Fault::Kill => match &mut self.peers {
                Some(peers) => peers.start(&self.lab, node)?,
                None => self.lab.start_agent(node)?,
            },
            Fault::Freeze => {
                match &self.peers {
                    Some(peers) => peers.signal(node, libc::SIGCONT),
                    None => self.lab.thaw(node)?,
                }
                self.lab.thaw_wires(node)?;
            }
            Fault::Move => match &self.peers {
                Some(_) => {}
                None => self.lab.undrain(node).map(drop)?,
            },
        }
        self.settle()?;
        match &mut self.peers {
            Some(peers) => peers.ensure_standing(),
            None => {
                let fallen = self.lab.fallen();
                ensure!(fallen.is_empty(), "the agents of {fallen:?} have ended by themselves");
                Ok(())
            }
        }
    }

    /// How often nodes became owner so far, for whatever service, as the system itself says.
    ///
    /// # Errors
    /// When an agent does not answer.
    pub(crate) fn transitions(&self) -> Result<usize> {
        if let Some(peers) = &self.peers {
            return Ok(peers.transitions());
        }
        let served = |node: &String| {
            let events = self.lab.events(node)?;
            Ok::<_, anyhow::Error>(events.iter().filter(|event| event["kind"] == "served").count())
        };
        self.lab.spec().members().iter().map(served).sum()
    }

    /// When nodes became owner since a time of [`now_ns`], in its ns, for whatever service. keepalived tells the second at best:
    /// `None`.
    ///
    /// # Errors
    /// When an agent does not answer.
    pub(crate) fn takeovers(&self, since_ns: u64) -> Result<Option<Vec<u64>>> {
        if self.peers.is_some() {
            return Ok(None);
        }
        let suspended_ns = suspended_ns();
        let mut takeovers = Vec::new();
        for node in self.lab.spec().members() {
            let events = self.lab.events(&node)?;
            let served = events.iter().filter(|event| event["kind"] == "served");
            let served = served.filter_map(|event| event["boot_ns"].as_u64());
            takeovers.extend(served.map(|at_ns| at_ns.saturating_sub(suspended_ns)));
        }
        takeovers.retain(|at_ns| *at_ns >= since_ns);
        Ok(Some(takeovers))
    }

    /// Whether no member waits for the client's answer to an ARP request. One that lost its link while it served does, for three
    /// seconds, and asks once a second: if it became owner again meanwhile, that would be in the gap, as a second failure.
    fn is_found(&self) -> bool {
        self.lab.spec().members().iter().all(|node| {
            let neighbours = ip::output(self.lab.machine(node), "ip", &["neighbour", "show", "dev", "eth0"]);
            neighbours.is_ok_and(|text| !text.contains("INCOMPLETE"))
        })
    }

    /// Where keepalived's service goes next.
    fn destination(&self, node: &str) -> Place {
        if node == self.home() { Place::Away } else { Place::Home }
    }

    fn home(&self) -> &str {
        &self.lab.spec().service(SERVICE).home
    }

    /// Whether one node answered everything that was asked in the last moment.
    fn is_calm(&self) -> bool {
        let until_ns = now_ns().saturating_sub(IN_FLIGHT_NS);
        let packets = self.packets(until_ns.saturating_sub(CALM.as_nanos() as u64)..until_ns);
        let expected = CALM.as_millis() as usize * RATE_HZ as usize / 1000;
        let mut nodes = packets.iter().map(|packet| packet.answered.map(|answer| answer.node));
        let first = nodes.next().flatten();
        packets.len() * 100 >= expected * ASKED_PERCENT && first.is_some() && nodes.all(|node| node == first)
    }
}

/// Starts a system in every node; returns what does not belong to the lab.
///
/// # Errors
/// When it is not installed, or does not come up.
pub(crate) fn start_system(lab: &Lab, system: System, purpose: Purpose) -> Result<Option<Keepalived>> {
    let Kind::Keepalived(settings) = system.kind else {
        lab.start_agents()?;
        lab.wait_for_homes(SOON)?;
        for service in &lab.spec().services {
            let expected = Expected { service: &service.name, owner: &service.home, seen_by: &["gw"] };
            lab.wait_for_owner(expected, SOON)?;
        }
        return Ok(None);
    };
    let preemption = match purpose {
        Purpose::Failures => Preemption::Off,
        Purpose::Moves => Preemption::On,
    };
    let mut peers = Keepalived::new(super::keepalived::configuration::Settings { preemption, ..settings });
    let (homes, others): (Vec<_>, Vec<_>) = lab
        .spec()
        .members()
        .into_iter()
        .partition(|node| lab.spec().services.iter().any(|service| service.home == *node));
    // Homes first: without preemption, who comes first serves.
    for node in homes.iter().chain(&others) {
        peers.start(lab, node)?;
        if homes.last() == Some(node) {
            let masters = || peers.transitions() >= lab.spec().services.len();
            wait_for("keepalived serves every service at home", SOON, masters)
                .with_context(|| homes.iter().map(|home| peers.words(home)).collect::<String>())?;
        }
    }
    hold_for("keepalived runs", CALM, || true)?;
    peers.ensure_standing()?;
    Ok(Some(peers))
}
