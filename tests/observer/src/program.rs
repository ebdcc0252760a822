//! A frame comes in; if its sender claims to be a watched address, a sighting goes into the ring.

use core::panic::PanicInfo;

use afc_observer::{ADDRESSES_MAX, ASKER, RING_BYTES, Sighting, asked_ns, counter, kind};
use aya_ebpf::{
    bindings::{BPF_RB_NO_WAKEUP, xdp_action},
    btf_maps::{HashMap, PerCpuArray, RingBuf},
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_map, xdp},
    programs::XdpContext,
};

const ADDRESSES_BYTES: usize = ADDRESSES_MAX as usize;
const SIGHTINGS_BYTES: usize = RING_BYTES as usize;

#[btf_map]
static ADDRESSES: HashMap<u32, u32, ADDRESSES_BYTES> = HashMap::new();
#[btf_map]
static SIGHTINGS: RingBuf<(), SIGHTINGS_BYTES> = RingBuf::new();
#[btf_map]
static COUNTERS: PerCpuArray<u64, { counter::COUNT }> = PerCpuArray::new();

const ETHERNET_KIND: usize = 12;
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
/// Behind the Ethernet header: the protocol and the source of IPv4 without options, the sender of ARP.
const IPV4_LENGTH: usize = 14;
const IPV4_PROTOCOL: usize = 14 + 9;
const IPV4_SOURCE: usize = 14 + 12;
const ARP_SENDER: usize = 14 + 14;
const NO_OPTIONS: u8 = 0x45;
const UDP: u8 = 17;
const UDP_SOURCE: usize = 14 + 20;
/// The echo service's port, and where its answer says what it answers and when it was made, in little-endian order.
const ECHO_PORT: u16 = 7000;
const ECHO_SEQUENCE: usize = 14 + 20 + 8;
const ECHO_SERVED: usize = 14 + 20 + 8 + 16;

/// On every port of the switch, and where clients receive.
#[xdp]
pub(crate) fn afc_observe(context: XdpContext) -> u32 {
    // SAFETY: the helper takes nothing and has no precondition.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    count(counter::FRAMES);
    let Some(seen) = look(&context, now_ns) else {
        return xdp_action::XDP_PASS;
    };
    if SIGHTINGS.output_untyped::<Sighting>(seen, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
        count(counter::LOST);
    }
    if seen.kind == kind::ASKED { xdp_action::XDP_DROP } else { xdp_action::XDP_PASS }
}

#[inline(always)]
fn look(context: &XdpContext, now_ns: u64) -> Option<Sighting> {
    let seen = match u16::from_be(read(context, ETHERNET_KIND)?) {
        ARP => arp(context, now_ns)?,
        IPV4 => ipv4(context)?,
        _ => return None,
    };
    ADDRESSES.get_ptr(seen.address)?;
    Some(Sighting { arrived_ns: now_ns, ifindex: context.ingress_ifindex() as u32, ..seen })
}

/// Who claims an address by ARP.
#[inline(always)]
fn arp(context: &XdpContext, now_ns: u64) -> Option<Sighting> {
    let address: u32 = read(context, ARP_SENDER)?;
    let to: [u8; 6] = read(context, 0)?;
    let (kind, stamp_ns) = if to[0] == ASKER { (kind::ASKED, asked_ns(to, now_ns)) } else { (kind::ARP, 0) };
    Some(sighting(address, kind, stamp_ns, 0))
}

/// Who sends from an address.
#[inline(always)]
fn ipv4(context: &XdpContext) -> Option<Sighting> {
    let address: u32 = read(context, IPV4_SOURCE)?;
    let is_udp =
        read::<u8>(context, IPV4_LENGTH)? == NO_OPTIONS && read::<u8>(context, IPV4_PROTOCOL)? == UDP;
    if !is_udp || u16::from_be(read(context, UDP_SOURCE)?) != ECHO_PORT {
        return Some(sighting(address, kind::OTHER, 0, 0));
    }
    let Some(served_ns) = read::<u64>(context, ECHO_SERVED) else {
        return Some(sighting(address, kind::OTHER, 0, 0));
    };
    let sequence = u32::from_le(read(context, ECHO_SEQUENCE)?);
    Some(sighting(address, kind::ECHO, u64::from_le(served_ns), sequence))
}

/// What the frame itself says.
#[inline(always)]
fn sighting(address: u32, kind: u32, stamp_ns: u64, sequence: u32) -> Sighting {
    Sighting { arrived_ns: 0, stamp_ns, address, ifindex: 0, kind, sequence }
}

/// `T` at `offset`, if the frame reaches that far.
#[inline(always)]
fn read<T: Copy>(context: &XdpContext, offset: usize) -> Option<T> {
    let start = context.data() + offset;
    if start + size_of::<T>() > context.data_end() {
        return None;
    }
    // SAFETY: the bytes lie within the frame (checked above); every `T` here is integers, valid for any bytes.
    Some(unsafe { (start as *const T).read_unaligned() })
}

#[inline(always)]
fn count(which: u32) {
    if let Some(counter) = COUNTERS.get_ptr_mut(which) {
        // SAFETY: to this CPU's live map value; an XDP run is not interrupted by another one on its CPU.
        unsafe { counter.write_volatile(counter.read_volatile().wrapping_add(1)) };
    }
}

/// Never reached: the verifier refuses a program that could panic.
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Some helpers ask for a GPL-compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
