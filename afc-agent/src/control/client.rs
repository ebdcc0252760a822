//! The asking side of the control socket. Blocks: it runs in a command, not in the agent.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::{Request, Response};
use crate::{events::EventBatch, status::Status};

/// An agent that takes longer is not well.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why the agent gave no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// There is no socket, or nobody listens.
    #[error("no agent answers at {}: {source}; start `afc run`, or name its socket with --socket", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The conversation broke off.
    #[error("the agent at {} broke off: {source}; see its log", path.display())]
    Talk {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The answer makes no sense: the agent is of another version.
    #[error("the agent at {} answered something else: {source}; is it of another version?", path.display())]
    Understand {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The agent refused.
    #[error("{0}")]
    Refused(String),
    /// The answer is to another question.
    #[error("the agent answered another question; is it of another version?")]
    Mismatch,
}

/// A connection for one request.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the agent.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let connected = UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            Ok(stream)
        });
        let stream = connected.map_err(|source| ClientError::Connect { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), stream: BufReader::new(stream) })
    }

    /// The agent's view of the cluster.
    ///
    /// # Errors
    /// There was no answer, or another.
    pub fn status(mut self) -> Result<Status, ClientError> {
        self.send(&Request::Status)?;
        match self.receive()? {
            Some(Response::Status(status)) => Ok(*status),
            Some(Response::Error(refusal)) => Err(ClientError::Refused(refusal)),
            Some(Response::Events(_)) => Err(ClientError::Mismatch),
            None => Err(self.talk(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// What happened after an event.
    ///
    /// # Errors
    /// There was no answer, or another.
    pub fn events(mut self, after: u64) -> Result<EventBatch, ClientError> {
        self.send(&Request::Events { after, follow: false })?;
        self.receive_events()?.ok_or_else(|| self.talk(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Gives `show` what happened and then what happens, until it fails or the agent ends.
    ///
    /// # Errors
    /// The agent refused, or the conversation broke. That the agent ended is none.
    pub fn follow(
        mut self,
        after: u64,
        mut show: impl FnMut(&EventBatch) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        self.send(&Request::Events { after, follow: true })?;
        let waiting = self.stream.get_ref().set_read_timeout(None);
        waiting.map_err(|source| self.talk(source))?;
        while let Some(batch) = self.receive_events()? {
            if show(&batch).is_err() {
                // Whoever read our output is gone, which is how a follower usually ends.
                return Ok(());
            }
        }
        Ok(())
    }

    fn receive_events(&mut self) -> Result<Option<EventBatch>, ClientError> {
        match self.receive()? {
            Some(Response::Events(batch)) => Ok(Some(batch)),
            Some(Response::Error(refusal)) => Err(ClientError::Refused(refusal)),
            Some(Response::Status(_)) => Err(ClientError::Mismatch),
            None => Ok(None),
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line = serde_json::to_string(request).expect("a request is made of names and numbers");
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).map_err(|source| self.talk(source))
    }

    /// `None` when the agent hung up.
    fn receive(&mut self) -> Result<Option<Response>, ClientError> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).map_err(|source| self.talk(source))? == 0 {
            return Ok(None);
        }
        let response = serde_json::from_str(&line);
        response.map(Some).map_err(|source| ClientError::Understand { path: self.path.clone(), source })
    }

    fn talk(&self, source: io::Error) -> ClientError {
        ClientError::Talk { path: self.path.clone(), source }
    }
}
