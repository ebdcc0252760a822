//! The asking side of the control socket. Blocks: it runs in a command, not in the agent.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::{Duty, Request, Response};
use crate::{
    events::EventBatch,
    lists::{Explanation, ListMatrix},
    status::Status,
};

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
    pub fn status(self) -> Result<Status, ClientError> {
        self.ask(
            &Request::Status,
            |response| {
                if let Response::Status(status) = response { Some(*status) } else { None }
            },
        )
    }

    /// What happened after an event.
    ///
    /// # Errors
    /// There was no answer, or another.
    pub fn events(self, after: u64) -> Result<EventBatch, ClientError> {
        self.ask(&Request::Events { after, follow: false }, events)
    }

    /// Gives `show` what happened and then what happens, until it fails or the agent ends.
    ///
    /// # Errors
    /// The agent refused, or the conversation broke. That the agent ended is none.
    pub fn follow_events(
        self,
        after: u64,
        show: impl FnMut(&EventBatch) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        self.follow(&Request::Events { after, follow: true }, events, show)
    }

    /// Every node's backups.
    ///
    /// # Errors
    /// There was no answer, or another.
    pub fn lists(self) -> Result<ListMatrix, ClientError> {
        self.ask(&Request::Lists { follow: false }, lists)
    }

    /// Gives `show` the lists and then each new version of them, until it fails or the agent ends.
    ///
    /// # Errors
    /// The agent refused, or the conversation broke. That the agent ended is none.
    pub fn follow_lists(self, show: impl FnMut(&ListMatrix) -> io::Result<()>) -> Result<(), ClientError> {
        self.follow(&Request::Lists { follow: true }, lists, show)
    }

    /// Why each candidate of a service stands where it stands.
    ///
    /// # Errors
    /// There is no such service, no answer, or another.
    pub fn explain(self, service: &str) -> Result<Explanation, ClientError> {
        self.ask(&Request::Explain { service: service.to_owned() }, |response| {
            if let Response::Explanation(explanation) = response { Some(*explanation) } else { None }
        })
    }

    /// Takes a node out of service or back into it; what was done, in words.
    ///
    /// # Errors
    /// The agent refused, or there was no answer, or another.
    pub fn set_duty(self, node: &str, duty: Duty) -> Result<String, ClientError> {
        let node = node.to_owned();
        let request = match duty {
            Duty::Drained => Request::Drain { node },
            Duty::InService => Request::Undrain { node },
        };
        self.ask(&request, done)
    }

    /// Moves a service to a node; what was done, in words.
    ///
    /// # Errors
    /// The agent or the node refused, or there was no answer, or another.
    pub fn move_service(self, service: &str, node: &str) -> Result<String, ClientError> {
        self.ask(&Request::Move { service: service.to_owned(), node: node.to_owned() }, done)
    }

    /// One question, one answer; `pick` knows it.
    fn ask<T>(mut self, request: &Request, pick: impl Fn(Response) -> Option<T>) -> Result<T, ClientError> {
        self.send(request)?;
        self.receive(pick)?.ok_or_else(|| self.talk(io::ErrorKind::UnexpectedEof.into()))
    }

    /// One question, answers without end.
    fn follow<T>(
        mut self,
        request: &Request,
        pick: impl Fn(Response) -> Option<T>,
        mut show: impl FnMut(&T) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        self.send(request)?;
        let waiting = self.stream.get_ref().set_read_timeout(None);
        waiting.map_err(|source| self.talk(source))?;
        while let Some(answer) = self.receive(&pick)? {
            if show(&answer).is_err() {
                // Whoever read our output is gone, which is how a follower usually ends.
                return Ok(());
            }
        }
        Ok(())
    }

    fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line = serde_json::to_string(request).expect("a request is made of names and numbers");
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).map_err(|source| self.talk(source))
    }

    /// `None` when the agent hung up.
    fn receive<T>(&mut self, pick: impl Fn(Response) -> Option<T>) -> Result<Option<T>, ClientError> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).map_err(|source| self.talk(source))? == 0 {
            return Ok(None);
        }
        let response = serde_json::from_str(&line);
        let response =
            response.map_err(|source| ClientError::Understand { path: self.path.clone(), source })?;
        if let Response::Error(refusal) = response {
            return Err(ClientError::Refused(refusal));
        }
        pick(response).map(Some).ok_or(ClientError::Mismatch)
    }

    fn talk(&self, source: io::Error) -> ClientError {
        ClientError::Talk { path: self.path.clone(), source }
    }
}

fn done(response: Response) -> Option<String> {
    if let Response::Done(done) = response { Some(done) } else { None }
}

fn events(response: Response) -> Option<EventBatch> {
    if let Response::Events(batch) = response { Some(batch) } else { None }
}

fn lists(response: Response) -> Option<ListMatrix> {
    if let Response::Lists(lists) = response { Some(*lists) } else { None }
}
