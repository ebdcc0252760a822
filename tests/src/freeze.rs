//! A whole node that stands still, as one does whose hypervisor does not run it: its agent is stopped, and no frame gets in
//! or out. Its link stays up. Its services are threads of the lab and go on, but nothing reaches them.
//!
//! The frames are stopped at the node's port of the switch, in front of the bridge, so also what the observer asks does not
//! get in. What was on its way is lost.

use anyhow::Result;

use crate::{Lab, ip, wires::SWITCH_MACHINE};

impl Lab {
    /// Stops a node.
    ///
    /// # Errors
    /// When its agent was not started.
    pub fn freeze_node(&self, node: &str) -> Result<()> {
        self.freeze_wires(node)?;
        self.freeze(node)
    }

    /// Lets no frame in or out of a node. What runs there besides the lab's agent is the caller's to stop.
    ///
    /// # Errors
    /// When it is frozen already.
    pub fn freeze_wires(&self, node: &str) -> Result<()> {
        let script = format!(
            "add table netdev afc_{node}\n\
             add chain netdev afc_{node} in {{ type filter hook ingress device \"{node}\" priority 0; policy drop; }}\n\
             add chain netdev afc_{node} out {{ type filter hook egress device \"{node}\" priority 0; policy drop; }}"
        );
        ip::nft(self.machine(SWITCH_MACHINE), &script)
    }

    /// Lets frames in and out of a node again that was frozen; its agent goes on by [`Lab::thaw`].
    ///
    /// # Errors
    /// When it was not frozen.
    pub fn thaw_wires(&self, node: &str) -> Result<()> {
        ip::nft(self.machine(SWITCH_MACHINE), &format!("delete table netdev afc_{node}"))
    }
}
