//! Samples of a path: many packets through the program, as many through an empty one, in turns.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use afc_ebpf::reason::Reason;
use anyhow::{Context, Result, ensure};

use super::{
    carousel::{self, Carousels, Turn},
    cluster::{Attach, Cluster, Site},
    packet,
    path::{Hook, PATHS, Path},
};
use crate::{
    bpf::{self, ProgramType, RunContext, TestRun},
    clock::thread_ns,
};

/// `return TC_ACT_UNSPEC`.
const EMPTY_CLASSIFIER: [bpf::Instruction; 2] =
    [[0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], [0x95, 0, 0, 0, 0, 0, 0, 0]];

/// Packets of a run that only begins; for a single one the kernel would not begin as for many.
const FEW: u32 = 2;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Samples of each path.
    pub samples: usize,
    /// Packets in a sample.
    pub packets: u32,
}

/// What a path costs over an empty program.
#[derive(Clone, Debug)]
pub struct PathCost {
    /// What becomes of the packet.
    pub name: &'static str,
    /// Where the program ends.
    pub reason: Reason,
    /// At most this many nanoseconds is the aim.
    pub target_ns: Option<f64>,
    /// Each sample: a packet on average.
    samples: Vec<Sample>,
}

impl PathCost {
    /// The median of the differences, ns.
    pub fn median_ns(&self) -> f64 {
        let mut differences = self.differences_ns();
        differences.sort_by(f64::total_cmp);
        differences[differences.len() / 2]
    }

    /// Each sample less that of the empty program that was taken in turn with it, ns: with what else this machine did.
    pub fn differences_ns(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.with_ns - sample.without_ns).collect()
    }
}

/// One sample: the average of a packet, ns.
#[derive(Clone, Copy, Debug)]
struct Sample {
    with_ns: f64,
    without_ns: f64,
}

/// Measures every path.
///
/// # Errors
/// Without root, or when a packet took another path than the one meant.
pub fn measure(effort: Effort) -> Result<Vec<PathCost>> {
    let site = Site::new()?;
    let namespace = site.namespace()?;
    namespace.enter(|| {
        let mut cluster = Cluster::new(site, Attach::Generic)?;
        PATHS.iter().map(|path| path_cost(path, &mut cluster, effort).context(path.name)).collect()
    })?
}

fn path_cost(path: &Path, cluster: &mut Cluster, effort: Effort) -> Result<PathCost> {
    let before = counted(cluster)?;
    let mut samples = Vec::new();
    for _ in 0..effort.samples {
        samples.push(match path.hook {
            Hook::Xdp => received(path, cluster, effort.packets),
            Hook::Egress => sent(path, cluster, effort.packets),
        }?);
    }
    let runs = effort.samples as u64 * u64::from(effort.packets + 2 * FEW + 1);
    all_ended_in(path.reason, runs, &before, &counted(cluster)?)?;
    Ok(PathCost { name: path.name, reason: path.reason, target_ns: path.target_ns, samples })
}

/// A sample of packets that come in.
fn received(path: &Path, cluster: &mut Cluster, packets: u32) -> Result<Sample> {
    let packet = (path.packet)(cluster);
    let behind = cluster.receive(&packet)?;
    let fields = if path.reason == Reason::ArpAnswered {
        packet::ARP_FIELDS.to_vec()
    } else {
        packet::heartbeat_fields()
    };
    let turn = Turn {
        packet: &packet,
        pieces: &carousel::changed(&packet, &behind, &fields),
        map: cluster.heard.as_fd(),
        words: &(path.heard)(cluster),
    };
    let programs = carousel::programs(cluster.datapath.xdp_program()?.as_fd())?;
    let carousels = Carousels::load(&turn, programs.as_fd())?;
    let context = RunContext::Interface(cluster.ifindex);
    Ok(Sample {
        with_ns: average_ns(carousels.measured.as_fd(), context, &packet, packets)?,
        without_ns: average_ns(carousels.empty.as_fd(), context, &packet, packets)?,
    })
}

/// A sample of packets that leave. Nothing changes them, so they need no carousel.
fn sent(path: &Path, cluster: &mut Cluster, packets: u32) -> Result<Sample> {
    let packet = (path.packet)(cluster);
    let program = cluster.datapath.egress_program()?.as_fd();
    let empty = bpf::load(ProgramType::Classifier, "afc_empty", &EMPTY_CLASSIFIER)?;
    TestRun { program, packet: &packet, context: RunContext::None, repeat: 1 }.run()?;
    Ok(Sample {
        with_ns: average_ns(program, RunContext::None, &packet, packets)?,
        without_ns: average_ns(empty.as_fd(), RunContext::None, &packet, packets)?,
    })
}

/// What a packet takes on average, by this thread's own time on a CPU: the kernel's average is cut to whole nanoseconds. A
/// run of a few packets is taken off, and with it what a run takes to begin.
fn average_ns(program: BorrowedFd<'_>, context: RunContext, packet: &[u8], packets: u32) -> io::Result<f64> {
    let took_ns = |repeat| {
        let run = TestRun { program, packet, context, repeat };
        let before_ns = thread_ns();
        run.run()?;
        Ok::<_, io::Error>((thread_ns() - before_ns) as f64)
    };
    let few_ns = took_ns(FEW)?;
    Ok((took_ns(FEW + packets)? - few_ns) / f64::from(packets))
}

fn counted(cluster: &Cluster) -> Result<BTreeMap<Reason, u64>> {
    Ok(cluster.datapath.counters().read()?.into_iter().collect())
}

/// Every single run took the path that is meant.
fn all_ended_in(
    reason: Reason,
    runs: u64,
    before: &BTreeMap<Reason, u64>,
    after: &BTreeMap<Reason, u64>,
) -> Result<()> {
    let hits: BTreeMap<_, _> = after
        .iter()
        .map(|(reason, count)| (*reason, count - before[reason]))
        .filter(|(_, count)| *count > 0)
        .collect();
    ensure!(hits == BTreeMap::from([(reason, runs)]), "{runs} packets were to end in {reason:?}: {hits:?}");
    Ok(())
}
