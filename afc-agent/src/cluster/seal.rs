//! Seals and opens datagrams: XChaCha20-Poly1305 with the header as nonce and associated data.
//!
//! The nonce is (from, to, session, counter). No two senders share a `from` but by mistake, no two lives a session, which
//! has 96 random bits, and no session repeats a counter towards one receiver; so no nonce repeats under one key.

use chacha20poly1305::{AeadInPlace, KeyInit, Tag, XChaCha20Poly1305, XNonce};

use super::{
    counter::Counter,
    wire::{HEADER_BYTES, Header, NONCE_BYTES, NONCE_OFFSET, TAG_BYTES},
};
use crate::key::ClusterKeys;

/// The live keys, the one that seals first.
pub(super) struct Seals(Vec<(u8, XChaCha20Poly1305)>);

impl Seals {
    /// The keys of the controllers of the cluster with this name hash.
    pub(super) fn new(keys: &ClusterKeys, cluster: u32) -> Self {
        let context = cluster.to_be_bytes();
        let cipher = |key: [u8; 32]| XChaCha20Poly1305::new(&key.into());
        Self(keys.live().iter().map(|key| (key.id, cipher(key.controller(&context)))).collect())
    }

    /// The datagram of a body. The header's key id is set to that of the sealing key.
    pub(super) fn seal(&self, header: &Header, plain: &[u8]) -> Vec<u8> {
        let (key_id, cipher) = self.0.first().expect("a key file without keys is refused when it is read");
        let header = Header { key_id: *key_id, ..*header }.encode();
        let mut datagram = Vec::with_capacity(HEADER_BYTES + plain.len() + TAG_BYTES);
        datagram.extend_from_slice(&header);
        datagram.extend_from_slice(plain);
        let tag = cipher
            .encrypt_in_place_detached(&nonce(&header), &header, &mut datagram[HEADER_BYTES..])
            .expect("a datagram is shorter than the 256 GiB that one nonce suffices for");
        datagram.extend_from_slice(&tag);
        datagram
    }

    /// The body of a datagram that is as long as a message.
    pub(super) fn open(&self, key_id: u8, datagram: &[u8]) -> Result<Vec<u8>, Counter> {
        let (_, cipher) = self.0.iter().find(|(id, _)| *id == key_id).ok_or(Counter::Key)?;
        let (header, sealed) = datagram.split_first_chunk::<HEADER_BYTES>().ok_or(Counter::Size)?;
        let (body, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(Counter::Size)?;
        let mut plain = body.to_vec();
        let opened =
            cipher.decrypt_in_place_detached(&nonce(header), header, &mut plain, Tag::from_slice(tag));
        opened.map_err(|_| Counter::Seal)?;
        Ok(plain)
    }
}

fn nonce(header: &[u8; HEADER_BYTES]) -> XNonce {
    let nonce: [u8; NONCE_BYTES] =
        header[NONCE_OFFSET..].try_into().expect("the rest of the header is as long as the nonce");
    nonce.into()
}

#[cfg(test)]
mod tests {
    use afc_ebpf::identity::NodeId;

    use super::*;
    use crate::cluster::wire::Session;

    const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn seals(text: &str, cluster: u32) -> Seals {
        Seals::new(&ClusterKeys::parse(text).unwrap(), cluster)
    }

    fn header() -> Header {
        let session = Session([3; 12]);
        Header { key_id: 0, cluster: 9, from: NodeId(1), to: NodeId(2), session, counter: 5 }
    }

    #[test]
    fn what_was_sealed_opens_and_is_not_in_the_clear() {
        let datagram = seals(SECRET, 9).seal(&header(), b"drain node 14");
        assert!(!datagram.windows(5).any(|window| window == b"drain"));
        assert_eq!(Header::decode(&datagram), Ok(Header { key_id: 1, ..header() }));
        assert_eq!(seals(SECRET, 9).open(1, &datagram), Ok(b"drain node 14".to_vec()));
    }

    #[test]
    fn any_flipped_bit_keeps_it_shut() {
        let datagram = seals(SECRET, 9).seal(&header(), b"drain node 14");
        for bit in 0..datagram.len() * 8 {
            let mut bad = datagram.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seals(SECRET, 9).open(1, &bad), Err(Counter::Seal), "bit {bit}");
        }
    }

    #[test]
    fn another_cluster_key_or_id_opens_nothing() {
        let datagram = seals(SECRET, 9).seal(&header(), b"drain node 14");
        assert_eq!(seals(SECRET, 8).open(1, &datagram), Err(Counter::Seal));
        assert_eq!(seals(&SECRET.replace('0', "1"), 9).open(1, &datagram), Err(Counter::Seal));
        assert_eq!(seals(&format!("2:{SECRET}"), 9).open(1, &datagram), Err(Counter::Key));
    }
}
