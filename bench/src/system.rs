//! The systems that are compared, each at work in the same lab: the same wires, the same outside client, the same services.
//!
//! | file | subject |
//! |---|---|
//! | `site` | a lab with one system at work, and what is done to it |
//! | `keepalived`, `keepalived/configuration` | keepalived's daemons; what they are told |
//! | `bfdd` | FRR's bfdd, which detects and moves nothing |
//! | `daemon` | a process group of a peer's |

pub(crate) mod bfdd;
mod daemon;
pub(crate) mod keepalived;
pub(crate) mod site;

use std::time::Duration;

use afc_lab::spec::Timing;

use crate::{arguments::SystemName, row::Subject, statistics::millis};
use keepalived::configuration::Settings;

/// What is measured, with its times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct System {
    pub(crate) name: SystemName,
    pub(crate) kind: Kind,
}

/// How it works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// afc, with these times.
    Afc(Timing),
    /// keepalived, with these settings.
    Keepalived(Settings),
}

impl System {
    /// One by name. The times of `afc-short` follow from its timeout.
    pub(crate) fn new(name: SystemName, short_timeout: Duration) -> Self {
        let kind = match name {
            SystemName::Afc => Kind::Afc(Timing::default()),
            SystemName::AfcShort => Kind::Afc(short_timing(short_timeout)),
            SystemName::Keepalived => Kind::Keepalived(Settings::STANDARD),
            SystemName::KeepalivedShort => Kind::Keepalived(Settings::SHORT),
        };
        Self { name, kind }
    }

    /// Its name in rows.
    pub(crate) const fn label(&self) -> &'static str {
        match self.name {
            SystemName::Afc => "afc",
            SystemName::AfcShort => "afc-short",
            SystemName::Keepalived => "keepalived",
            SystemName::KeepalivedShort => "keepalived-short",
        }
    }

    /// Between two heartbeats or advertisements.
    pub(crate) const fn interval(&self) -> Duration {
        match self.kind {
            Kind::Afc(timing) => timing.interval,
            Kind::Keepalived(settings) => settings.advert_interval,
        }
    }

    /// The silence after which another node is given up; an owner can't change and change back sooner.
    pub(crate) fn timeout(&self) -> Duration {
        match self.kind {
            Kind::Afc(timing) => timing.timeout,
            Kind::Keepalived(settings) => settings.advert_interval * settings.missed,
        }
    }

    /// A row's subject that has this system's times.
    pub(crate) fn subject(&self, section: &str, scenario: &str, unit: &str) -> Subject {
        Subject {
            interval_ms: Some(millis(self.interval())),
            timeout_ms: Some(millis(self.timeout())),
            ..Subject::new(section, scenario, self.label(), unit)
        }
    }
}

/// Five probes a timeout, as by default, but at least a millisecond apart while three of them fit.
pub(crate) fn short_timing(timeout: Duration) -> Timing {
    let millisecond = Duration::from_millis(1);
    let interval = (timeout / 5).max(millisecond.min(timeout / 3));
    Timing { interval, timeout, ..Timing::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_room_for_three_probes_at_least() {
        let interval_us = |timeout_ms| short_timing(Duration::from_millis(timeout_ms)).interval.as_micros();
        assert_eq!([25, 10, 5, 4, 3, 2].map(interval_us), [5000, 2000, 1000, 1000, 1000, 666]);
    }

    #[test]
    fn keepalived_gives_up_after_three_advertisements_and_the_short_one_after_two() {
        let timeout = |name| System::new(name, Duration::from_millis(8)).timeout().as_millis();
        let all =
            [SystemName::Afc, SystemName::AfcShort, SystemName::Keepalived, SystemName::KeepalivedShort];
        assert_eq!(all.map(timeout), [25, 8, 30, 20]);
    }
}
