//! An agent's control socket without the agent: it answers, and can go away.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use afc_agent::{
    config::{ListMode, Role},
    control::{
        Duty,
        server::{ControlServer, ControlSource},
    },
    events::{EventKind, EventLog, Happening},
    lists::{BackupList, Explanation, ListMatrix, ListedBackup, ListedNode},
    status::{BackupStatus, NodeStatus, Scheduling, ServiceState, ServiceStatus, Status},
};
use afc_engine::priority::Headroom;
use tokio::{runtime::Runtime, sync::watch};

/// A socket in a directory of its own.
pub(crate) struct Answerer {
    directory: tempfile::TempDir,
    said: Arc<Said>,
    runtime: Option<Runtime>,
}

impl Answerer {
    pub(crate) fn start() -> Self {
        let said = Said { owner: Mutex::new("n1".to_owned()), events: EventLog::default() };
        let mut answerer =
            Self { directory: tempfile::tempdir().unwrap(), said: Arc::new(said), runtime: None };
        answerer.give_to("n1");
        answerer.restart();
        answerer
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("afc.sock")
    }

    /// Hangs up on everybody.
    pub(crate) fn stop(&mut self) {
        drop(self.runtime.take());
    }

    /// Listens again.
    pub(crate) fn restart(&mut self) {
        let runtime = Runtime::new().unwrap();
        let server = {
            let _guard = runtime.enter();
            ControlServer::bind(&self.socket()).unwrap()
        };
        runtime.spawn(server.run(Arc::clone(&self.said)));
        self.runtime = Some(runtime);
    }

    /// Says that a node serves `web-1` now.
    pub(crate) fn give_to(&self, node: &str) {
        *self.said.owner.lock().unwrap() = node.to_owned();
        let happening = Happening::new(EventKind::OwnerChanged, format!("{node} serves web-1"));
        self.said.events.push(1, SystemTime::now(), happening);
    }
}

/// What it says.
struct Said {
    owner: Mutex<String>,
    events: EventLog,
}

const NODES: [&str; 3] = ["n1", "n4", "n5"];

impl ControlSource for Said {
    fn status(&self) -> Status {
        let node = |(id, name): (u16, &str)| NodeStatus {
            name: name.to_owned(),
            id,
            role: Role::Member,
            alive: true,
            available: true,
            reasons: vec![],
            rtt_us: None,
            utilization: None,
            address: format!("10.0.0.{id}"),
            silence_ms: None,
            heartbeats: None,
        };
        Status {
            node: "n4".to_owned(),
            cluster: "edge".to_owned(),
            generation: 1,
            quorum: false,
            lease_remaining_ms: None,
            xdp: BTreeMap::new(),
            nodes: (1..).zip(NODES).map(node).collect(),
            services: vec![ServiceStatus {
                name: "web-1".to_owned(),
                home: "n1".to_owned(),
                owner: Some(self.owner.lock().unwrap().clone()),
                epoch: 7,
                addresses: vec!["10.0.0.101/24".to_owned()],
                backups: vec![BackupStatus { node: "n4".to_owned(), available: true, reasons: vec![] }],
                state: ServiceState::Elsewhere,
                lease_remaining_ms: None,
            }],
            version: "0.1.0".to_owned(),
            safety: "quorum".to_owned(),
            scheduling: Scheduling::Normal,
            session: "00c0ffee00c0ffee".to_owned(),
            incarnation: 3,
            uptime_s: 93.5,
            quarantine_remaining_ms: None,
            counters: BTreeMap::from([("probe_answered".to_owned(), 12)]),
        }
    }

    fn events(&self) -> &EventLog {
        &self.events
    }

    fn lists(&self) -> ListMatrix {
        let backup = ListedBackup {
            node: "n4".to_owned(),
            available: true,
            reasons: vec![],
            headroom: Headroom::Ample,
        };
        let node = |name: &str| ListedNode { name: name.to_owned(), available: true, reasons: vec![] };
        ListMatrix {
            node: "n4".to_owned(),
            cluster: "edge".to_owned(),
            mode: ListMode::Adaptive,
            at: "2023-11-14T22:13:20.000001Z".to_owned(),
            boot_ns: 5,
            inputs: String::new(),
            digest: String::new(),
            differing: vec![],
            nodes: NODES.map(node).to_vec(),
            lists: vec![BackupList {
                node: "n1".to_owned(),
                service: Some("web-1".to_owned()),
                owner: Some(self.owner.lock().unwrap().clone()),
                backups: vec![backup],
            }],
        }
    }

    fn subscribe_lists(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    fn explain(&self, service: &str) -> Result<Explanation, String> {
        Err(format!("there is no service {service}"))
    }

    async fn set_duty(&self, node: &str, _duty: Duty) -> Result<String, String> {
        Err(format!("{node} does not answer"))
    }

    async fn move_service(&self, _service: &str, node: &str) -> Result<String, String> {
        Err(format!("{node} does not answer"))
    }
}
