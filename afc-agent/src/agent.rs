//! Puts the agent together, keeps it going, and takes it apart (design.md section 6).
//!
//! Owner: the process. The slow path is a tokio runtime, the fast path one thread ([`crate::heartbeat::fast_path`]); they
//! talk through two mailboxes. The order of the start is the order of the promise: the programs fence first, then the
//! virtual IPs go on loopback, and the kernel answers probes last. A stop goes the other way round.

mod commands;
mod discovery;
mod disk;
mod floors;
mod lists;
mod metrics;
mod notices;
mod parts;
mod recording;
mod restore;
mod start;
mod status;
#[cfg(feature = "trace")]
mod trace;

use std::{
    collections::BTreeSet,
    io::{self, IsTerminal},
    os::fd::OwnedFd,
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::timeout,
};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::{
    config::Config,
    heartbeat::{
        mailbox::{Mailbox, Notice, Order},
        scheduling::STACK_BYTES,
    },
    http::HttpServer,
    systemd::{self, Progress},
};
use notices::Outcome;
use start::Agent;

/// How long a clean stop may take before the leases are left to run out.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long the fast path may take to end when the agent can't go on.
const ABANDON_LIMIT: Duration = Duration::from_secs(1);
/// How often the programs are looked for on their interfaces.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the agent of this node until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting, with nothing left attached; or what made it end without being told.
pub fn run(config: Config) -> Result<()> {
    start_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .context("cannot start the tokio runtime")?;
    runtime.block_on(async {
        // Before anything is attached: a signal that comes during the start ends the agent cleanly after it.
        let signals = Signals::listen()?;
        let agent = Agent::start(Arc::new(config)).await?;
        agent.serve(signals).await
    })
}

/// What asks the agent to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A service manager that does not listen is no reason to stop serving.
fn tell_systemd(progress: Progress) {
    if let Err(error) = systemd::notify(progress) {
        warn!(%error, "systemd does not hear how the agent is");
    }
}

/// Logs to standard error; `RUST_LOG` chooses how much.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    // A test may have set one already; then that one logs.
    drop(subscriber.try_init());
}

impl Agent {
    async fn serve(mut self, mut signals: Signals) -> Result<()> {
        let fast_path = self.fast_path.take().expect("the fast path is started once");
        let thread = thread::Builder::new()
            .name("afc-fast".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || fast_path.run())?;
        let control = self.control.take().expect("the control socket is served once");
        let mut tasks = JoinSet::new();
        self.start_discovery(&mut tasks);
        tasks.spawn(self.floor_task().run());
        let source = Arc::new(self.status_source());
        tasks.spawn(control.run(Arc::clone(&source)));
        tasks.spawn(HttpServer::new(self.config.agent.listen).run(source));
        #[cfg(feature = "trace")]
        let _tracer = tokio::spawn(trace::flush(self.datapath.tracer()?));
        info!(node = self.config.this_node().name, "ready");
        tell_systemd(Progress::Ready);
        let outcome = self.watch(&thread, &mut tasks, &mut signals).await;
        tasks.shutdown().await;
        if outcome.is_err() {
            self.abandon(&thread).await;
        }
        self.finish_recording().await;
        outcome.context("the agent ends itself, and its leases run out")?;
        if thread.join().is_err() {
            bail!("the fast path panicked after it had released everything");
        }
        self.save_floors().await;
        self.unfence().await?;
        info!("stopped");
        Ok(())
    }

    /// Carries notices until the fast path has ended.
    async fn watch(
        &mut self,
        thread: &thread::JoinHandle<()>,
        tasks: &mut JoinSet<()>,
        signals: &mut Signals,
    ) -> Result<()> {
        let notices = Arc::clone(&self.notices);
        let bell = notices.async_bell()?;
        let mut interval = tokio::time::interval(WATCH_INTERVAL);
        loop {
            tokio::select! {
                ready = bell.readable() => {
                    ready?.clear_ready();
                    match self.carry(&notices)? {
                        Outcome::Running => {}
                        Outcome::Stopped => return Ok(()),
                    }
                }
                Some(incident) = self.disk.incidents.recv() => self.report_incident(incident),
                // None of them ends by itself while all is well; whoever starts the agent again moves nothing.
                Some(ended) = tasks.join_next() => {
                    ended.context("a task of the agent panicked")?;
                    bail!("a task of the agent ended by itself; its last words are in the log");
                }
                () = signals.asked() => return self.stop(&bell, &notices).await,
                _ = interval.tick() => {
                    self.datapath.check_attached()?;
                    self.datapath.refresh_interfaces()?;
                    self.fix_neighbours().await;
                    if thread.is_finished() && self.carry(&notices)? == Outcome::Running {
                        bail!("the fast path ended without a word");
                    }
                }
            }
        }
    }

    /// Has everything released, and waits for it.
    async fn stop(&mut self, bell: &AsyncFd<OwnedFd>, notices: &Mailbox<Notice>) -> Result<()> {
        info!("stopping: releasing every service");
        tell_systemd(Progress::Stopping);
        self.report_stopping();
        if self.orders.put(Order::Stop).is_err() {
            bail!("the fast path takes no orders any more");
        }
        let stopped = timeout(STOP_LIMIT, async {
            loop {
                match self.carry(notices)? {
                    Outcome::Running => bell.readable().await?.clear_ready(),
                    Outcome::Stopped => return Ok(()),
                }
            }
        });
        stopped
            .await
            .unwrap_or_else(|_| bail!("the fast path did not release everything within {STOP_LIMIT:?}"))
    }

    /// Ends an agent that can't go on: without its addresses, and without a word from its kernel from now on. What it
    /// leaves is not adopted.
    async fn abandon(&self, thread: &thread::JoinHandle<()>) {
        if let Err(error) = self.network.set_virtual_ips(&BTreeSet::new()).await {
            error!(%error, "virtual IPs stay on loopback");
        }
        if self.orders.put(Order::Abandon).is_err() {
            error!("the fast path takes no orders any more");
        }
        let mut looks = tokio::time::interval(Duration::from_millis(1));
        let ended = timeout(ABANDON_LIMIT, async {
            while !thread.is_finished() {
                looks.tick().await;
            }
        });
        if ended.await.is_err() {
            error!("the fast path does not end; its leases run out after agent_timeout");
        }
    }
}
