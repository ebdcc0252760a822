//! The cluster of the fixtures, as node 1 sees it: who is in it, its keys, its services.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    mac::Mac,
    siphash::Key,
};

pub(crate) const ME: NodeId = NodeId(1);
/// Members, both voters of every service.
pub(crate) const PEER: NodeId = NodeId(2);
pub(crate) const OTHER: NodeId = NodeId(3);
pub(crate) const GATEWAY: NodeId = NodeId(4);
pub(crate) const SESSION: u64 = 0x1111_2222_3333_4444;
pub(crate) const LEASE_NS: u64 = 500_000_000;
pub(crate) const CLUSTER: u32 = 0xedfe_0001;
pub(crate) const GENERATION: u32 = 3;
pub(crate) const KEY: Key = Key::from_bytes(*b"0123456789abcdef");
pub(crate) const KEY_ID: u8 = 1;
pub(crate) const NEXT_KEY: Key = Key::from_bytes(*b"fedcba9876543210");
pub(crate) const NEXT_KEY_ID: u8 = 2;
pub(crate) const CLIENT: Mac = Mac::from_bytes([2, 0, 0, 0, 0, 0xcc]);
pub(crate) const CLIENT_ADDRESS: [u8; 4] = [10, 0, 0, 200];
pub(crate) const INCARNATION: u64 = 9;
/// Services, by index; service `i` has the virtual IP `10.0.0.(101 + i)`.
pub(crate) const SERVICES: u32 = 6;

/// A node's address.
pub(crate) const fn address(node: NodeId) -> [u8; 4] {
    [10, 0, 0, node.0 as u8]
}

/// A service's virtual IP.
pub(crate) const fn virtual_ip(index: u32) -> [u8; 4] {
    [10, 0, 0, 101 + index as u8]
}

/// A service's id on the wire.
pub(crate) const fn service(index: u32) -> ServiceId {
    ServiceId(0x5e51_0000 + index)
}

/// A node's link address as the packets have it.
pub(crate) const fn mac(node: NodeId) -> Mac {
    Mac::from_bytes([2, 0, 0, 0, 0, node.0 as u8])
}

/// Epoch `counter`, claimed and owned by `owner`.
pub(crate) const fn word(counter: u32, owner: NodeId) -> OwnerWord {
    Epoch::claim(counter, owner).owned_by(owner)
}
