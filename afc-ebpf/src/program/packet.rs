//! Headers in a packet: the one file with raw packet pointers, and it only reads.
//!
//! A view is handed out after its bytes were checked against the packet's end, which is what the verifier wants to
//! see. The types are the exact wire layout, unaligned, in network byte order; `rewrite.rs` writes them.

use core::{marker::PhantomData, mem::offset_of};

use afc_ebpf::{
    mac::Mac,
    siphash::WORDS,
    wire::{self, SLOTS, offset},
};
use aya_ebpf::programs::XdpContext;

/// A packet that an interface received. Its views may overlap: who writes has read into locals before.
pub(crate) struct Packet<'a> {
    start: usize,
    end: usize,
    context: PhantomData<&'a XdpContext>,
    /// The interface.
    pub(crate) ifindex: u32,
}

/// An integer in network byte order.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct Be<T>(T);

macro_rules! network_order {
    ($($integer:ty),+) => {
        $(
            impl Be<$integer> {
                #[inline(always)]
                pub(crate) const fn get(self) -> $integer {
                    <$integer>::from_be(self.0)
                }
            }
        )+
    };
}
network_order!(u16, u32, u64);

impl Be<u16> {
    #[inline(always)]
    pub(crate) const fn new(value: u16) -> Self {
        Self(value.to_be())
    }
}

impl Be<u64> {
    #[inline(always)]
    pub(crate) const fn new(value: u64) -> Self {
        Self(value.to_be())
    }
}

/// A link address in a header.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct WireMac {
    head: u32,
    tail: u16,
}

impl WireMac {
    #[inline(always)]
    pub(crate) const fn get(self) -> Mac {
        Mac::from_parts(self.head, self.tail)
    }

    #[inline(always)]
    pub(crate) const fn new(mac: Mac) -> Self {
        Self { head: mac.head(), tail: mac.tail() }
    }
}

/// The Ethernet header.
#[repr(C, packed)]
pub(crate) struct Ethernet {
    pub(crate) destination: WireMac,
    pub(crate) source: WireMac,
    pub(crate) kind: Be<u16>,
}

impl Ethernet {
    pub(crate) const BYTES: usize = size_of::<Self>();
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const SERVICE_VLAN: u16 = 0x88a8;
}

/// A VLAN tag, behind the Ethernet type that announces it.
#[repr(C, packed)]
pub(crate) struct Vlan {
    tci: Be<u16>,
    pub(crate) kind: Be<u16>,
}

impl Vlan {
    pub(crate) const BYTES: usize = size_of::<Self>();
}

/// The IPv4 header without options. Addresses are kept in memory order, as the maps' keys are.
#[repr(C, packed)]
pub(crate) struct Ipv4 {
    version_and_length: u8,
    tos: u8,
    pub(crate) total_bytes: Be<u16>,
    identification: Be<u16>,
    fragment: Be<u16>,
    pub(crate) ttl: u8,
    protocol: u8,
    checksum: u16,
    pub(crate) source: u32,
    pub(crate) destination: u32,
}

impl Ipv4 {
    pub(crate) const BYTES: usize = size_of::<Self>();
    const UDP: u8 = 17;
    /// The bits of `fragment` that say "more fragments" and where this one belongs.
    const MORE_FRAGMENTS: u16 = 0x2000;
    const FRAGMENT_OFFSET: u16 = 0x1fff;

    /// Header bytes, options included.
    #[inline(always)]
    pub(crate) const fn header_bytes(&self) -> usize {
        (self.version_and_length & 0x0f) as usize * 4
    }

    /// Whether this is a UDP datagram or its first fragment: the port is there to be read.
    #[inline(always)]
    pub(crate) const fn starts_udp(&self) -> bool {
        self.protocol == Self::UDP && self.fragment.get() & Self::FRAGMENT_OFFSET == 0
    }

    /// Whether more fragments follow.
    #[inline(always)]
    pub(crate) const fn has_more_fragments(&self) -> bool {
        self.fragment.get() & Self::MORE_FRAGMENTS != 0
    }
}

/// The UDP header.
#[repr(C, packed)]
pub(crate) struct Udp {
    pub(crate) source: Be<u16>,
    pub(crate) destination: Be<u16>,
    pub(crate) bytes: Be<u16>,
    pub(crate) checksum: u16,
}

/// ARP for IPv4 over Ethernet (RFC 826).
#[repr(C, packed)]
pub(crate) struct Arp {
    hardware: Be<u16>,
    protocol: Be<u16>,
    hardware_bytes: u8,
    protocol_bytes: u8,
    pub(crate) operation: Be<u16>,
    pub(crate) sender_mac: WireMac,
    pub(crate) sender: u32,
    pub(crate) target_mac: WireMac,
    pub(crate) target: u32,
}

impl Arp {
    pub(crate) const REQUEST: u16 = 1;
    pub(crate) const REPLY: u16 = 2;

    /// Whether it resolves an IPv4 address to an Ethernet address.
    #[inline(always)]
    pub(crate) const fn is_ipv4_over_ethernet(&self) -> bool {
        self.hardware.get() == 1
            && self.protocol.get() == Ethernet::IPV4
            && self.hardware_bytes == 6
            && self.protocol_bytes == 4
    }
}

/// A heartbeat from its Ethernet header to its tag.
#[repr(C, packed)]
pub(crate) struct Frame {
    pub(crate) ethernet: Ethernet,
    pub(crate) ip: Ipv4,
    pub(crate) udp: Udp,
    pub(crate) message: Message,
    pub(crate) tag: Be<u64>,
}

/// The 128 bytes of a message, see [`afc_ebpf::wire`].
#[repr(C, packed)]
pub(crate) struct Message {
    pub(crate) magic: [u8; 4],
    pub(crate) kind: u8,
    pub(crate) key_id: u8,
    pub(crate) flags: Be<u16>,
    pub(crate) cluster: Be<u32>,
    pub(crate) generation: Be<u32>,
    pub(crate) from: Be<u16>,
    pub(crate) to: Be<u16>,
    pub(crate) reason: Be<u16>,
    pub(crate) slots_used: u8,
    pub(crate) page: u8,
    pub(crate) session: Be<u64>,
    pub(crate) sequence: Be<u64>,
    pub(crate) sent: Be<u64>,
    pub(crate) echo: Be<u64>,
    pub(crate) remaining: Be<u64>,
    pub(crate) slots: [Slot; SLOTS],
}

/// A message as its words in network byte order, which is how it is written: what is stored in pieces is slow to load as
/// a whole, and the tag loads it so.
#[repr(C, packed)]
pub(crate) struct Words(pub(crate) [Be<u64>; WORDS]);

/// A (service, owner word) pair.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct Slot {
    pub(crate) service: Be<u32>,
    pub(crate) reserved: u32,
    pub(crate) word: Be<u64>,
}

impl Message {
    /// To write it.
    #[inline(always)]
    pub(crate) fn words(&mut self) -> &mut Words {
        // SAFETY: the same bytes, borrowed for as long, without alignment and valid whatever they are.
        unsafe { &mut *(&raw mut *self).cast() }
    }

    /// The message's `i`-th eight bytes as SipHash reads them.
    #[inline(always)]
    pub(crate) fn word(&self, i: usize) -> u64 {
        let words = (&raw const *self).cast::<u64>();
        // SAFETY: a message is sixteen words, `i` is one of them, and the read asks for no alignment.
        u64::from_le(unsafe { words.add(i % WORDS).read_unaligned() })
    }
}

impl<'a> Packet<'a> {
    #[inline(always)]
    pub(crate) fn of(context: &'a XdpContext) -> Self {
        Self {
            start: context.data(),
            end: context.data_end(),
            context: PhantomData,
            ifindex: context.ingress_ifindex() as u32,
        }
    }

    #[inline(always)]
    pub(crate) fn ethernet(&self) -> Option<&'a mut Ethernet> {
        self.view(0)
    }

    #[inline(always)]
    pub(crate) fn vlan(&self, offset: usize) -> Option<&'a Vlan> {
        self.view(offset).map(|vlan| &*vlan)
    }

    /// The IPv4 header at `offset`, if it is one.
    #[inline(always)]
    pub(crate) fn ipv4(&self, offset: usize) -> Option<&'a Ipv4> {
        let ip: &Ipv4 = self.view(offset)?;
        (ip.version_and_length >> 4 == 4 && ip.header_bytes() >= Ipv4::BYTES).then_some(ip)
    }

    #[inline(always)]
    pub(crate) fn udp(&self, offset: usize) -> Option<&'a Udp> {
        self.view(offset).map(|udp| &*udp)
    }

    /// The ARP message behind the Ethernet header.
    #[inline(always)]
    pub(crate) fn arp(&self) -> Option<&'a mut Arp> {
        self.view(Ethernet::BYTES)
    }

    /// The whole heartbeat. Bytes behind it (padding of a driver) are not looked at.
    #[inline(always)]
    pub(crate) fn frame(&self) -> Option<&'a mut Frame> {
        self.view(0)
    }

    /// `T` at `offset`, if the packet reaches that far.
    #[inline(always)]
    fn view<T>(&self, offset: usize) -> Option<&'a mut T> {
        let start = self.start + offset;
        if start + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: the bytes lie within the packet (checked above), which no other program run looks at; every `T` here
        // is packed integers, valid for any bytes.
        Some(unsafe { &mut *(start as *mut T) })
    }
}

const _: () = {
    assert!(size_of::<Message>() == wire::MESSAGE_BYTES);
    assert!(size_of::<Frame>() == 14 + 20 + 8 + wire::PAYLOAD_BYTES);
    assert!(size_of::<Words>() == size_of::<Message>());
    assert!(size_of::<Slot>() == wire::SLOT_BYTES);
    assert!(size_of::<Arp>() == 28);
    assert!(offset_of!(Message, magic) == offset::MAGIC);
    assert!(offset_of!(Message, kind) == offset::KIND);
    assert!(offset_of!(Message, key_id) == offset::KEY_ID);
    assert!(offset_of!(Message, flags) == offset::FLAGS);
    assert!(offset_of!(Message, cluster) == offset::CLUSTER);
    assert!(offset_of!(Message, generation) == offset::GENERATION);
    assert!(offset_of!(Message, from) == offset::FROM);
    assert!(offset_of!(Message, to) == offset::TO);
    assert!(offset_of!(Message, reason) == offset::REASON);
    assert!(offset_of!(Message, slots_used) == offset::SLOTS_USED);
    assert!(offset_of!(Message, page) == offset::PAGE);
    assert!(offset_of!(Message, session) == offset::SESSION);
    assert!(offset_of!(Message, sequence) == offset::SEQUENCE);
    assert!(offset_of!(Message, sent) == offset::SENT);
    assert!(offset_of!(Message, echo) == offset::ECHO);
    assert!(offset_of!(Message, remaining) == offset::REMAINING);
    assert!(offset_of!(Message, slots) == offset::SLOTS);
};
