//! The planted bugs: each one expression of the engine, or of the lease arithmetic, and what it becomes.

use crate::tests::generate::Family;

/// A bug to plant.
pub(super) struct Mutant {
    /// The rule that is gone.
    pub(super) name: &'static str,
    /// The family of plans that must find it.
    pub(super) family: Family,
    /// Where it is kept: more than one where a second defence stands behind the first.
    pub(super) edits: &'static [Edit],
}

/// One expression that becomes another.
pub(super) struct Edit {
    /// The file, from the workspace's root.
    pub(super) file: &'static str,
    /// It is there exactly once.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// All of them, in the order of lease-model.md as far as it names them.
pub(super) const MUTANTS: [Mutant; 21] = [
    Mutant {
        name: "no quarantine",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-engine/src/lib.rs",
            from: "now_ns < self.quarantine_until_ns",
            to: "false",
        }],
    },
    Mutant {
        name: "an adopting agent forgets the quarantine",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-engine/src/restore.rs",
            from: "record::quarantine_until_ns(adopted.record)",
            to: "0",
        }],
    },
    Mutant {
        name: "the guard has no margin for drift",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-engine/src/lib.rs",
            from: "guard_ns(setup.lease_ns)",
            to: "setup.lease_ns",
        }],
    },
    Mutant {
        name: "a lease counts from the grant's arrival",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-ebpf/src/lease.rs",
            from: "echo_ns.wrapping_add(lease_ns)",
            to: "now_ns.wrapping_add(lease_ns)",
        }],
    },
    Mutant {
        name: "a grant counts for any epoch",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-ebpf/src/lease.rs",
            from: "word == 0 || self.word != word",
            to: "self.word == 0",
        }],
    },
    Mutant {
        name: "a RELEASE counts for any epoch of its sender",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-engine/src/record.rs",
            from: "word.owner().is_some() && record.word == word.0",
            to: "word.owner().is_some() && OwnerWord(record.word).owner() == word.owner()",
        }],
    },
    Mutant {
        name: "the own vote is given while holding",
        family: Family::Tight,
        edits: &[
            Edit {
                file: "afc-engine/src/voter.rs",
                from: "self.own_holding(at, now_ns)",
                to: "OwnHolding::Nothing",
            },
            Edit { file: "afc-engine/src/holder.rs", from: "record::held(granted)", to: "granted" },
        ],
    },
    Mutant {
        name: "an own claim ignores the own record",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-engine/src/holder.rs",
            from: "record::decide(self.services[at].record, standing, ask, now_ns)",
            to: "record::decide(record::released(self.services[at].record), standing, ask, now_ns)",
        }],
    },
    Mutant {
        name: "the floor is not looked at",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-engine/src/record.rs",
            from: "ask.epoch < OwnerWord(record.floor).epoch()",
            to: "false",
        }],
    },
    Mutant {
        name: "the floor is lost with a restart",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-engine/src/restore.rs",
            from: "record::forgotten(floor.epoch, 0)",
            to: "record::forgotten(Epoch::ZERO, 0)",
        }],
    },
    Mutant {
        name: "a drop does not reach the kernel",
        family: Family::Tight,
        edits: &[
            Edit {
                file: "afc-engine/src/holder.rs",
                from: "self.outbox.push(Effect::Drop { service: self.services.key(at) })",
                to: "()",
            },
            Edit {
                file: "afc-engine/src/holder.rs",
                from: "self.outbox.push(Effect::Own { service: id, word })",
                to: "()",
            },
        ],
    },
    Mutant {
        name: "a record does not survive its process",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-engine/src/voter.rs",
            from: "self.outbox.push(Effect::Record { service: id, record })",
            to: "()",
        }],
    },
    Mutant {
        name: "an adopting agent forgets what it voted",
        family: Family::Tight,
        edits: &[Edit {
            file: "afc-engine/src/restore.rs",
            from: "service.record = adopted.record",
            to: "()",
        }],
    },
    Mutant {
        name: "an owner that hands over leaves its own record free",
        family: Family::Moving,
        edits: &[Edit {
            file: "afc-engine/src/handover.rs",
            from: "self.set_record(at, handed)",
            to: "self.set_record(at, record::released(handed))",
        }],
    },
    Mutant {
        name: "the window of a HANDOVER counts from its arrival",
        family: Family::Moving,
        edits: &[Edit {
            file: "afc-engine/src/handover.rs",
            from: "window_until_ns(message.echo_ns, message.remaining_ns.min(self.timing.lease_ns))",
            to: "window_until_ns(now_ns, message.remaining_ns.min(self.timing.lease_ns))",
        }],
    },
    Mutant {
        name: "a question outlives the vote that allowed it",
        family: Family::Moving,
        edits: &[Edit { file: "afc-engine/src/voter.rs", from: "self.take_back(at)", to: "()" }],
    },
    Mutant {
        name: "a question that is taken back stays with the kernel",
        family: Family::Moving,
        edits: &[Edit {
            file: "afc-engine/src/handover.rs",
            from: "self.outbox.push(Effect::Drop { service })",
            to: "()",
        }],
    },
    Mutant {
        name: "a TRANSFER ends the guard",
        family: Family::Moving,
        edits: &[Edit {
            file: "afc-engine/src/record.rs",
            from: "Record { word: handed.epoch().owned_by(to).0, ..record }",
            to: "Record { word: handed.epoch().owned_by(to).0, guard_until_ns: 0, ..record }",
        }],
    },
    Mutant {
        name: "capacity is no limit",
        family: Family::Listed,
        edits: &[Edit {
            file: "afc-engine/src/candidate.rs",
            from: "self.held_away < self.capacity",
            to: "true",
        }],
    },
    Mutant {
        name: "who serves others already comes as early as who serves none",
        family: Family::Listed,
        edits: &[Edit {
            file: "afc-engine/src/candidate.rs",
            from: "self.burden(at, candidate.node)",
            to: "0",
        }],
    },
    Mutant {
        name: "two services share a primary while a backup is free",
        family: Family::Listed,
        edits: &[Edit { file: "afc-engine/src/priority/assignment/market.rs", from: "load as i32", to: "0" }],
    },
];
