//! The kernel's traces of state changes (feature `trace`), brought into the agent's log.
//!
//! Owner: `agent.rs`, one task; woken by the trace ring. Cancelling it loses the traces that wait there.

use std::{io, os::fd::AsRawFd};

use tokio::io::unix::AsyncFd;
use tracing::warn;

use crate::datapath::Tracer;

/// Brings traces over for ever.
pub(super) async fn flush(tracer: Tracer) {
    if let Err(error) = flush_all(tracer).await {
        warn!(%error, "the kernel's traces are lost from here on");
    }
}

async fn flush_all(tracer: Tracer) -> io::Result<()> {
    tracing::debug!(ring = tracer.as_raw_fd(), "the kernel traces state changes");
    // SAFETY: the tracer owns its ring's descriptor, which stays the same and open until the AsyncFd drops the tracer.
    let mut tracer = unsafe { AsyncFd::register(tracer) }?;
    loop {
        let mut ready = tracer.readable_mut().await?;
        ready.get_inner_mut().flush();
        ready.clear_ready();
    }
}
