//! The agent's side of the control socket.
//!
//! [`ControlServer::run`] is one task, owned by whoever spawned it; it is woken by connections and owns a task for each.
//! Cancelling it hangs up on every client and loses nothing but their answers. A client can cost the agent no more than
//! [`MAX_CLIENTS`] connections, [`MAX_REQUEST_BYTES`] a request and `WRITE_TIMEOUT` a line.

mod socket;

use std::{io, path::Path, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

pub use socket::BindError;

use super::{Duty, MAX_REQUEST_BYTES, Request, Response};
use crate::{
    events::EventLog,
    lists::{Explanation, ListMatrix},
    status::Status,
};

/// Clients at one time; a further one is told to come back.
pub const MAX_CLIENTS: usize = 32;
/// Silence after which a client that asks nothing is hung up on.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes longer to read a line is hung up on.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before trying again when no connection can be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the server answers with.
pub trait ControlSource: Send + Sync + 'static {
    /// The agent's view of the cluster now. Called for each request; must not wait.
    fn status(&self) -> Status;

    /// What happened.
    fn events(&self) -> &EventLog;

    /// Every node's backups as this node has them now. Must not wait.
    fn lists(&self) -> ListMatrix;

    /// Is woken by each new version of the lists.
    fn subscribe_lists(&self) -> watch::Receiver<u64>;

    /// Why each candidate of a service stands where it stands.
    ///
    /// # Errors
    /// There is no such service; which there are.
    fn explain(&self, service: &str) -> Result<Explanation, String>;

    /// Takes a node out of service or back into it; what was done, in words.
    ///
    /// # Errors
    /// There is no such node, or it does not answer, or it cannot remember it.
    fn set_duty(&self, node: &str, duty: Duty) -> impl Future<Output = Result<String, String>> + Send;

    /// Has a node take a service from its owner; what was done, in words.
    ///
    /// # Errors
    /// Why not, and what to do.
    fn move_service(&self, service: &str, node: &str) -> impl Future<Output = Result<String, String>> + Send;
}

/// The control socket, listening. Dropping it removes the socket's file.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    _file: socket::SocketFile,
}

impl ControlServer {
    /// Listens at `path` with mode 0660. A file that an agent left behind is replaced. Needs a tokio runtime.
    ///
    /// # Errors
    /// An agent listens there, or the socket cannot be made.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let (listener, file) = socket::bind(path)?;
        let listener = UnixListener::from_std(listener);
        let listener = listener.map_err(|source| BindError::Listen { path: path.to_owned(), source })?;
        Ok(Self { listener, _file: file })
    }

    /// Answers clients until it is cancelled.
    pub async fn run<S: ControlSource>(self, source: Arc<S>) {
        let mut clients = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = clients.join_next() => continue,
            };
            match accepted {
                Ok((stream, _)) if clients.len() < MAX_CLIENTS => {
                    clients.spawn(serve(stream, Arc::clone(&source)));
                }
                Ok((stream, _)) => refuse(&stream),
                Err(error) => {
                    warn!(%error, "cannot accept a control connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Tells a client too many so, if it takes it at once.
fn refuse(stream: &UnixStream) {
    let refusal = Response::Error(format!("{MAX_CLIENTS} clients are connected already; try again later"));
    if let Err(error) = stream.try_write(line(&refusal).as_bytes()) {
        debug!(%error, "a control client too many did not wait for its refusal");
    }
}

/// One client, until it hangs up or breaks a rule.
async fn serve<S: ControlSource>(stream: UnixStream, source: Arc<S>) {
    let (read, write) = stream.into_split();
    let mut client = Client { read: BufReader::new(read), write };
    if let Err(error) = client.serve(&*source).await {
        debug!(%error, "hung up on a control client");
    }
}

struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Client {
    async fn serve<S: ControlSource>(&mut self, source: &S) -> io::Result<()> {
        while let Some(text) = timeout(REQUEST_TIMEOUT, self.request()).await?? {
            match serde_json::from_slice(&text) {
                Ok(Request::Status) => self.send(&Response::Status(Box::new(source.status()))).await?,
                Ok(Request::Events { after, follow: false }) => {
                    self.send(&Response::Events(source.events().after(after))).await?;
                }
                Ok(Request::Events { after, follow: true }) => {
                    return self.follow(after, source.events()).await;
                }
                Ok(Request::Lists { follow: false }) => {
                    self.send(&Response::Lists(Box::new(source.lists()))).await?;
                }
                Ok(Request::Lists { follow: true }) => return self.follow_lists(source).await,
                Ok(Request::Explain { service }) => {
                    let explained = source.explain(&service);
                    let explained = explained.map(|explained| Response::Explanation(Box::new(explained)));
                    self.send(&explained.unwrap_or_else(Response::Error)).await?;
                }
                Ok(Request::Drain { node }) => {
                    self.answer(source.set_duty(&node, Duty::Drained).await).await?
                }
                Ok(Request::Undrain { node }) => {
                    self.answer(source.set_duty(&node, Duty::InService).await).await?;
                }
                Ok(Request::Move { service, node }) => {
                    self.answer(source.move_service(&service, &node).await).await?;
                }
                Err(error) => self.send(&Response::Error(format!("not understood: {error}"))).await?,
            }
        }
        Ok(())
    }

    /// The next line, or `None` when the client hung up.
    async fn request(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        // One byte more than allowed, to tell a long line from one that just fits.
        let limit = MAX_REQUEST_BYTES as u64 + 1;
        (&mut self.read).take(limit).read_until(b'\n', &mut text).await?;
        match text.last() {
            Some(b'\n') => Ok(Some(text)),
            None => Ok(None),
            Some(_) if text.len() > MAX_REQUEST_BYTES => {
                self.send(&Response::Error(format!("a request has at most {MAX_REQUEST_BYTES} bytes")))
                    .await?;
                Err(io::Error::new(io::ErrorKind::InvalidData, "a request is too long"))
            }
            Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Sends what is behind `after`, and goes on until the client hangs up.
    async fn follow(&mut self, mut after: u64, events: &EventLog) -> io::Result<()> {
        let mut newest = events.subscribe();
        loop {
            newest.borrow_and_update();
            let batch = events.after(after);
            after = batch.events.last().map_or(after, |event| event.id);
            if !batch.events.is_empty() {
                self.send(&Response::Events(batch)).await?;
            }
            if !self.is_there_more(&mut newest).await {
                return Ok(());
            }
        }
    }

    /// Sends the lists, and each new version of them, until the client hangs up.
    async fn follow_lists<S: ControlSource>(&mut self, source: &S) -> io::Result<()> {
        let mut newest = source.subscribe_lists();
        loop {
            newest.borrow_and_update();
            self.send(&Response::Lists(Box::new(source.lists()))).await?;
            if !self.is_there_more(&mut newest).await {
                return Ok(());
            }
        }
    }

    async fn answer(&mut self, done: Result<String, String>) -> io::Result<()> {
        self.send(&done.map_or_else(Response::Error, Response::Done)).await
    }

    /// Waits for something new; not when the client hangs up. A follower says nothing more: whatever comes, even the end,
    /// ends it.
    async fn is_there_more(&mut self, newest: &mut watch::Receiver<u64>) -> bool {
        let mut byte = [0];
        tokio::select! {
            changed = newest.changed() => changed.is_ok(),
            _ = self.read.read(&mut byte) => false,
        }
    }

    async fn send(&mut self, response: &Response) -> io::Result<()> {
        timeout(WRITE_TIMEOUT, self.write.write_all(line(response).as_bytes())).await?
    }
}

fn line(response: &Response) -> String {
    let mut line = serde_json::to_string(response).expect("responses are text, numbers and lists of them");
    line.push('\n');
    line
}

#[cfg(test)]
pub(crate) mod tests;
