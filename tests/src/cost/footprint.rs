//! What the kernel says of each program once it is loaded: how much the verifier walked, and how long the code is.

use anyhow::{Context, Result};

use super::cluster::{Attach, Cluster, Site};

/// One program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Its name.
    pub program: &'static str,
    /// Instructions that the verifier walked, every path counted. Differs from kernel to kernel.
    pub verified: u32,
    /// Bytes of its instructions as the verifier left them.
    pub translated_bytes: u32,
    /// Bytes of machine code.
    pub machine_bytes: u32,
}

/// Loads the programs and looks.
///
/// # Errors
/// Without root, or before Linux 5.16, which does not tell.
pub fn footprints() -> Result<Vec<Footprint>> {
    let site = Site::new()?;
    let namespace = site.namespace()?;
    let info = namespace
        .enter(|| Ok::<_, anyhow::Error>(Cluster::new(site, Attach::Generic)?.datapath.program_info()?))??;
    let footprint = |(program, info): (_, aya::programs::ProgramInfo)| {
        Ok(Footprint {
            program,
            verified: info
                .verified_instruction_count()
                .context("this kernel does not tell what it verified")?,
            translated_bytes: info.size_translated().context("the kernel hides the program")?,
            machine_bytes: info.size_jitted(),
        })
    };
    info.into_iter().map(footprint).collect()
}
