//! Inputs and lists in eight bytes, so that nodes can compare them: the beginning of a BLAKE3 over one fixed encoding.
//!
//! All integers little-endian, every sequence after its length: equal bytes mean equal contents, on any machine.

use super::{Backup, Digest, NodeList, ServiceList, canonical::Canonical};

/// The digest of canonical inputs.
pub(super) fn of_inputs(inputs: &Canonical) -> Digest {
    let mut bytes = Bytes::about("afc lists: inputs");
    bytes.count(inputs.nodes.len());
    for node in &inputs.nodes {
        bytes.put(node.id.0.to_le_bytes());
        bytes.put([node.reasons.bits(), node.headroom as u8]);
        bytes.put(node.room.to_le_bytes());
    }
    bytes.count(inputs.services.len());
    for service in &inputs.services {
        bytes.put(service.id.0.to_le_bytes());
        bytes.put(service.home.0.to_le_bytes());
        bytes.put([u8::from(service.home_stands_ready)]);
        bytes.put(service.owner.0.to_le_bytes());
        bytes.count(service.backups.len());
        for backup in &service.backups {
            bytes.put(backup.0.to_le_bytes());
        }
    }
    bytes.digest()
}

/// The digest of lists: who stands where and in which state; why follows from the inputs.
pub(super) fn of_lists(services: &[ServiceList], nodes: &[NodeList]) -> Digest {
    let mut bytes = Bytes::about("afc lists");
    bytes.count(services.len());
    for list in services {
        bytes.put(list.service.0.to_le_bytes());
        bytes.put(list.home.0.to_le_bytes());
        bytes.put(list.owner.0.to_le_bytes());
        bytes.backups(&list.backups);
    }
    bytes.count(nodes.len());
    for list in nodes {
        bytes.put(list.node.0.to_le_bytes());
        bytes.backups(&list.backups);
    }
    bytes.digest()
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn about(what: &str) -> Self {
        Self(what.as_bytes().to_vec())
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend_from_slice(&bytes);
    }

    fn count(&mut self, length: usize) {
        self.put((length as u64).to_le_bytes());
    }

    fn backups(&mut self, backups: &[Backup]) {
        self.count(backups.len());
        for backup in backups {
            self.put(backup.node.0.to_le_bytes());
            self.put([backup.reasons.bits(), backup.headroom as u8]);
        }
    }

    fn digest(&self) -> Digest {
        let hash = blake3::hash(&self.0);
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        Digest(u64::from_le_bytes(first))
    }
}
