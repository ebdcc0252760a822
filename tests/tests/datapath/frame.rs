//! Packets as they are on the wire, built from scratch: nothing here is shared with the kernel programs but the layout's
//! constants and the tag.

use afc_ebpf::{
    mac::Mac,
    siphash::{self, Key, WORDS},
    wire::{self, Kind, offset},
};

pub(crate) const ETHERNET_BYTES: usize = 14;
pub(crate) const IPV4_BYTES: usize = 20;
/// Where the heartbeat message starts in an untagged frame.
pub(crate) const MESSAGE: usize = ETHERNET_BYTES + IPV4_BYTES + 8;

/// A whole heartbeat, every field of which a row may change.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    pub(crate) link_to: Mac,
    pub(crate) link_from: Mac,
    pub(crate) ip_from: [u8; 4],
    pub(crate) ip_to: [u8; 4],
    pub(crate) port_from: u16,
    pub(crate) port_to: u16,
    pub(crate) ttl: u8,
    pub(crate) magic: [u8; 4],
    pub(crate) kind: u8,
    pub(crate) key_id: u8,
    pub(crate) flags: u16,
    pub(crate) cluster: u32,
    pub(crate) generation: u32,
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) reason: u16,
    pub(crate) page: u8,
    pub(crate) session: u64,
    pub(crate) sequence: u64,
    pub(crate) sent: u64,
    pub(crate) echo: u64,
    pub(crate) remaining: u64,
    pub(crate) slots: Vec<(u32, u64)>,
    pub(crate) key: Key,
}

impl Beat {
    pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind as u8;
        self
    }

    /// The frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let message = self.message();
        let mut udp = Vec::new();
        udp.extend(self.port_from.to_be_bytes());
        udp.extend(self.port_to.to_be_bytes());
        udp.extend(((8 + message.len()) as u16).to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(message);
        let ip = Ipv4 { from: self.ip_from, to: self.ip_to, ttl: self.ttl, ..Ipv4::default() };
        ethernet(self.link_to, self.link_from, 0x0800, &ip.packet(&udp))
    }

    fn message(&self) -> Vec<u8> {
        let mut bytes = [0; wire::MESSAGE_BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(offset::MAGIC, &self.magic);
        put(offset::KIND, &[self.kind]);
        put(offset::KEY_ID, &[self.key_id]);
        put(offset::FLAGS, &self.flags.to_be_bytes());
        put(offset::CLUSTER, &self.cluster.to_be_bytes());
        put(offset::GENERATION, &self.generation.to_be_bytes());
        put(offset::FROM, &self.from.to_be_bytes());
        put(offset::TO, &self.to.to_be_bytes());
        put(offset::REASON, &self.reason.to_be_bytes());
        put(offset::SLOTS_USED, &[self.slots.len() as u8]);
        put(offset::PAGE, &[self.page]);
        put(offset::SESSION, &self.session.to_be_bytes());
        put(offset::SEQUENCE, &self.sequence.to_be_bytes());
        put(offset::SENT, &self.sent.to_be_bytes());
        put(offset::ECHO, &self.echo.to_be_bytes());
        put(offset::REMAINING, &self.remaining.to_be_bytes());
        for (place, (service, word)) in self.slots.iter().enumerate() {
            let at = offset::SLOTS + place * wire::SLOT_BYTES;
            put(at, &service.to_be_bytes());
            put(at + 8, &word.to_be_bytes());
        }
        let tag = tag(self.key, &bytes);
        let mut message = bytes.to_vec();
        message.extend(tag.to_be_bytes());
        message
    }
}

/// The tag of 128 message bytes.
pub(crate) fn tag(key: Key, message: &[u8]) -> u64 {
    let mut words = [0; WORDS];
    for (word, chunk) in words.iter_mut().zip(message.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
    }
    siphash::tag(key, &words)
}

/// An IPv4 packet around something.
#[derive(Clone, Debug)]
pub(crate) struct Ipv4 {
    pub(crate) from: [u8; 4],
    pub(crate) to: [u8; 4],
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    /// Flags and offset.
    pub(crate) fragment: u16,
    /// A multiple of four bytes.
    pub(crate) options: Vec<u8>,
}

impl Default for Ipv4 {
    fn default() -> Self {
        Self { from: [0; 4], to: [0; 4], ttl: 64, protocol: 17, fragment: 0x4000, options: Vec::new() }
    }
}

impl Ipv4 {
    pub(crate) fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let header_bytes = IPV4_BYTES + self.options.len();
        let mut packet = vec![0x40 | (header_bytes / 4) as u8, wire::TOS];
        packet.extend(((header_bytes + payload.len()) as u16).to_be_bytes());
        packet.extend([0x12, 0x34]);
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.from);
        packet.extend(self.to);
        packet.extend(&self.options);
        let checksum = !sum(&packet);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        packet.extend(payload);
        packet
    }
}

/// The ones' complement sum of RFC 1071; all ones over a header whose checksum is right.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let total: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let folded = (total & 0xffff) + (total >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

/// A frame.
pub(crate) fn ethernet(to: Mac, from: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(to.to_bytes());
    frame.extend(from.to_bytes());
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Puts VLAN tags of these types into a frame, the first outermost.
pub(crate) fn tagged(frame: &[u8], kinds: &[u16]) -> Vec<u8> {
    let mut tags = Vec::new();
    for kind in kinds {
        tags.extend(kind.to_be_bytes());
        tags.extend([0, 100]);
    }
    [&frame[..12], &tags, &frame[12..]].concat()
}

/// An ARP message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arp {
    pub(crate) link_to: Mac,
    pub(crate) link_from: Mac,
    pub(crate) operation: u16,
    pub(crate) sender_mac: Mac,
    pub(crate) sender: [u8; 4],
    pub(crate) target_mac: Mac,
    pub(crate) target: [u8; 4],
}

impl Arp {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut body = vec![0, 1, 8, 0, 6, 4];
        body.extend(self.operation.to_be_bytes());
        body.extend(self.sender_mac.to_bytes());
        body.extend(self.sender);
        body.extend(self.target_mac.to_bytes());
        body.extend(self.target);
        ethernet(self.link_to, self.link_from, 0x0806, &body)
    }
}
