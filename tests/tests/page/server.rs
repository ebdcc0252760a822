//! A server of the page that says what a test wants it to say, as the agent's would: under the same policy, with the same
//! stream. For what no agent says: names that are markup, three hundred services, a server that falls silent.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use afc_agent::http::page::{self, HTML};
use afc_lab::{config::HTTP_PORT, netns::Netns};
use serde_json::Value;

/// Between two statuses.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// The server. Its threads end with the process, or when their clients hang up.
pub(crate) struct Server {
    script: Arc<Script>,
}

/// What it says.
#[derive(Default)]
struct Script {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Clone, Default)]
struct Lines {
    status: Value,
    lists: Value,
    events: Vec<Value>,
    voice: Voice,
    /// Grows when streams are to be cut.
    cuts: u32,
}

/// Whether it says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Twice a second, and when something changes.
    #[default]
    Speaking,
    /// It keeps connections and says nothing, as an agent that was stopped.
    Silent,
}

impl Server {
    /// Starts one on a machine, where its agent would listen.
    pub(crate) fn start(machine: &Netns, status: Value, lists: Value) -> Self {
        let bound = machine.enter(|| TcpListener::bind((Ipv4Addr::LOCALHOST, HTTP_PORT)));
        let listener = bound.expect("a namespace").expect("a free port");
        let lines = Mutex::new(Lines { status, lists, ..Lines::default() });
        let script = Arc::new(Script { lines, changed: Condvar::new() });
        let of_clients = Arc::clone(&script);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let script = Arc::clone(&of_clients);
                // A client that hangs up ends its thread with an error, which is its own affair.
                thread::spawn(move || serve(client, &script).ok());
            }
        });
        Self { script }
    }

    /// From now on the status is this.
    pub(crate) fn set_status(&self, status: Value) {
        self.change(|lines| lines.status = status);
    }

    /// Something happened.
    pub(crate) fn push_event(&self, event: Value) {
        self.change(|lines| lines.events.push(event));
    }

    /// Speaks, or falls silent.
    pub(crate) fn set_voice(&self, voice: Voice) {
        self.change(|lines| lines.voice = voice);
    }

    /// Cuts every stream.
    pub(crate) fn cut(&self) {
        self.change(|lines| lines.cuts += 1);
    }

    fn change(&self, change: impl FnOnce(&mut Lines)) {
        change(&mut self.script.lines());
        self.script.changed.notify_all();
    }
}

impl Script {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be said next: at a change, else when the next status is due.
    fn next(&self) -> Lines {
        let waited = self.changed.wait_timeout(self.lines(), STATUS_INTERVAL);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// Answers one request.
fn serve(mut client: TcpStream, script: &Script) -> io::Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(client.try_clone()?);
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    match path.split_once("?after=") {
        None if path == "/" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close";
            write!(client, "{head}\r\nContent-Security-Policy: {}\r\n\r\n{HTML}", page::POLICY.as_str())
        }
        Some(("/api/v1/stream", after)) => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close";
            write!(client, "{head}\r\n\r\n")?;
            stream(&mut client, script, after.parse().unwrap_or(0))
        }
        Some(_) | None => write!(client, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"),
    }
}

/// Says everything, and then what changes, until it is cut or nobody listens.
fn stream(client: &mut TcpStream, script: &Script, after: u64) -> io::Result<()> {
    let mut lines = script.lines().clone();
    let (cuts, mut told) = (lines.cuts, after);
    let mut lists = Value::Null;
    while lines.cuts == cuts {
        if lines.voice == Voice::Speaking {
            if lists != lines.lists {
                lists = lines.lists;
                write!(client, "event: lists\ndata: {lists}\n\n")?;
            }
            write!(client, "event: status\ndata: {}\n\n", lines.status)?;
            for event in lines.events {
                let id = event["id"].as_u64().unwrap_or_default();
                if id > told {
                    told = id;
                    write!(client, "id: {id}\nevent: event\ndata: {event}\n\n")?;
                }
            }
        }
        lines = script.next();
    }
    Ok(())
}
