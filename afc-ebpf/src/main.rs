//! proto
#![no_std]
#![no_main]
use afc_ebpf::layout::*;
use afc_ebpf::lease::*;
use aya_ebpf::{
    bindings::xdp_action,
    btf_maps::{Array, RingBuf},
    helpers,
    macros::{btf_map, xdp},
    programs::XdpContext,
};
#[btf_map]
static HOLDINGS: Array<Holding, 1024> = Array::new();
#[btf_map]
static SERVING: Array<Serving, 1024, 1024> = Array::new();
#[btf_map]
static EVENTS: RingBuf<Event, 65536> = RingBuf::new();
#[xdp]
pub fn afc_xdp(_ctx: XdpContext) -> u32 {
    let now = unsafe { helpers::generated::bpf_ktime_get_boot_ns() };
    let Some(h) = HOLDINGS.get_ptr_mut(3) else {
        return 0;
    };
    let Some(s) = SERVING.get_ptr_mut(3) else { return 0 };
    let g = unsafe {
        let l = core::ptr::addr_of_mut!((*h).lock).cast();
        helpers::generated::bpf_spin_lock(l);
        let g = (*h).grant(5, 2, 100, 1000, now);
        if let Grant::Extended { lease_until_ns } = g {
            core::ptr::write_volatile(&raw mut (*s).lease_until_ns, lease_until_ns);
        }
        helpers::generated::bpf_spin_unlock(l);
        g
    };
    if matches!(g, Grant::Lapsed) {
        if let Some(mut e) = EVENTS.reserve(0) {
            e.write(Event::default());
            e.submit(0);
        }
    }
    xdp_action::XDP_PASS
}
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
