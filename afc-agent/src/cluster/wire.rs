//! What is in a datagram: the header in the clear, and the body that is sealed behind it (docs/discovery.md).
//!
//! The header is written by hand, so that what is not ours is told apart before anything is decoded or decrypted.
//! Bodies are postcard: compact, and nothing in them is read by a kernel or another program.

use afc_ebpf::identity::NodeId;
use bytes::{Buf, BufMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    change::{Command, ListsDigest, Outcome},
    counter::Counter,
    pieces::Piece,
    record::Version,
};

/// A datagram is never longer, so that it fits where 80 bytes are lost to tunnels and options.
pub const MAX_DATAGRAM_BYTES: usize = 1200;
/// The first bytes of every datagram; the digit is the version of all that follows.
pub(super) const MAGIC: [u8; 4] = *b"AFD1";
/// Bytes before the sealed body.
pub(super) const HEADER_BYTES: usize = 36;
/// Where the nonce begins in the header: from, to, session and counter.
pub(super) const NONCE_OFFSET: usize = 12;
/// Bytes of the nonce.
pub(super) const NONCE_BYTES: usize = HEADER_BYTES - NONCE_OFFSET;
/// Bytes of the seal's tag, at the end.
pub(super) const TAG_BYTES: usize = 16;
/// Bytes of a session.
const SESSION_BYTES: usize = 12;
/// A body is never longer.
pub(super) const MAX_BODY_BYTES: usize = MAX_DATAGRAM_BYTES - HEADER_BYTES - SESSION_BYTES - TAG_BYTES;
/// One record of a list in postcard, at most: number 3, incarnation 10, sequence 10.
const MAX_ENTRY_BYTES: usize = 23;
/// Entries that always fit into one body, beside its kind, its bounds and its length.
pub(super) const MAX_ENTRIES: usize = (MAX_BODY_BYTES - 16) / MAX_ENTRY_BYTES;
/// Nodes that one request may ask for.
pub(super) const MAX_REQUESTED: usize = 128;
/// Bytes of the text of a refusal; the rest is cut off.
pub(super) const MAX_REFUSAL_BYTES: usize = 512;

/// One life of a controller: random, so that no two lives of one node share a nonce and none takes what was sent to
/// another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session(pub [u8; SESSION_BYTES]);

impl Session {
    /// Not known.
    pub(super) const UNKNOWN: Self = Self([0; SESSION_BYTES]);
}

/// What is in the clear, and authenticated with the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) key_id: u8,
    pub(super) cluster: u32,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    /// The sender's.
    pub(super) session: Session,
    /// Counts what this session sent to this receiver.
    pub(super) counter: u64,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut out = &mut bytes[..];
        out.put_slice(&MAGIC);
        out.put_u8(self.key_id);
        out.put_bytes(0, 3);
        out.put_u32(self.cluster);
        out.put_u16(self.from.0);
        out.put_u16(self.to.0);
        out.put_slice(&self.session.0);
        out.put_u64(self.counter);
        bytes
    }

    /// Reads the header of something that has the size of a message.
    pub(super) fn decode(datagram: &[u8]) -> Result<Self, Counter> {
        let shortest = HEADER_BYTES + SESSION_BYTES + 1 + TAG_BYTES;
        if !(shortest..=MAX_DATAGRAM_BYTES).contains(&datagram.len()) {
            return Err(Counter::Size);
        }
        let Some(mut rest) = datagram.strip_prefix(&MAGIC) else { return Err(Counter::Magic) };
        let key_id = rest.get_u8();
        rest.advance(3);
        let cluster = rest.get_u32();
        let (from, to) = (NodeId(rest.get_u16()), NodeId(rest.get_u16()));
        let mut session = Session::UNKNOWN;
        rest.copy_to_slice(&mut session.0);
        Ok(Self { key_id, cluster, from, to, session, counter: rest.get_u64() })
    }
}

/// What is sealed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sealed {
    /// The receiver's session, as the sender knows it: proves that this was made in its present life.
    pub(super) echo: Session,
    pub(super) body: Body,
}

/// Proves who is alive; never repeated. All zeros: none.
pub(super) type Question = [u8; 8];
/// No question, no answer.
pub(super) const NO_QUESTION: Question = [0; 8];

/// A record by its version.
pub(super) type Entry = (NodeId, Version);

/// What one controller says to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Body {
    /// Asks for the session, answers a question, or both. Always of one length: an answer is never longer.
    Hello { question: Question, answer: Question },
    /// Records or pieces of them.
    Records(Vec<Piece>),
    /// What the sender has of the receiver's.
    Ack(Version),
    /// A hash over all that the sender has.
    Digest { turn: Turn, hash: u64, lists: Option<ListsDigest> },
    /// All that the sender has from node `first` to node `last`.
    Page { first: NodeId, last: NodeId, entries: Vec<Entry> },
    /// What the receiver may want.
    Offer(Vec<Entry>),
    /// What the sender lacks.
    Request(Vec<NodeId>),
    /// Do this.
    Command { id: u64, command: Command },
    /// What became of it.
    Outcome { id: u64, outcome: Outcome },
}

/// Whose turn it is in an exchange of digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Turn {
    /// Asks for the receiver's.
    Ask,
    /// Answers with the sender's.
    Answer,
}

impl Sealed {
    pub(super) fn encode(&self) -> Vec<u8> {
        encode_behind(self.echo.0.to_vec(), &self.body)
    }

    pub(super) fn decode(plain: &[u8]) -> Option<Self> {
        let (echo, body) = plain.split_first_chunk()?;
        Some(Self { echo: Session(*echo), body: decode(body)? })
    }
}

/// A value in postcard.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    encode_behind(Vec::new(), value)
}

/// A value of exactly these bytes.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        Ok(_) | Err(_) => None,
    }
}

fn encode_behind(bytes: Vec<u8>, value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, bytes).expect("numbers, texts and lists of them, in memory that grows")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let session = Session([7; 12]);
        Header {
            key_id: 2,
            cluster: 0x1122_3344,
            from: NodeId(1),
            to: NodeId(4095),
            session,
            counter: u64::MAX,
        }
    }

    #[test]
    fn a_header_comes_back_as_it_was_sent() {
        let mut datagram = header().encode().to_vec();
        datagram.resize(100, 0);
        assert_eq!(Header::decode(&datagram), Ok(header()));
        assert_eq!(datagram[NONCE_OFFSET..][..4], [0, 1, 0x0f, 0xff]);
    }

    #[test]
    fn what_has_another_size_or_magic_is_refused_at_once() {
        let mut datagram = header().encode().to_vec();
        for (length, expected) in
            [(36, Some(Counter::Size)), (65, None), (1200, None), (1201, Some(Counter::Size))]
        {
            datagram.resize(length, 0);
            assert_eq!(Header::decode(&datagram).err(), expected, "{length} bytes");
        }
        datagram.truncate(100);
        datagram[3] = b'2';
        assert_eq!(Header::decode(&datagram), Err(Counter::Magic));
        assert_eq!(Header::decode(&[]), Err(Counter::Size));
    }

    #[test]
    fn the_longest_bodies_fit() {
        let version = Version { incarnation: u64::MAX, sequence: u64::MAX };
        let entries = vec![(NodeId(4095), version); MAX_ENTRIES];
        for body in [
            Body::Page { first: NodeId(4095), last: NodeId(4095), entries: entries.clone() },
            Body::Offer(entries),
            Body::Request(vec![NodeId(4095); MAX_REQUESTED]),
            Body::Outcome { id: u64::MAX, outcome: Err("x".repeat(MAX_REFUSAL_BYTES)) },
        ] {
            assert!(encode(&body).len() <= MAX_BODY_BYTES, "{body:?}");
        }
    }

    #[test]
    fn every_hello_has_one_length() {
        let hello = |question, answer| encode(&Body::Hello { question, answer }).len();
        assert_eq!(hello(NO_QUESTION, NO_QUESTION), hello([255; 8], [255; 8]));
    }

    #[test]
    fn a_body_with_bytes_behind_it_is_refused() {
        let sealed = Sealed { echo: Session([1; 12]), body: Body::Ack(Version::default()) };
        let mut plain = sealed.encode();
        assert_eq!(Sealed::decode(&plain), Some(sealed));
        plain.push(0);
        assert_eq!(Sealed::decode(&plain), None);
    }
}
