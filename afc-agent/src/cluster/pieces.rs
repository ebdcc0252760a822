//! Records as pieces that fit into datagrams, and pieces put together again.
//!
//! A usual record is one piece of some 200 bytes. One with 64 holdings and 1024 watches does not fit into a datagram in
//! any encoding, so a record may have up to [`MAX_PIECES`]. A node keeps the pieces of one unfinished version for each
//! other node, and drops them for a newer one.

use std::{collections::BTreeMap, sync::Arc};

use afc_ebpf::identity::NodeId;
use serde::{Deserialize, Serialize};

use super::{record::Version, wire::MAX_BODY_BYTES};

/// Pieces of one record, at most.
pub(super) const MAX_PIECES: usize = 5;
/// After this, pieces of an unfinished version no longer keep those of a lower one out: its node may have begun anew.
const PATIENCE_NS: u64 = 10_000_000_000;
/// Bytes of a record in one piece, at most.
pub(super) const PIECE_BYTES: usize = MAX_BODY_BYTES - PIECE_OVERHEAD - 4;
/// A piece beside its bytes, at most: number 3, version 20, age 10, two bytes, and the length 2.
const PIECE_OVERHEAD: usize = 37;

/// A piece of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    /// Whose record.
    pub(super) node: NodeId,
    /// Which.
    pub(super) version: Version,
    /// How old the record is as this leaves, ms, rounded up.
    pub(super) age_ms: u64,
    /// Which piece, from 0.
    pub(super) index: u8,
    /// How many there are.
    pub(super) count: u8,
    /// The state in postcard, or the part of it that is this piece.
    pub(super) bytes: Vec<u8>,
}

impl Piece {
    /// Its bytes in a body, at most.
    pub(super) fn weight(&self) -> usize {
        PIECE_OVERHEAD + self.bytes.len()
    }
}

/// A whole record, still encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) node: NodeId,
    pub(super) version: Version,
    /// When its node made it, by this node's clock; may lie before this machine's start.
    pub(super) made_ns: i64,
    pub(super) encoded: Arc<[u8]>,
}

/// Cuts a record into pieces that leave now.
pub(super) fn cut(whole: &Whole, now_ns: u64) -> impl Iterator<Item = Piece> {
    let Whole { node, version, made_ns, .. } = *whole;
    let age_ms = age_ns(made_ns, now_ns).div_ceil(1_000_000);
    let count = whole.encoded.len().div_ceil(PIECE_BYTES) as u8;
    whole.encoded.chunks(PIECE_BYTES).zip(0..).map(move |(bytes, index)| Piece {
        node,
        version,
        age_ms,
        index,
        count,
        bytes: bytes.to_vec(),
    })
}

/// Groups pieces into as few datagrams as they fit.
pub(super) fn pack(pieces: impl Iterator<Item = Piece>) -> Vec<Vec<Piece>> {
    let mut packs: Vec<Vec<Piece>> = Vec::new();
    let mut room = 0;
    for piece in pieces {
        match packs.last_mut() {
            Some(pack) if piece.weight() <= room => {
                room -= piece.weight();
                pack.push(piece);
            }
            Some(_) | None => {
                room = (MAX_BODY_BYTES - 4).saturating_sub(piece.weight());
                packs.push(vec![piece]);
            }
        }
    }
    packs
}

/// Records of which pieces are missing: one a node, at most.
#[derive(Default)]
pub(super) struct Assembly(BTreeMap<NodeId, Unfinished>);

struct Unfinished {
    version: Version,
    made_ns: i64,
    since_ns: u64,
    pieces: Vec<Option<Vec<u8>>>,
}

/// How old something is that was made then by this node's clock.
pub(super) fn age_ns(made_ns: i64, now_ns: u64) -> u64 {
    u64::try_from(i128::from(now_ns) - i128::from(made_ns)).unwrap_or(0)
}

impl Assembly {
    /// Takes a piece; the whole record once it was the last. None for a piece that cannot be one as well.
    pub(super) fn add(&mut self, piece: Piece, now_ns: u64) -> Option<Whole> {
        let Piece { node, version, age_ms, index, count, bytes } = piece;
        let (index, count) = (usize::from(index), usize::from(count));
        if index >= count || count > MAX_PIECES || bytes.len() > PIECE_BYTES {
            return None;
        }
        let made_ns = (now_ns as i64).saturating_sub_unsigned(age_ms.saturating_mul(1_000_000));
        if count == 1 {
            return Some(Whole { node, version, made_ns, encoded: bytes.into() });
        }
        let fresh = || Unfinished { version, made_ns, since_ns: now_ns, pieces: vec![None; count] };
        let unfinished = self.0.entry(node).or_insert_with(fresh);
        let is_stale = now_ns.saturating_sub(unfinished.since_ns) > PATIENCE_NS;
        if unfinished.version > version && !is_stale {
            return None;
        }
        if unfinished.version != version || unfinished.pieces.len() != count {
            *unfinished = fresh();
        }
        unfinished.made_ns = unfinished.made_ns.min(made_ns);
        unfinished.pieces[index] = Some(bytes);
        let encoded: Option<Vec<&[u8]>> = unfinished.pieces.iter().map(Option::as_deref).collect();
        let encoded = encoded?.concat().into();
        let made_ns = unfinished.made_ns;
        self.0.remove(&node);
        Some(Whole { node, version, made_ns, encoded })
    }

    /// Forgets the pieces of a node.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.0.remove(&node);
    }
}

#[cfg(test)]
mod tests {
    use afc_ebpf::identity::{OwnerWord, ServiceId};

    use super::*;
    use crate::cluster::{
        record::{MAX_HOLDINGS, MAX_WATCHES, NodeState, Watch},
        wire::{self, Body},
    };

    fn whole(bytes: usize, sequence: u64) -> Whole {
        let encoded = (0..bytes).map(|byte| byte as u8).collect();
        let version = Version { incarnation: 1, sequence };
        Whole { node: NodeId(1), version, made_ns: -5_000_000, encoded }
    }

    #[test]
    fn the_largest_record_is_five_pieces_and_each_fits_into_a_datagram() {
        let holdings = (0..MAX_HOLDINGS as u32).map(|n| (ServiceId(u32::MAX - n), OwnerWord(u64::MAX)));
        let watches = (4095 - MAX_WATCHES as u16..4095).map(|n| (NodeId(n), Watch::Suspected));
        let state = NodeState {
            holdings: holdings.collect(),
            watches: watches.collect(),
            reason_ages_ms: vec![u64::MAX; 8],
            ..NodeState::default()
        };
        let encoded: Arc<[u8]> = wire::encode(&state).into();
        // What is left out above has less than 200 bytes.
        assert!(encoded.len() + 200 <= MAX_PIECES * PIECE_BYTES, "{} bytes", encoded.len());
        let version = Version { incarnation: u64::MAX, sequence: u64::MAX };
        let whole = Whole { node: NodeId(4095), version, made_ns: i64::MIN, encoded };
        for pack in pack(cut(&whole, u64::MAX)) {
            assert!(wire::encode(&Body::Records(pack)).len() <= wire::MAX_BODY_BYTES);
        }
    }

    #[test]
    fn pieces_in_any_order_with_doubles_become_the_record_again() {
        let mut random = fastrand::Rng::with_seed(1);
        for bytes in [1, PIECE_BYTES, PIECE_BYTES + 1, MAX_PIECES * PIECE_BYTES] {
            let original = whole(bytes, 1);
            let mut pieces: Vec<_> =
                cut(&original, 1_000_000_000).chain(cut(&original, 2_000_000_000)).collect();
            random.shuffle(&mut pieces);
            let mut assembly = Assembly::default();
            let found = pieces.into_iter().find_map(|piece| {
                let sent_ns = if piece.age_ms == 1005 { 1_000_000_000 } else { 2_000_000_000 };
                assembly.add(piece, sent_ns)
            });
            assert_eq!(found, Some(original));
        }
    }

    #[test]
    fn a_newer_version_replaces_an_unfinished_one_and_an_older_waits_until_that_is_stale() {
        let pieces = |sequence| cut(&whole(PIECE_BYTES + 1, sequence), 0).collect::<Vec<_>>();
        let mut assembly = Assembly::default();
        assert_eq!(assembly.add(pieces(2)[0].clone(), 0), None);
        for piece in pieces(1) {
            assert_eq!(assembly.add(piece, 0), None);
        }
        assert_eq!(assembly.add(pieces(3)[1].clone(), 0), None);
        assert_eq!(assembly.add(pieces(1)[0].clone(), PATIENCE_NS + 1), None);
        assert!(assembly.add(pieces(1)[1].clone(), PATIENCE_NS + 1).is_some());
    }

    #[test]
    fn impossible_pieces_are_not_kept() {
        let piece = cut(&whole(10, 1), 0).next().unwrap();
        let mut assembly = Assembly::default();
        for (index, count, bytes) in [(0, 0, 1), (1, 1, 1), (0, 6, 1), (255, 255, 1), (0, 2, PIECE_BYTES + 1)]
        {
            let bad = Piece { index, count, bytes: vec![0; bytes], ..piece.clone() };
            assert_eq!(assembly.add(bad, 0), None);
        }
        assert!(assembly.0.is_empty());
    }
}
