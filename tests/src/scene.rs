//! A lab at work: every agent runs, every service is asked by clients on three ways, all the time. What tests and `cargo
//! xtask run` have in common.

use std::{net::Ipv4Addr, ops::Range, time::Duration};

use anyhow::{Context, Result};

use crate::{
    HttpClient, Lab, LabSpec, UdpClient,
    clock::now_ns,
    http,
    ownership::{self, Overlap, Phase},
    report::{Gap, Report, longest_gap},
    status::Expected,
    udp_client, wait_for,
};

/// How long agents may take from their start until every service is at home.
const START: Duration = Duration::from_secs(20);
/// For a takeover, which should take tens of milliseconds, on a machine that is busy with other things.
const TAKEOVER: Duration = Duration::from_secs(10);
/// How long clients remember.
const MEMORY: Duration = Duration::from_secs(120);
/// Time between two HTTP requests, and how long each may take. A takeover costs the client at most both, beside the
/// takeover itself.
const HTTP_PAUSE: Duration = Duration::from_millis(20);
const HTTP_PATIENCE: Duration = Duration::from_millis(50);
/// A service is up for a client if it answered something in the last moment. Long enough that a client which had to wait
/// for a processor is not taken for one without a service; reports measure what is shorter.
const MOMENT: Duration = Duration::from_millis(300);
/// Answers to the last questions may still be on their way.
pub const IN_FLIGHT_NS: u64 = 50_000_000;

/// A lab and its clients. Clients are dropped first.
#[derive(Debug)]
pub struct Scene {
    /// UDP from behind the gateway, which redirects.
    pub gateway: UdpClient,
    /// UDP from beside the nodes, which learns by gratuitous ARP.
    pub direct: UdpClient,
    /// HTTP from behind the gateway.
    pub http: HttpClient,
    /// The lab.
    pub lab: Lab,
}

/// What the clients saw of one service in one window of time.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The client behind the gateway.
    pub gateway: Report,
    /// The client beside the nodes.
    pub direct: Report,
    /// The longest time without a page.
    pub http: Gap,
    /// Who served, one after the other.
    pub phases: Vec<Phase>,
    /// Every time that two nodes served at once: the promise broken.
    pub overlaps: Vec<Overlap>,
}

impl Scene {
    /// Builds a lab, with clients that ask each service `rate_hz` times a second, and starts the agents.
    ///
    /// # Errors
    /// When the lab can't be built or an agent can't be started.
    pub fn start(spec: LabSpec, rate_hz: u32) -> Result<Self> {
        let lab = Lab::new(spec)?;
        let targets: Vec<Ipv4Addr> = lab.spec().services.iter().map(|service| service.address).collect();
        let udp = udp_client::Plan { targets: targets.clone(), rate_hz, memory: MEMORY };
        let http = http::Plan { targets, pause: HTTP_PAUSE, patience: HTTP_PATIENCE };
        lab.start_agents()?;
        Ok(Self {
            gateway: UdpClient::start(lab.client(), &udp)?,
            direct: UdpClient::start(lab.outside(), &udp)?,
            http: HttpClient::start(lab.client(), &http)?,
            lab,
        })
    }

    /// The same, and waits until every service is at home, every node is heard and no client misses an
    /// answer.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn start_settled(spec: LabSpec, rate_hz: u32) -> Result<Self> {
        let scene = Self::start(spec, rate_hz)?;
        scene.lab.wait_for_homes(START)?;
        scene.lab.wait_until_whole(START)?;
        wait_for("every client is served", START, || scene.is_served())?;
        wait_for("no client misses an answer", START, || scene.is_undisturbed())?;
        Ok(scene)
    }

    /// Whether every client was served by every service a moment ago.
    pub fn is_served(&self) -> bool {
        self.lab.spec().services.iter().all(|service| self.is_service_up(&service.name))
    }

    /// Whether every question of a UDP client was answered a moment ago.
    fn is_undisturbed(&self) -> bool {
        let now = now_ns();
        let moment = now.saturating_sub(MOMENT.as_nanos() as u64)..now - IN_FLIGHT_NS;
        self.lab.spec().services.iter().all(|service| {
            let sight = self.sight(&service.name, &moment);
            [sight.gateway, sight.direct].iter().all(|report| report.sent > 0 && report.lost == 0)
        })
    }

    /// Whether every client was served by one service a moment ago.
    pub fn is_service_up(&self, service: &str) -> bool {
        let address = self.lab.spec().service(service).address;
        let now = now_ns();
        let moment = now.saturating_sub(MOMENT.as_nanos() as u64)..now;
        self.gateway.is_served(address, MOMENT)
            && self.direct.is_served(address, MOMENT)
            && self.http.requests(address, moment).iter().any(|request| request.node.is_some())
    }

    /// What the clients saw of a service in a window of [`now_ns`].
    pub fn sight(&self, service: &str, window: &Range<u64>) -> Sight {
        let address = self.lab.spec().service(service).address;
        let gateway = self.gateway.packets(address, window.clone());
        let direct = self.direct.packets(address, window.clone());
        let pages = self.http.requests(address, window.clone());
        let pages = pages.iter().filter(|request| request.node.is_some()).map(|request| request.ended_ns);
        let phases = ownership::phases(gateway.iter().chain(&direct));
        Sight {
            gateway: Report::of(&gateway, window),
            direct: Report::of(&direct, window),
            http: longest_gap(pages, window),
            overlaps: ownership::overlaps(&phases, self.lab.spec().timing.timeout),
            phases,
        }
    }

    /// Waits until a node that is no service's home serves `service` for every client, having taken it over in `since`, and
    /// all of `seen_by` agree; which node that is.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn wait_for_takeover(&self, service: &str, since: &Range<u64>, seen_by: &[&str]) -> Result<String> {
        let homes: Vec<_> = self.lab.spec().services.iter().map(|service| &service.home).collect();
        let successor = || self.owners(service, since).pop().filter(|owner| !homes.contains(&owner));
        wait_for(&format!("a passive node serves {service} for every client"), TAKEOVER, || {
            successor().is_some() && self.is_service_up(service)
        })?;
        let owner = successor().context("who serves goes on")?;
        self.lab.wait_for_owner(Expected { service, owner: &owner, seen_by }, TAKEOVER)?;
        Ok(owner)
    }

    /// The names of the nodes that served a service in a window, one after the other.
    pub fn owners(&self, service: &str, window: &Range<u64>) -> Vec<String> {
        let phases = self.sight(service, window).phases;
        let spec = self.lab.spec();
        let name = |phase: &Phase| spec.name_of(phase.node).unwrap_or("a stranger").to_owned();
        phases.iter().map(name).collect()
    }
}
