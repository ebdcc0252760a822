//! The server and plain sockets.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    time::timeout,
};

use super::*;
use crate::control::server::tests::Source;

/// For an answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

impl HttpSource for Source {
    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn is_healthy(&self) -> Result<(), String> {
        Ok(())
    }

    fn is_ready(&self) -> Result<(), String> {
        Err("no quorum".to_owned())
    }

    fn report(&self, happening: Happening) {
        self.push(&happening.text);
    }
}

/// A server of its own; it ends with the runtime.
struct Lab {
    source: Arc<Source>,
    address: SocketAddr,
}

impl Lab {
    async fn new() -> Self {
        let source = Arc::new(Source::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = api::router(Arc::clone(&source));
        tokio::spawn(async move { accept(&listener, &router).await });
        Self { source, address }
    }

    async fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(self.address).await.unwrap())
    }

    async fn request(&self, request: &str) -> BufReader<TcpStream> {
        let mut client = self.connect().await;
        let head = format!("{request} HTTP/1.1\r\nHost: afc\r\nConnection: close\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        client
    }

    /// The whole answer; empty from a server that hangs up.
    async fn answer(&self, request: &str) -> String {
        let mut answer = String::new();
        let mut client = self.request(request).await;
        match timeout(PATIENCE, client.read_to_string(&mut answer)).await.unwrap() {
            Ok(_) => answer,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                String::new()
            }
        }
    }
}

/// Reads a stream until it has said all of `wanted`, in this order.
async fn expect(client: &mut BufReader<TcpStream>, wanted: &[&str]) {
    let mut seen = String::new();
    for wanted in wanted {
        let said = timeout(PATIENCE, read_until(client, wanted, &mut seen)).await;
        assert_eq!(said, Ok(true), "no {wanted:?} in {seen}");
    }
}

/// Whether it says that before it ends.
async fn read_until(client: &mut BufReader<TcpStream>, wanted: &str, seen: &mut String) -> bool {
    let mut line = String::new();
    while client.read_line(&mut line).await.unwrap() > 0 {
        seen.push_str(&line);
        if line.contains(wanted) {
            return true;
        }
        line.clear();
    }
    false
}

#[tokio::test]
async fn every_path_has_its_answer() {
    let lab = Lab::new().await;
    lab.source.push("one");
    for (request, status, part) in [
        ("GET /", "200 OK", "content-security-policy: default-src 'none'; script-src 'sha256-"),
        ("GET /metrics", "200 OK", "content-type: application/openmetrics-text; version=1.0.0"),
        ("GET /healthz", "200 OK", "\r\n\r\nok\n"),
        ("GET /readyz", "503 Service Unavailable", "\r\n\r\nno quorum\n"),
        ("GET /api/v1/status", "200 OK", r#""cluster":"edge""#),
        ("GET /api/v1/lists", "200 OK", r#""mode":"adaptive""#),
        ("GET /api/v1/events", "200 OK", r#""text":"one""#),
        ("GET /api/v1/events?after=1", "200 OK", r#"{"events":[],"missed":0}"#),
        ("GET /api/v1/events?after=x", "400 Bad Request", "after"),
        ("GET /api/v1/events?since=1", "400 Bad Request", "since"),
        ("GET /api/v1/explain/web-9", "404 Not Found", r#"{"error":"there is no service web-9"}"#),
        ("GET /nowhere", "404 Not Found", "/api/v1/"),
        ("POST /api/v1/status", "405 Method Not Allowed", "allow: GET"),
    ] {
        let answer = lab.answer(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
        assert!(answer.contains(part), "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_stream_has_the_status_the_lists_and_each_event_with_its_id() {
    let lab = Lab::new().await;
    lab.source.push("one");
    lab.source.push("two");
    let mut client = lab.request("GET /api/v1/stream?after=1").await;
    expect(&mut client, &["text/event-stream", "event: status", "event: event", "id: 2"]).await;
    lab.source.push("three");
    expect(&mut client, &["id: 3", "event: status"]).await;
    let mut again = lab.connect().await;
    let head = "GET /api/v1/stream HTTP/1.1\r\nHost: afc\r\nLast-Event-ID: 2\r\n\r\n";
    again.write_all(head.as_bytes()).await.unwrap();
    expect(&mut again, &["event: lists"]).await;
    lab.source.push("four");
    expect(&mut again, &["id: 4"]).await;
}

#[tokio::test]
async fn clients_too_many_are_hung_up_on_and_a_place_that_is_free_again_is_used() {
    let lab = Lab::new().await;
    let mut clients = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut client = lab.request("GET /api/v1/stream").await;
        expect(&mut client, &["event: status"]).await;
        clients.push(client);
    }
    assert_eq!(lab.answer("GET /healthz").await, "", "hung up on");
    drop(clients.pop());
    let is_served = async {
        while lab.answer("GET /healthz").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, is_served).await.expect("a place is free");
}

#[tokio::test]
async fn a_client_that_sends_no_request_is_hung_up_on() {
    let lab = Lab::new().await;
    let mut client = lab.connect().await;
    client.write_all(b"GET /metr").await.unwrap();
    let mut rest = Vec::new();
    let end = timeout(REQUEST_TIMEOUT + PATIENCE, client.read_to_end(&mut rest)).await;
    assert!(end.expect("it does not wait for ever").is_ok());
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_event_that_names_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = Arc::new(Source::default());
    tokio::spawn(HttpServer::new(taken.local_addr().unwrap()).run(Arc::clone(&source)));
    let mut newest = source.events().subscribe();
    timeout(PATIENCE, newest.wait_for(|id| *id > 0)).await.unwrap().unwrap();
    assert!(source.events().after(0).events[0].happening.text.contains("[agent] listen"));
}
