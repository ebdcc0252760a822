//! Heartbeat messages to bytes and back (design.md section 4), with the SipHash tag.
//!
//! The kernel verifies every message before it lets it through. It is verified again here, because an interface without
//! the XDP program, such as loopback, leads to the same socket.

use afc_ebpf::{
    identity::{NodeId, OwnerWord, ServiceId},
    siphash::{self, Key},
    wire::{self, Kind, MAGIC, MESSAGE_BYTES, PAYLOAD_BYTES, SLOT_BYTES, SLOTS},
};
use bytes::{Buf, BufMut};
use thiserror::Error;

use afc_engine::message::{Message, Refusal, Slot, Slots};

/// One message on the wire: 128 bytes and the tag.
pub type Datagram = [u8; PAYLOAD_BYTES];

/// What every message of this node has in common.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// First four bytes of the BLAKE3 of the cluster's name.
    pub cluster: u32,
    /// Membership generation.
    pub generation: u32,
    /// The live keys with their ids; the first one is used to send.
    pub keys: [(u8, Key); 2],
    /// How many of them are live.
    pub key_count: usize,
}

/// Why bytes are no message for this node.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Not 136 bytes.
    #[error("{0} bytes instead of {PAYLOAD_BYTES}")]
    Size(usize),
    /// Not `AFC1`.
    #[error("no heartbeat")]
    Magic,
    /// A kind that this version does not know.
    #[error("unknown kind {0}")]
    Kind(u8),
    /// More than four slots used.
    #[error("{0} slots used, {SLOTS} are the most")]
    Slots(u8),
    /// Of another cluster or membership generation.
    #[error("of another cluster or generation")]
    Cluster,
    /// Under a key that is not live.
    #[error("unknown key {0}")]
    Key(u8),
    /// The tag is wrong.
    #[error("wrong tag")]
    Tag,
}

impl Envelope {
    /// Writes `message` as number `sequence` to its receiver.
    pub fn encode(&self, message: &Message, sequence: u64) -> Datagram {
        let (key_id, key) = self.keys[0];
        let mut datagram = [0; PAYLOAD_BYTES];
        let mut out = &mut datagram[..];
        out.put_slice(&MAGIC);
        out.put_u8(message.kind as u8);
        out.put_u8(key_id);
        out.put_u16(message.flags);
        out.put_u32(self.cluster);
        out.put_u32(self.generation);
        out.put_u16(message.from.0);
        out.put_u16(message.to.0);
        out.put_u16(message.refusal.map_or(0, |refusal| refusal as u16));
        out.put_u8(message.slots.as_slice().len() as u8);
        out.put_u8(message.page);
        out.put_u64(message.session);
        out.put_u64(sequence);
        out.put_u64(message.sent_ns);
        out.put_u64(message.echo_ns);
        out.put_u64(message.remaining_ns);
        for slot in message.slots.as_slice() {
            out.put_u32(slot.service.0);
            out.put_u32(0);
            out.put_u64(slot.word.0);
        }
        let tag = tag_of(key, &datagram);
        (&mut datagram[MESSAGE_BYTES..]).put_u64(tag);
        datagram
    }

    /// Reads a message, once its tag is right.
    ///
    /// # Errors
    /// The first thing that is wrong with the bytes; the message must be dropped and counted.
    pub fn decode(&self, bytes: &[u8]) -> Result<Message, DecodeError> {
        let datagram: &Datagram = bytes.try_into().map_err(|_| DecodeError::Size(bytes.len()))?;
        let mut rest = &datagram[..];
        let mut magic = [0; 4];
        rest.copy_to_slice(&mut magic);
        if magic != MAGIC {
            return Err(DecodeError::Magic);
        }
        let kind = rest.get_u8();
        let kind = Kind::from_byte(kind).ok_or(DecodeError::Kind(kind))?;
        let key = self.key(rest.get_u8())?;
        let flags = rest.get_u16();
        if (rest.get_u32(), rest.get_u32()) != (self.cluster, self.generation) {
            return Err(DecodeError::Cluster);
        }
        if (&datagram[wire::offset::TAG..]).get_u64() != tag_of(key, datagram) {
            return Err(DecodeError::Tag);
        }
        let (from, to) = (NodeId(rest.get_u16()), NodeId(rest.get_u16()));
        let refusal = Refusal::from_wire(rest.get_u16());
        let used = rest.get_u8();
        let page = rest.get_u8();
        let session = rest.get_u64();
        let _sequence_was_checked_by_the_kernel = rest.get_u64();
        let (sent_ns, echo_ns, remaining_ns) = (rest.get_u64(), rest.get_u64(), rest.get_u64());
        let slots = read_slots(rest, used)?;
        Ok(Message { kind, flags, from, to, refusal, page, session, sent_ns, echo_ns, remaining_ns, slots })
    }

    fn key(&self, id: u8) -> Result<Key, DecodeError> {
        let live = &self.keys[..self.key_count];
        live.iter().find(|(known, _)| *known == id).map(|(_, key)| *key).ok_or(DecodeError::Key(id))
    }
}

fn read_slots(mut rest: &[u8], used: u8) -> Result<Slots, DecodeError> {
    let mut slots = Slots::new();
    for _ in 0..used {
        if rest.len() < SLOT_BYTES {
            return Err(DecodeError::Slots(used));
        }
        let service = ServiceId(rest.get_u32());
        rest.advance(4);
        slots
            .push(Slot { service, word: OwnerWord(rest.get_u64()) })
            .map_err(|_| DecodeError::Slots(used))?;
    }
    Ok(slots)
}

fn tag_of(key: Key, datagram: &Datagram) -> u64 {
    let mut words = [0; siphash::WORDS];
    let mut rest = &datagram[..MESSAGE_BYTES];
    for word in &mut words {
        *word = rest.get_u64_le();
    }
    siphash::tag(key, &words)
}

#[cfg(test)]
mod tests {
    use afc_ebpf::identity::Epoch;

    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            cluster: 0x1122_3344,
            generation: 1,
            keys: [(7, Key::from_bytes([9; 16])), (0, Key::default())],
            key_count: 1,
        }
    }

    fn message() -> Message {
        let mut slots = Slots::new();
        for service in 1..=4 {
            let word = Epoch::claim(service, NodeId(2)).owned_by(NodeId(2));
            slots.push(Slot { service: ServiceId(service), word }).expect("four fit");
        }
        Message {
            kind: Kind::Refuse,
            flags: wire::flag::TRIAL,
            from: NodeId(1),
            to: NodeId(2),
            refusal: Some(Refusal::Guarded),
            page: 3,
            session: 4,
            sent_ns: 5,
            echo_ns: 6,
            remaining_ns: 7,
            slots,
        }
    }

    #[test]
    fn a_message_comes_back_as_it_was_sent() {
        let datagram = envelope().encode(&message(), 99);
        assert_eq!(envelope().decode(&datagram), Ok(message()));
        assert_eq!(&datagram[wire::offset::SEQUENCE..][..8], &99u64.to_be_bytes());
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let datagram = envelope().encode(&message(), 99);
        for bit in 0..PAYLOAD_BYTES * 8 {
            let mut bad = datagram;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(envelope().decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn bytes_of_any_length_and_content_never_panic() {
        let mut random = fastrand::Rng::with_seed(1);
        let datagram = envelope().encode(&message(), 99);
        for length in 0..=2 * PAYLOAD_BYTES {
            let noise: Vec<u8> =
                (0..length).map(|i| datagram.get(i).copied().unwrap_or_else(|| random.u8(..))).collect();
            assert_eq!(envelope().decode(&noise).is_ok(), length == PAYLOAD_BYTES);
        }
    }

    #[test]
    fn five_slots_are_refused_even_under_the_right_tag() {
        let mut datagram = envelope().encode(&message(), 99);
        datagram[wire::offset::SLOTS_USED] = 5;
        let tag = tag_of(Key::from_bytes([9; 16]), &datagram);
        datagram[wire::offset::TAG..].copy_from_slice(&tag.to_be_bytes());
        assert_eq!(envelope().decode(&datagram), Err(DecodeError::Slots(5)));
    }
}
