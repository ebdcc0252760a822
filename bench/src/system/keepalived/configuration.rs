//! What keepalived is told: its best settings, by keepalived.conf(5) of 2.2.7. Pure text.

use std::{fmt::Write, path::Path, time::Duration};

use afc_lab::spec::{LabSpec, PREFIX_LENGTH, ServiceSpec};

/// What differs between the ways in which keepalived is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `advert_int`. VRRPv3 counts it in hundredths of a second, so 10 ms is the shortest.
    pub(crate) advert_interval: Duration,
    /// `vrrp_down_timer_adverts`: missed advertisements after which the master is given up. Other than 3 is "a deviation from
    /// the VRRP protocol".
    pub(crate) missed: u32,
    /// Whether a node takes back from one with a lower priority what that one serves.
    pub(crate) preemption: Preemption,
}

/// Whether a node that could serve better takes over from one that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preemption {
    /// Never, as afc's services in the lab.
    Off,
    /// Always: then a change of priority moves a service, and the next master has it before the last gives it up.
    On,
}

impl Settings {
    /// The best within the protocol.
    pub(crate) const STANDARD: Self =
        Self { advert_interval: Duration::from_millis(10), missed: 3, preemption: Preemption::Off };
    /// Beyond it.
    pub(crate) const SHORT: Self = Self { missed: 2, ..Self::STANDARD };
}

/// Above the hogs and the measuring threads of the lab, below the kernel's own threads.
const RT_PRIORITY: u32 = 90;
/// µs on a processor between two system calls that block, beyond which the kernel kills it. By default it is 10 ms, and
/// softirqs that it is charged with count.
const RLIMIT_RTTIME: u32 = 1_000_000;
/// Of a service's home, its first backup, and how much less each further one has. "Skew_time" is (256 - priority) / 256 of
/// `advert_int`, so a high priority is a short wait; and the second backup's must be longer by more than a late wake-up, or
/// two become masters at once.
const PRIORITY: [u32; 2] = [254, 250];
const PRIORITY_STEP: u32 = 50;
/// The number that moves a service away from its home, once it is in the home's file: its priority is the least of all then.
pub(super) const AWAY: i32 = -250;

/// The configuration file of `node`, which reads its own priority's change from `offset`.
pub(super) fn render(spec: &LabSpec, node: &str, settings: Settings, offset: &Path) -> String {
    let mut text = String::new();
    write(
        &mut text,
        &[
            "global_defs {".to_owned(),
            format!("    router_id {node}"),
            "    vrrp_version 3".to_owned(),
            // "can be used if vrrp processes are timing out".
            format!("    vrrp_rt_priority {RT_PRIORITY}"),
            format!("    vrrp_rlimit_rttime {RLIMIT_RTTIME}"),
            "    vrrp_no_swap".to_owned(),
            // keepalived asks for it at its start: its own priority rises further where it was late all the same.
            "    max_auto_priority 99".to_owned(),
            // The gratuitous ARPs at the transition itself, 5 of them, are sent at once; no second set later.
            "    vrrp_garp_master_delay 0".to_owned(),
            // "Checking all the addresses in a received VRRP advert can be time consuming."
            "    vrrp_skip_check_adv_addr".to_owned(),
            format!("    vrrp_down_timer_adverts {}", settings.missed),
            "}".to_owned(),
            "track_file offset {".to_owned(),
            format!("    file \"{}\"", offset.display()),
            "    weight 1".to_owned(),
            "    init_file 0 overwrite".to_owned(),
            "}".to_owned(),
        ],
    );
    for (number, service) in (1..).zip(&spec.services) {
        if let Some(priority) = priority(service, node) {
            write_instance(&mut text, service, &Instance { number, priority, settings });
        }
    }
    text
}

/// A node's part in a service.
struct Instance {
    number: u32,
    priority: u32,
    settings: Settings,
}

fn write_instance(text: &mut String, service: &ServiceSpec, instance: &Instance) {
    let Instance { number, priority, settings } = instance;
    let mut lines = vec![
        format!("vrrp_instance {} {{", service.name),
        // "For this [nopreempt] to work, the initial state must not be MASTER."
        "    state BACKUP".to_owned(),
        "    interface eth0".to_owned(),
        format!("    virtual_router_id {number}"),
        format!("    priority {priority}"),
        format!("    advert_int {}", settings.advert_interval.as_secs_f64()),
        "    accept".to_owned(),
    ];
    match settings.preemption {
        Preemption::Off => lines.push("    nopreempt".to_owned()),
        Preemption::On => {}
    }
    lines.extend([
        "    virtual_ipaddress {".to_owned(),
        format!("        {}/{PREFIX_LENGTH} dev eth0", service.address),
        "    }".to_owned(),
        "    track_file {".to_owned(),
        "        offset weight 1".to_owned(),
        "    }".to_owned(),
        "}".to_owned(),
    ]);
    write(text, &lines);
}

/// A node's priority for a service; `None` if it has no part in it.
fn priority(service: &ServiceSpec, node: &str) -> Option<u32> {
    if service.home == node {
        return Some(PRIORITY[0]);
    }
    let place = service.backups.iter().position(|backup| backup == node)?;
    Some(PRIORITY[1].saturating_sub(place as u32 * PRIORITY_STEP).max(1))
}

fn write(text: &mut String, lines: &[String]) {
    for line in lines {
        writeln!(text, "{line}").expect("a String takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(node: &str, settings: Settings) -> String {
        render(&LabSpec::five_nodes(), node, settings, Path::new("/lab/offset"))
    }

    #[test]
    fn a_home_has_one_instance_and_a_backup_one_of_every_service() {
        let home = rendered("n2", Settings::STANDARD);
        assert_eq!(home.matches("vrrp_instance").count(), 1);
        for line in [
            "vrrp_instance web-2 {",
            "    vrrp_version 3",
            "    vrrp_no_swap",
            "    vrrp_rt_priority 90",
            "    vrrp_garp_master_delay 0",
            "    vrrp_down_timer_adverts 3",
            "    virtual_router_id 2",
            "    priority 254",
            "    advert_int 0.01",
            "    nopreempt",
            "        10.0.0.102/24 dev eth0",
            "    file \"/lab/offset\"",
        ] {
            assert!(home.lines().any(|found| found == line), "{line} is missing in\n{home}");
        }
        for (backup, line) in [("n4", "    priority 250"), ("n5", "    priority 200")] {
            let text = rendered(backup, Settings::STANDARD);
            assert_eq!(text.lines().filter(|found| *found == line).count(), 3, "{text}");
        }
    }

    #[test]
    fn the_short_form_gives_up_sooner_and_preemption_is_said_by_silence() {
        assert!(rendered("n1", Settings::SHORT).contains("vrrp_down_timer_adverts 2"));
        let preempting = Settings { preemption: Preemption::On, ..Settings::STANDARD };
        assert!(!rendered("n1", preempting).contains("nopreempt"));
    }

    #[test]
    fn braces_are_closed() {
        let text = rendered("n4", Settings::STANDARD);
        assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
    }
}
