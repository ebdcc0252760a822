//! Finding out which session of a peer is alive: a question that only the living can answer.
//!
//! A Hello asks, answers, or both. An answer repeats the question and this node's session, so what was recorded in an
//! earlier life of either answers nothing. Three messages prove both sides; each side asks until it has its proof.

use afc_ebpf::identity::NodeId;

use super::{Controller, receive::Received};
use crate::cluster::{
    change::Change,
    counter::Counter,
    peer::{Peer, Retry},
    record::Version,
    window::Window,
    wire::{Body, NO_QUESTION, Question, Session},
};

/// The first pause between two questions.
pub(super) const HELLO_FIRST_NS: u64 = 50_000_000;
/// The longest.
const HELLO_MOST_NS: u64 = 1_000_000_000;
/// An answer that took longer proves nothing: somebody may have held it back.
const QUESTION_NS: u64 = 5_000_000_000;

impl Controller {
    /// Asks every peer that no session is known of, when it is time.
    pub(super) fn greet(&mut self, now_ns: u64) {
        let due: Vec<_> =
            self.peers.iter().filter(|(_, peer)| peer.hello.is_due(now_ns)).map(|(node, _)| *node).collect();
        for node in due {
            let question = self.question_of(node, now_ns);
            let Some(peer) = self.peers.get_mut(&node) else { continue };
            peer.hello = peer.hello.again(now_ns, HELLO_MOST_NS, &mut self.random);
            self.send_to_session(node, Session::UNKNOWN, Body::Hello { question, answer: NO_QUESTION });
        }
    }

    /// Asks a peer whose session is not the one known, if its budget allows.
    pub(super) fn question(&mut self, node: NodeId, now_ns: u64) {
        let question = self.question_of(node, now_ns);
        if self.peers.get_mut(&node).is_some_and(|peer| peer.hello_budget.take(now_ns)) {
            self.send_to_session(node, Session::UNKNOWN, Body::Hello { question, answer: NO_QUESTION });
        }
    }

    pub(super) fn take_hello(
        &mut self,
        received: &Received,
        question: Question,
        answer: Question,
        now_ns: u64,
    ) -> Result<(), Counter> {
        let Received { from, session, counter, ref sealed } = *received;
        let peer = self.peers.get_mut(&from).ok_or(Counter::Sender)?;
        let is_fresh =
            |(asked, asked_ns): (Question, u64)| asked == answer && now_ns < asked_ns + QUESTION_NS;
        let is_answered = peer.question.is_some_and(is_fresh) && sealed.echo == self.session;
        let mut taken = Ok(());
        if question != NO_QUESTION && !peer.hello_budget.take(now_ns) {
            taken = Err(Counter::HelloRate);
        } else if question != NO_QUESTION {
            let is_known = is_answered || peer.known_session() == Some(session);
            let ours = if is_known { NO_QUESTION } else { self.question_of(from, now_ns) };
            self.send_to_session(from, session, Body::Hello { question: ours, answer: question });
        }
        // Afterwards, so that the other side can take what it is sent under the session that it has just learned.
        if is_answered {
            self.adopt(from, session, counter, now_ns);
        }
        taken
    }

    /// The outstanding question to a peer, or a new one.
    fn question_of(&mut self, node: NodeId, now_ns: u64) -> Question {
        let Some(peer) = self.peers.get_mut(&node) else { return NO_QUESTION };
        if let Some((question, asked_ns)) = peer.question
            && now_ns < asked_ns + QUESTION_NS
        {
            return question;
        }
        let question = self.random.u64(1..).to_be_bytes();
        peer.question = Some((question, now_ns));
        question
    }

    /// A session has proven to be alive: it knows nothing of what the one before it was told.
    fn adopt(&mut self, node: NodeId, session: Session, counter: u64, now_ns: u64) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        peer.question = None;
        peer.hello = Retry::OFF;
        let before = peer.known_session();
        if before == Some(session) {
            return;
        }
        let came_back = peer.former == Some(session);
        *peer = Peer {
            session: Some((session, Window::starting_at(counter))),
            former: before,
            unanswered_since_ns: None,
            acked: Version::default(),
            told_ns: None,
            commands: Default::default(),
            forgotten_command: 0,
            ..std::mem::replace(peer, Peer::new(peer.address))
        };
        self.is_changed = true;
        if came_back {
            self.tell(Change::Conflict { node, address: None });
        }
        self.flood_to(node, now_ns);
        self.owe_exchange(node, now_ns);
    }
}
