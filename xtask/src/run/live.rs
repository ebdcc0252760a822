//! The live view: stub.

use afc_lab::LabSpec;
use anyhow::Result;

pub(super) fn show(_spec: LabSpec, _rate_hz: u32) -> Result<()> {
    Ok(())
}
