//! Makes a failing plan small: delta debugging over its faults, then a smaller cluster, a calmer network, rounder times.
//!
//! What is left out moves every later random choice, so each smaller plan is tried with a few seeds. Whatever it ends with
//! fails as the plan did that it began with.

use super::{
    fault::{Fault, What, Who},
    plan::{Finale, Plan},
    play::play,
    promise::Breach,
    shape::{INTERVAL, MS, Network},
};

/// Seeds that each smaller plan is tried with.
const SEEDS: u64 = 24;
/// Plans played at most; then what there is must do.
const PLAYS_MAX: u32 = 40_000;

/// The smallest plan found that breaks the same thing.
pub(super) fn minimise(plan: &Plan, breach: &Breach) -> Plan {
    let mut search = Search { best: plan.clone(), breach: breach.clone(), plays: 0 };
    loop {
        let before = search.best.clone();
        search.calm();
        search.drop_faults();
        search.drop_nodes();
        search.drop_services();
        search.round_times();
        if search.best == before || search.plays >= PLAYS_MAX {
            return search.best;
        }
    }
}

struct Search {
    best: Plan,
    breach: Breach,
    plays: u32,
}

impl Search {
    /// Takes a plan if it fails as well; whether it does.
    fn try_plan(&mut self, plan: Plan) -> bool {
        if plan == self.best {
            return false;
        }
        for seed in std::iter::once(plan.seed).chain(0..SEEDS) {
            if self.plays >= PLAYS_MAX {
                return false;
            }
            self.plays += 1;
            let candidate = Plan { seed, ..plan.clone() };
            if play(&candidate).breach.is_some_and(|breach| breach.is_like(&self.breach)) {
                self.best = candidate;
                return true;
            }
        }
        false
    }

    fn try_change(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let mut plan = self.best.clone();
        change(&mut plan);
        self.try_plan(plan)
    }

    /// Half of the faults, then quarters, down to single ones.
    fn drop_faults(&mut self) {
        let mut size = self.best.faults.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.best.faults.len() {
                let to = (from + size).min(self.best.faults.len());
                let is_dropped = self.try_change(|plan| {
                    plan.faults.drain(from..to);
                });
                if !is_dropped {
                    from = to;
                }
            }
            size /= 2;
        }
        let last = self.best.faults.last().map_or(0, |fault| fault.at_ns);
        self.try_change(|plan| plan.ends_ns = last);
    }

    /// Nodes go from the highest number down, with all that names them.
    fn drop_nodes(&mut self) {
        while self.best.shape.roles.len() > 1 {
            let gone = self.best.shape.roles.len() as u16;
            let is_home = self.best.shape.services.iter().any(|candidates| candidates[0] == gone);
            if is_home || !self.try_change(|plan| drop_node(plan, gone)) {
                return;
            }
        }
    }

    fn drop_services(&mut self) {
        while self.best.shape.services.len() > 1 {
            let gone = self.best.shape.services.len() - 1;
            let names = |fault: &Fault| {
                let who = matches!(fault.who, Who::ServerOf(service, _) if service == gone);
                who || fault.what.service() == Some(gone)
            };
            let is_dropped = self.try_change(|plan| {
                plan.shape.services.pop();
                plan.faults.retain(|fault| !names(fault));
            });
            if !is_dropped {
                return;
            }
        }
    }

    fn calm(&mut self) {
        self.try_change(|plan| plan.finale = Finale::None);
        self.try_change(|plan| {
            if plan.finale == Finale::DoubleFailure {
                plan.finale = Finale::Settle;
            }
        });
        self.try_change(|plan| plan.late_ns = INTERVAL / 20);
        self.try_change(|plan| plan.is_rude = false);
        self.try_change(|plan| plan.shape.preempt = false);
        self.try_change(|plan| plan.shape.keeps_lists = false);
        self.try_change(|plan| plan.shape.capacity = 1);
        let changes: [fn(&mut Network); 4] = [
            |network| (network.held_up, network.held_up_ns) = (0, 0),
            |network| network.doubled = 0,
            |network| network.lost = 0,
            |network| network.jitter_ns = Network::GOOD.jitter_ns,
        ];
        for change in changes {
            self.try_change(|plan| {
                for fault in &mut plan.faults {
                    if let What::Network(network) = &mut fault.what {
                        change(network);
                    }
                }
            });
        }
    }

    /// Who is named by chance is named outright, and times become whole milliseconds.
    fn round_times(&mut self) {
        for place in 0..self.best.faults.len() {
            self.try_change(|plan| {
                if let Who::ServerOf(_, node) = plan.faults[place].who {
                    plan.faults[place].who = Who::Node(node);
                }
            });
            self.try_change(|plan| plan.faults[place].at_ns -= plan.faults[place].at_ns % MS);
        }
    }
}

fn drop_node(plan: &mut Plan, gone: u16) {
    plan.shape.roles.pop();
    for candidates in &mut plan.shape.services {
        candidates.retain(|node| *node != gone);
    }
    plan.faults.retain(|fault| {
        let who = match fault.who {
            Who::Node(node) | Who::ServerOf(_, node) => node,
        };
        let is_to = matches!(fault.what, What::Cut { to } | What::Flap { to, .. } if to == gone);
        who != gone && !is_to
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{
        fault::Fault,
        generate::{self, Family},
        shape::LEASE,
    };

    /// A plan in which machines that serve stand still with their clocks: what breaks the promise, as design.md says.
    fn with_still_clocks(seed: u64) -> Plan {
        let mut plan = generate::plan(Family::Polite, seed);
        let still = |fault: &Fault| Fault {
            who: Who::ServerOf(0, 1),
            what: What::StandStill { for_ns: 3 * LEASE },
            ..*fault
        };
        let stills: Vec<Fault> = plan.faults.iter().step_by(4).map(still).collect();
        plan.faults.extend(stills);
        plan.faults.sort_by_key(|fault| fault.at_ns);
        plan
    }

    #[test]
    fn a_failing_plan_becomes_a_small_one_that_fails_alike_and_whose_text_replays() {
        let failing = (0..).map(with_still_clocks).find_map(|plan| {
            let breach = play(&plan).breach.filter(|breach| matches!(breach, Breach::TwoServers { .. }))?;
            Some((plan, breach))
        });
        let (plan, breach) = failing.expect("some seed");
        let small = minimise(&plan, &breach);
        let outcome = play(&small);
        let text = small.text("");
        println!("{} faults become {}:\n{text}", plan.faults.len(), small.faults.len());
        assert!(outcome.breach.as_ref().is_some_and(|found| found.is_like(&breach)), "{text}");
        assert_eq!(play(&Plan::parse(&text).expect("its own text")), outcome);
        assert!(small.faults.iter().any(|fault| matches!(fault.what, What::StandStill { .. })), "{text}");
        // A majority must start, and one of them stand still.
        assert!(small.faults.len() <= 5 && small.shape.services.len() == 1, "{text}");
    }
}
