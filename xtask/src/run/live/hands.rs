//! What somebody at the keys does to a node, and what has been done to it so far.

use std::collections::BTreeMap;

use afc_lab::{Lab, agent::Activity};
use anyhow::Result;

/// Something to do to the selected node; healing is for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    PowerCut,
    FreezeOrThaw,
    Cut,
    Mute,
    Kill,
    Heal,
}

/// How a node is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wire {
    #[default]
    Whole,
    Unplugged,
    Cut,
    Mute,
}

impl Wire {
    /// In a word.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Whole => "up",
            Self::Unplugged => "no power",
            Self::Cut => "cut",
            Self::Mute => "one-way",
        }
    }
}

/// Does the deeds and remembers them.
pub(super) struct Hands<'a> {
    lab: &'a Lab,
    wires: BTreeMap<String, Wire>,
}

impl<'a> Hands<'a> {
    pub(super) const fn new(lab: &'a Lab) -> Self {
        Self { lab, wires: BTreeMap::new() }
    }

    /// How a node is connected now.
    pub(super) fn wire(&self, node: &str) -> Wire {
        self.wires.get(node).copied().unwrap_or_default()
    }

    /// Does something and says so.
    pub(super) fn act(&mut self, deed: Deed, node: &str) -> String {
        match self.attempt(deed, node) {
            Ok(done) => done,
            Err(error) => format!("{node}: {error:#}"),
        }
    }

    fn attempt(&mut self, deed: Deed, node: &str) -> Result<String> {
        let done = match deed {
            Deed::PowerCut => {
                self.lab.power_cut(node)?;
                self.wires.insert(node.to_owned(), Wire::Unplugged);
                format!("{node} loses power")
            }
            Deed::Cut => {
                self.lab.cut(node)?;
                self.wires.insert(node.to_owned(), Wire::Cut);
                format!("{node} is cut off")
            }
            Deed::Mute => {
                self.lab.mute(node)?;
                self.wires.insert(node.to_owned(), Wire::Mute);
                format!("{node} is heard by nobody, but hears")
            }
            Deed::FreezeOrThaw => match self.lab.activity(node) {
                Some(Activity::Frozen) => {
                    self.lab.thaw(node)?;
                    format!("the agent of {node} goes on")
                }
                Some(Activity::Running) | None => {
                    self.lab.freeze(node)?;
                    format!("the agent of {node} is frozen")
                }
            },
            Deed::Kill => {
                self.lab.kill9(node)?;
                format!("the agent of {node} is killed")
            }
            Deed::Heal => {
                self.heal()?;
                "everything is mended".to_owned()
            }
        };
        Ok(done)
    }

    /// Mends every wire, thaws and restarts every agent.
    fn heal(&mut self) -> Result<()> {
        self.lab.heal()?;
        for (node, wire) in std::mem::take(&mut self.wires) {
            if wire == Wire::Unplugged {
                self.lab.power_on(&node)?;
            }
        }
        for node in &self.lab.spec().nodes {
            match self.lab.activity(&node.name) {
                Some(Activity::Running) => {}
                Some(Activity::Frozen) => self.lab.thaw(&node.name)?,
                None => self.lab.start_agent(&node.name)?,
            }
        }
        Ok(())
    }
}
