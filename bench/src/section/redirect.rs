//! From the instant in which the new owner's map says that it serves, to the first question that it answers: of the client
//! behind the gateway, whose kernel redirects, and of the client beside the nodes, who learns by gratuitous ARP.
//!
//! The flip is the time in the new owner's event `served`, by the clock that all namespaces share; the answer is the time at
//! which its echo service made it. So the way from the client, through the gateway, to the service is in the figure, and up to
//! one pause between two questions.

use std::time::Duration;

use afc_lab::{
    Lab, LabSpec, UdpClient,
    clock::{self, Measuring, now_ns, suspended_ns},
    scene::IN_FLIGHT_NS,
    udp_client, wait_for,
};
use anyhow::{Context, Result};

use crate::{
    circumstances::Circumstances,
    row::{Row, Subject},
    run::{Plan, Run},
    system::site::SERVICE,
};

/// Questions a second from each client: one each 100 µs.
const RATE_HZ: u32 = 10_000;
const MEMORY: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(20);
/// Answers of the new owner to each client, before it is read who was first.
const STEADY: usize = 1000;
/// Before a cut, everything was answered for so long.
const CALM: Duration = Duration::from_millis(500);
/// About what a sample takes.
const SAMPLE: Duration = Duration::from_secs(4);

/// A lab and its two clients.
struct Scene {
    gateway: UdpClient,
    direct: UdpClient,
    lab: Lab,
}

/// From the flip to the first answer, µs.
struct Sample {
    gateway_us: f64,
    direct_us: f64,
}

/// Two rows.
///
/// # Errors
/// When the cluster does not come up, or does not get over a power cut.
pub(crate) fn measure(run: &mut Run) -> Result<Vec<Row>> {
    // So many questions are more than a reserved share of a processor is enough for.
    clock::set_measuring(Measuring::Fifo);
    let scene = Scene::start()?;
    let (mut gateway, mut direct) = (Vec::new(), Vec::new());
    let mut circumstances = Circumstances::default();
    for _ in 0..run.plan.count {
        let began_ns = now_ns();
        let sample = scene.cut_once()?;
        circumstances.join(&run.circumstances_since(began_ns));
        gateway.push(sample.gateway_us);
        direct.push(sample.direct_us);
    }
    let row = |scenario: &str, values| {
        let subject = Subject::new("redirect", scenario, "afc", "us");
        Row::new(subject, values, &circumstances).noting("a question each 100 us from each client")
    };
    Ok(vec![
        row("flip to first redirected question answered", gateway),
        row("flip to first question after gratuitous ARP answered", direct),
    ])
}

/// About how long it takes.
pub(crate) fn estimate(plan: &Plan) -> Duration {
    SAMPLE * plan.count as u32
}

impl Scene {
    fn start() -> Result<Self> {
        let lab = Lab::new(LabSpec::five_nodes())?;
        lab.start_agents()?;
        lab.wait_for_homes(SOON)?;
        let targets = vec![lab.spec().service(SERVICE).address];
        let plan = udp_client::Plan { targets, rate_hz: RATE_HZ, memory: MEMORY };
        let gateway = UdpClient::start(lab.client(), &plan)?;
        Ok(Self { gateway, direct: UdpClient::start(lab.outside(), &plan)?, lab })
    }

    /// Cuts the owner's power, reads who answered when, and gives it power again.
    fn cut_once(&self) -> Result<Sample> {
        let lab = &self.lab;
        lab.wait_until_whole(SOON)?;
        wait_for("both clients are served", SOON, || self.is_calm())?;
        let agreed = || lab.agreed_owner(SERVICE, &["n1", "n4", "n5", "gw"]);
        wait_for("all agree on an owner", SOON, || agreed().is_some())?;
        let owner = agreed().context("the owner changed by itself")?;
        let id = u16::from(lab.spec().node(&owner).id);
        let cut_ns = now_ns();
        lab.power_cut(&owner)?;
        let is_over = |client: &UdpClient| {
            let packets = client.packets(lab.spec().service(SERVICE).address, cut_ns..now_ns());
            let others = packets.iter().filter_map(|packet| packet.answered).filter(|it| it.node != id);
            others.count() > STEADY
        };
        wait_for("another node serves both clients", SOON, || {
            is_over(&self.gateway) && is_over(&self.direct)
        })?;
        let sample = self.read(id, cut_ns);
        lab.power_on(&owner)?;
        sample
    }

    fn read(&self, before: u16, cut_ns: u64) -> Result<Sample> {
        let address = self.lab.spec().service(SERVICE).address;
        let first = |client: &UdpClient| {
            let packets = client.packets(address, cut_ns..now_ns());
            let answers = packets.iter().filter_map(|packet| packet.answered);
            answers.filter(|answer| answer.node != before).min_by_key(|answer| answer.served_ns)
        };
        let (gateway, direct) = (first(&self.gateway), first(&self.direct));
        let (gateway, direct) = (gateway.context("no answer")?, direct.context("no answer")?);
        let owner = self.lab.spec().name_of(gateway.node).context("an unknown node answers")?;
        let suspended_ns = suspended_ns();
        let flip_ns = self.flip_ns(owner, cut_ns + suspended_ns)?.saturating_sub(suspended_ns);
        let since_flip_us = |served_ns: u64| (served_ns as f64 - flip_ns as f64) / 1e3;
        Ok(Sample {
            gateway_us: since_flip_us(gateway.served_ns),
            direct_us: since_flip_us(direct.served_ns),
        })
    }

    /// When a node began to serve, since a time of [`afc_lab::clock::boot_ns`].
    fn flip_ns(&self, node: &str, since_ns: u64) -> Result<u64> {
        let events = self.lab.events(node)?;
        let mut served = events.iter().filter(|it| it["kind"] == "served" && it["service"] == SERVICE);
        let flip_ns = served.find_map(|event| event["boot_ns"].as_u64().filter(|at_ns| *at_ns >= since_ns));
        flip_ns.with_context(|| format!("{node} does not say when it began to serve"))
    }

    fn is_calm(&self) -> bool {
        let until_ns = now_ns().saturating_sub(IN_FLIGHT_NS);
        let window = until_ns.saturating_sub(CALM.as_nanos() as u64)..until_ns;
        let address = self.lab.spec().service(SERVICE).address;
        [&self.gateway, &self.direct].iter().all(|client| {
            let packets = client.packets(address, window.clone());
            !packets.is_empty() && packets.iter().all(|packet| packet.answered.is_some())
        })
    }
}
