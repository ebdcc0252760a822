//! The HTTP service of every node, and a client that asks for a page all the time, on a fresh connection each.
//!
//! Just enough HTTP/1.1 for `curl` to be content: any request is answered with the node's name.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    ops::Range,
    os::fd::AsRawFd,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    clock::{now_ns, sleep_until},
    netns::Netns,
    worker::{STOP_POLL, Stop, Worker},
};

/// The port of the service.
pub const PORT: u16 = 80;
/// How long the service waits for a client that says nothing.
const PATIENCE: Duration = Duration::from_millis(50);
/// Requests that a client remembers for each target; older ones are forgotten.
const REMEMBERED: usize = 100_000;

/// A running HTTP service. Dropping it stops it.
#[derive(Debug)]
pub struct HttpService {
    _worker: Worker,
}

impl HttpService {
    /// Starts one in a namespace that answers with `name`.
    ///
    /// # Errors
    /// When the namespace can't be entered or the port is taken.
    pub fn start(namespace: &Netns, name: &str) -> Result<Self> {
        let listener =
            namespace.enter(|| TcpListener::bind(("0.0.0.0", PORT)))?.context("binding the HTTP service")?;
        listener.set_nonblocking(true)?;
        let body = name.to_owned();
        let serve = move |stop: &Stop| {
            while !stop.is_asked() {
                serve_waiting(&listener, &body);
            }
        };
        Ok(Self { _worker: Worker::start(&format!("http-{name}"), serve)? })
    }
}

/// Waits for connections, a while, and serves them one by one.
fn serve_waiting(listener: &TcpListener, body: &str) {
    let mut waiting = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry that lives through the call.
    unsafe { libc::poll(&mut waiting, 1, STOP_POLL.as_millis() as libc::c_int) };
    while let Ok((connection, _)) = listener.accept() {
        // A client that vanished in the middle is its own loss, and counted there.
        serve_one(connection, body).ok();
    }
}

/// Reads one request's head and answers it.
fn serve_one(mut connection: TcpStream, body: &str) -> io::Result<()> {
    connection.set_nonblocking(false)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    // One segment: the lab's clients, and curl, send a short head at once.
    if connection.read(&mut [0; 1024])? == 0 {
        return Ok(());
    }
    let length = body.len() + 1;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}\n");
    connection.write_all(answer.as_bytes())
}

/// One request for the page. Called inside a namespace.
///
/// # Errors
/// When it is not answered in `patience`, or not with a page.
pub fn get(target: Ipv4Addr, patience: Duration) -> Result<String> {
    fetch((target, PORT).into(), "/", patience).map(|page| page.trim().to_owned())
}

/// One request to any server; the body of its answer. Called inside a namespace. HTTP/1.0, so that it comes in one piece.
///
/// # Errors
/// When it is not answered in `patience`, or not with 200.
pub fn fetch(address: SocketAddr, path: &str, patience: Duration) -> Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, patience)?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(patience))?;
    connection.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let is_page = |head: &str| head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.0 200");
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if is_page(head) => Ok(body.to_owned()),
        Some(_) | None => bail!("not a page: {answer:?}"),
    }
}

/// One request of an [`HttpClient`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was made, ns.
    pub asked_ns: u64,
    /// When it was answered or given up, ns.
    pub ended_ns: u64,
    /// The node whose name was on the page; `None` when there was no page.
    pub node: Option<String>,
}

/// How an [`HttpClient`] asks.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The virtual IPs that it asks.
    pub targets: Vec<Ipv4Addr>,
    /// Time between two requests.
    pub pause: Duration,
    /// When a request is given up.
    pub patience: Duration,
}

/// A client with a thread for each target. Dropping it stops it.
#[derive(Debug)]
pub struct HttpClient {
    lanes: Vec<Arc<Lane>>,
    _workers: Vec<Worker>,
}

/// What belongs to one target.
#[derive(Debug)]
struct Lane {
    target: Ipv4Addr,
    requests: Mutex<VecDeque<Request>>,
}

impl HttpClient {
    /// Starts asking, from a namespace.
    ///
    /// # Errors
    /// When the namespace can't be entered.
    pub fn start(namespace: &Netns, plan: &Plan) -> Result<Self> {
        let lane = |&target: &Ipv4Addr| Arc::new(Lane { target, requests: Mutex::default() });
        let lanes: Vec<_> = plan.targets.iter().map(lane).collect();
        let start = |lane: &Arc<Lane>| {
            let (lane, plan) = (Arc::clone(lane), plan.clone());
            Worker::start_inside(namespace, "http-client", move |stop| lane.ask_all_the_time(&plan, stop))
        };
        let workers = lanes.iter().map(start).collect::<Result<_>>()?;
        Ok(Self { lanes, _workers: workers })
    }

    /// The requests that were made to `target` in `window` and have ended, in order.
    ///
    /// # Panics
    /// When this client does not ask `target`: a mistake in the test.
    pub fn requests(&self, target: Ipv4Addr, window: Range<u64>) -> Vec<Request> {
        let lane = self.lanes.iter().find(|lane| lane.target == target);
        let lane = lane.unwrap_or_else(|| panic!("this client does not ask {target}"));
        lane.requests().iter().filter(|request| window.contains(&request.asked_ns)).cloned().collect()
    }
}

impl Lane {
    /// The thread of one target, inside the client's namespace.
    fn ask_all_the_time(&self, plan: &Plan, stop: &Stop) {
        while !stop.is_asked() {
            let asked_ns = now_ns();
            let node = get(self.target, plan.patience).ok();
            let request = Request { asked_ns, ended_ns: now_ns(), node };
            let mut requests = self.requests();
            if requests.len() == REMEMBERED {
                requests.pop_front();
            }
            requests.push_back(request);
            drop(requests);
            sleep_until(now_ns() + plan.pause.as_nanos() as u64);
        }
    }

    /// The requests, also when a reader has panicked.
    fn requests(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_with_the_name_of_the_node() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let service = std::thread::spawn(move || serve_one(listener.accept().unwrap().0, "n4"));
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        service.join().unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nn4\n"), "{answer}");
    }
}
