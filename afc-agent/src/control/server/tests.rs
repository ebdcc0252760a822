//! The server and the client over a socket in a temporary directory.

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Instant, SystemTime},
};

use super::*;
use crate::{
    control::client::Client,
    events::{EventKind, EventRecord, Happening},
    lists, status,
};

/// An agent that has one of everything to show.
#[derive(Default)]
pub(crate) struct Source {
    events: EventLog,
}

impl Source {
    pub(crate) fn push(&self, text: &str) {
        self.events.push(1, SystemTime::UNIX_EPOCH, Happening::new(EventKind::Started, text));
    }
}

impl ControlSource for Source {
    fn status(&self) -> Status {
        status::tests::example()
    }

    fn lists(&self) -> ListMatrix {
        lists::tests::example()
    }

    fn subscribe_lists(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    fn explain(&self, service: &str) -> Result<Explanation, String> {
        Err(format!("there is no service {service}"))
    }

    async fn set_duty(&self, node: &str, duty: Duty) -> Result<String, String> {
        match duty {
            Duty::Drained if node == "n4" => Ok("n4 takes nothing over any more".to_owned()),
            Duty::Drained | Duty::InService => Err(format!("{node} does not answer")),
        }
    }

    async fn move_service(&self, service: &str, node: &str) -> Result<String, String> {
        if node == "n4" { Ok(format!("n4 serves {service}")) } else { Err(format!("{node} does not answer")) }
    }

    fn events(&self) -> &EventLog {
        &self.events
    }
}

/// A server of its own; it ends with the runtime.
struct Lab {
    source: Arc<Source>,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/afc.sock");
        let source = Arc::new(Source::default());
        tokio::spawn(ControlServer::bind(&path).unwrap().run(Arc::clone(&source)));
        Self { source, path, _dir: dir }
    }

    /// Runs the blocking client.
    async fn client<T: Send + 'static>(&self, ask: impl FnOnce(Client) -> T + Send + 'static) -> T {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || ask(Client::connect(&path).unwrap())).await.unwrap()
    }

    async fn connect(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(&self.path).await.unwrap())
    }
}

async fn ask(stream: &mut BufReader<UnixStream>, request: &str) -> String {
    stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    line
}

fn texts(events: &[EventRecord]) -> Vec<&str> {
    events.iter().map(|event| event.happening.text.as_str()).collect()
}

#[tokio::test]
async fn the_client_gets_status_and_events() {
    let lab = Lab::new();
    lab.source.push("one");
    lab.source.push("two");
    assert_eq!(lab.client(|client| client.status().unwrap()).await, status::tests::example());
    let batch = lab.client(|client| client.events(1).unwrap()).await;
    assert_eq!(texts(&batch.events), ["two"]);
}

#[tokio::test]
async fn one_connection_may_ask_again_and_nonsense_is_answered_with_an_error() {
    let lab = Lab::new();
    let mut stream = lab.connect().await;
    assert!(ask(&mut stream, r#"{"command":"status"}"#).await.starts_with(r#"{"status":{"node":"n4""#));
    assert!(ask(&mut stream, r#"{"command":"dance"}"#).await.starts_with(r#"{"error":"not understood: "#));
    assert!(ask(&mut stream, "").await.starts_with(r#"{"error":"#));
    assert_eq!(
        ask(&mut stream, r#"{"command":"events"}"#).await,
        "{\"events\":{\"events\":[],\"missed\":0}}\n"
    );
}

#[tokio::test]
async fn a_follower_gets_each_event_as_it_happens() {
    let lab = Lab::new();
    lab.source.push("before");
    let mut stream = lab.connect().await;
    assert!(ask(&mut stream, r#"{"command":"events","follow":true}"#).await.contains("before"));
    for text in ["then", "and then"] {
        lab.source.push(text);
        let line = answer(&mut stream).await;
        assert!(line.contains(&format!("\"text\":\"{text}\"")) && !line.contains("before"), "{line}");
    }
}

#[test]
fn following_ends_when_the_agent_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lab = runtime.block_on(async { Lab::new() });
    lab.source.push("last");
    let client = Client::connect(&lab.path).unwrap();
    let mut runtime = Some(runtime);
    let mut seen = 0;
    let followed = client.follow_events(0, |batch| {
        seen += batch.events.len();
        drop(runtime.take());
        Ok(())
    });
    assert!(followed.is_ok(), "{followed:?}");
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused_and_hung_up_on() {
    let lab = Lab::new();
    let mut stream = lab.connect().await;
    stream.write_all(&[b'x'; MAX_REQUEST_BYTES + 1]).await.unwrap();
    assert!(answer(&mut stream).await.contains("a request has at most 4096 bytes"));
    let mut rest = Vec::new();
    assert!(stream.read_to_end(&mut rest).await.is_err() || rest.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_nothing_is_hung_up_on() {
    let lab = Lab::new();
    let mut stream = lab.connect().await;
    let started = Instant::now();
    assert_eq!(answer(&mut stream).await, "");
    assert!(started.elapsed() < Duration::from_secs(5), "the clock of this test is paused");
}

#[tokio::test]
async fn a_client_too_many_is_told_so_and_a_place_is_given_back() {
    let lab = Lab::new();
    let mut clients = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut stream = lab.connect().await;
        ask(&mut stream, r#"{"command":"events"}"#).await;
        clients.push(stream);
    }
    assert!(
        answer(&mut lab.connect().await).await.contains("32 clients are connected already; try again later")
    );
    drop(clients.pop());
    for _ in 0..1000 {
        let mut stream = lab.connect().await;
        // A write to a refused connection may fail; the answer tells.
        drop(stream.write_all(b"{\"command\":\"events\"}\n").await);
        if answer(&mut stream).await.contains("missed") {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the place was not given back");
}

#[tokio::test]
async fn the_socket_has_its_mode_and_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("afc.sock");
    let server = ControlServer::bind(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert!(matches!(ControlServer::bind(&path), Err(BindError::InUse { .. })));
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dead_agent_s_socket_is_replaced_and_a_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("afc.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = ControlServer::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    drop(server);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious", "what is not ours is left alone");
    let refused = ControlServer::bind(&path).unwrap_err().to_string();
    assert!(refused.contains("is there and is no socket; move it away"), "{refused}");
}

#[test]
fn without_an_agent_the_client_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let error = Client::connect(&dir.path().join("afc.sock")).unwrap_err().to_string();
    assert!(error.contains("start `afc run`, or name its socket with --socket"), "{error}");
}
