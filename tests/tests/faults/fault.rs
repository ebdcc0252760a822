//! The faults: what each does to the lab, and what a reader of the design may no longer count on while it lasts.
//!
//! Faults are mended all together ([`mend`]); none is undone by itself.

use std::time::Duration;

use afc_lab::{
    Scene,
    agent::Activity,
    fault::{Direction, Loss},
    reorder::Reordering,
    starvation::Starvation,
};
use anyhow::Result;

use crate::dice::Dice;

pub(crate) const MEMBERS: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
/// The port of the heartbeats.
const HEARTBEATS: u16 = 7947;
/// What a slow queue lets through: a heartbeat waits there for 2 ms at least, and behind a full queue for a lease or two.
const SLOW_KBIT: u32 = 700;
const SLOW_QUEUE: u32 = 20;

/// A kind of fault, as reports count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    LinkDown,
    Cut,
    Isolation,
    Partition,
    Parting,
    OneWay,
    Mute,
    Deaf,
    Loss,
    Reordering,
    Kill,
    Stop,
    Restart,
    Upgrade,
    Freeze,
    Starvation,
    Memory,
    Disk,
}

/// A fault that can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// The node that it strikes, if it strikes one.
    pub(crate) node: &'static str,
    /// Another node, for faults between two.
    pub(crate) other: &'static str,
    /// Percent or milliseconds, for faults that have a measure.
    pub(crate) measure: u64,
}

/// What can't be counted on while a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A node neither votes nor serves.
    Out(&'static str),
    /// A node is no candidate for what is not its own.
    Unfit(&'static str),
    /// Two nodes don't hear each other, at least one way.
    Apart(&'static str, &'static str),
    /// Messages are late or lost, whoever sends them.
    Disturbed,
}

impl Kind {
    pub(crate) const ALL: [Self; 18] = [
        Self::LinkDown,
        Self::Cut,
        Self::Isolation,
        Self::Partition,
        Self::Parting,
        Self::OneWay,
        Self::Mute,
        Self::Deaf,
        Self::Loss,
        Self::Reordering,
        Self::Kill,
        Self::Stop,
        Self::Restart,
        Self::Upgrade,
        Self::Freeze,
        Self::Starvation,
        Self::Memory,
        Self::Disk,
    ];

    /// In reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LinkDown => "link down",
            Self::Cut => "cut from all",
            Self::Isolation => "cut from the nodes",
            Self::Partition => "two nodes cut from three",
            Self::Parting => "two nodes cut from each other",
            Self::OneWay => "one-way cut between two nodes",
            Self::Mute => "heard by nobody",
            Self::Deaf => "hears nobody",
            Self::Loss => "heartbeats lost",
            Self::Reordering => "heartbeats reordered",
            Self::Kill => "SIGKILL",
            Self::Stop => "SIGSTOP",
            Self::Restart => "agent restart",
            Self::Upgrade => "upgrade in place",
            Self::Freeze => "node frozen",
            Self::Starvation => "CPU starvation",
            Self::Memory => "memory pressure",
            Self::Disk => "disk full",
        }
    }
}

impl Fault {
    /// One that strikes a node and has no measure.
    pub(crate) fn of(kind: Kind, node: &'static str) -> Self {
        Self { kind, node, other: node, measure: 0 }
    }

    /// One of a kind that strikes `node`, its measure thrown.
    pub(crate) fn thrown(kind: Kind, node: &'static str, dice: &mut Dice) -> Self {
        let others: Vec<_> = MEMBERS.into_iter().filter(|other| *other != node).collect();
        let other = dice.pick(&others);
        let measure = if matches!(kind, Kind::Loss | Kind::Reordering) {
            5 + dice.below(26)
        } else if kind == Kind::Starvation {
            500 + dice.below(1500)
        } else {
            0
        };
        Self { kind, node, other, measure }
    }

    /// How long it lasts before it is mended.
    pub(crate) fn hold(&self, dice: &mut Dice) -> Duration {
        let millis = match self.kind {
            // Shorter than `agent_timeout`, when nothing may move, or longer.
            Kind::Kill | Kind::Stop if dice.below(2) == 0 => 50 + dice.below(700),
            Kind::Kill | Kind::Stop => 1300 + dice.below(900),
            Kind::Restart | Kind::Upgrade => 100 + dice.below(200),
            Kind::Starvation => self.measure,
            Kind::Loss | Kind::Reordering => 1000 + dice.below(2000),
            Kind::LinkDown
            | Kind::Cut
            | Kind::Isolation
            | Kind::Partition
            | Kind::Parting
            | Kind::OneWay
            | Kind::Mute
            | Kind::Deaf
            | Kind::Freeze
            | Kind::Memory
            | Kind::Disk => match dice.below(6) {
                // Sometimes so short that the lease outlasts it.
                0 => 5 + dice.below(60),
                _ => 250 + dice.below(900),
            },
        };
        Duration::from_millis(millis)
    }

    /// Whether it can strike: what is done to an agent needs one that runs.
    pub(crate) fn can_strike(&self, scene: &Scene) -> bool {
        let needs_agent =
            matches!(self.kind, Kind::Kill | Kind::Stop | Kind::Restart | Kind::Upgrade | Kind::Freeze);
        !needs_agent || scene.lab.activity(self.node) == Some(Activity::Running)
    }

    pub(crate) fn effects(&self) -> Vec<Effect> {
        let Self { kind, node, other, .. } = *self;
        match kind {
            Kind::LinkDown | Kind::Cut | Kind::Isolation | Kind::Mute | Kind::Deaf => vec![Effect::Out(node)],
            Kind::Kill | Kind::Stop | Kind::Restart | Kind::Upgrade | Kind::Freeze => vec![Effect::Out(node)],
            Kind::Partition => vec![Effect::Out(node), Effect::Out(other)],
            Kind::Parting | Kind::OneWay => vec![Effect::Apart(node, other)],
            Kind::Loss | Kind::Reordering | Kind::Starvation => vec![Effect::Disturbed],
            // Its floors can't be raised: what is reserved suffices for now, but nobody should count on it.
            Kind::Memory | Kind::Disk => vec![Effect::Unfit(node)],
        }
    }

    /// Strikes. What must be kept until it is mended is returned.
    pub(crate) fn strike(&self, scene: &Scene) -> Result<Option<Starvation>> {
        let lab = &scene.lab;
        let Self { kind, node, other, measure } = *self;
        match kind {
            Kind::LinkDown => lab.power_cut(node)?,
            Kind::Cut => lab.cut(node)?,
            Kind::Isolation => lab.isolate(node)?,
            Kind::Partition => lab.partition(&[node, other])?,
            Kind::Parting => {
                lab.cut_one_way(Direction { from: node, to: other })?;
                lab.cut_one_way(Direction { from: other, to: node })?;
            }
            Kind::OneWay => lab.cut_one_way(Direction { from: node, to: other })?,
            Kind::Mute => lab.mute(node)?,
            Kind::Deaf => lab.deafen(node)?,
            Kind::Loss => lab.lose_at_random(Loss { port: HEARTBEATS, percent: measure as u8 })?,
            Kind::Reordering => lab.reorder(Reordering {
                port: HEARTBEATS,
                percent: measure as u8,
                slow_kbit: SLOW_KBIT,
                queue: SLOW_QUEUE,
            })?,
            Kind::Kill => lab.kill9(node)?,
            Kind::Stop => lab.freeze(node)?,
            Kind::Restart => {
                lab.stop(node)?;
                lab.start_agent(node)?;
            }
            Kind::Upgrade => lab.upgrade(node)?,
            Kind::Freeze => lab.freeze_node(node)?,
            Kind::Starvation => return Starvation::start(Duration::from_millis(measure)).map(Some),
            Kind::Memory => {
                let shortage = lab.spec().memory.map_or(0, |memory| memory.shortage_mib());
                lab.take_memory(node, shortage)?;
            }
            Kind::Disk => lab.fill_disk(node)?,
        }
        Ok(None)
    }
}

/// Mends all that these faults have done.
pub(crate) fn mend(scene: &Scene, faults: &[Fault]) -> Result<()> {
    let lab = &scene.lab;
    for fault in faults {
        match fault.kind {
            Kind::Freeze => lab.thaw_wires(fault.node)?,
            Kind::Reordering => lab.keep_order()?,
            Kind::Memory => lab.free_memory(fault.node)?,
            Kind::Disk => lab.free_disk(fault.node)?,
            // The rest is mended below, or was over by itself.
            Kind::LinkDown
            | Kind::Cut
            | Kind::Isolation
            | Kind::Partition
            | Kind::Parting
            | Kind::OneWay
            | Kind::Mute
            | Kind::Deaf
            | Kind::Loss
            | Kind::Kill
            | Kind::Stop
            | Kind::Restart
            | Kind::Upgrade
            | Kind::Starvation => {}
        }
    }
    lab.heal()?;
    for node in MEMBERS {
        lab.power_on(node)?;
        match lab.activity(node) {
            Some(Activity::Running) => {}
            Some(Activity::Frozen) => lab.thaw(node)?,
            None => lab.start_agent(node)?,
        }
    }
    Ok(())
}
