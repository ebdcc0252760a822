//! The clock: whom to probe and when, and everything else that is due at a tick.
//!
//! "Each voter probes the holders of the services it votes for at `interval`, their available backups at a
//! tenth of that rate, nobody else."

use afc_ebpf::{identity::OwnerWord, wire::Kind};

use super::{
    Engine,
    effect::Report,
    event::Heard,
    message::Message,
    node::Rate,
    record,
    setup::Role,
    suspicion::{Liveness, Verdict},
    table::{NodeAt, ServiceAt},
};

/// Candidates without a holding are probed each such interval.
const TENTH: u64 = 10;
/// Rounds at the start that probe everybody, to learn sessions and holdings before the quarantine ends.
const FIRST_ROUNDS: u64 = 10;
/// Ticks are never asked for closer than this part of an interval.
const TICKS_AN_INTERVAL: u64 = 32;

impl Engine {
    pub(super) fn handle_tick(&mut self, now_ns: u64) {
        self.last_tick_ns = now_ns;
        if now_ns >= self.next_probes_ns {
            self.probe_round(now_ns);
        }
        for at in self.services.places() {
            self.tick_holding(at, now_ns);
            self.tick_trial(at, now_ns);
            self.tick_take(at, now_ns);
        }
        self.reconsider = true;
    }

    fn probe_round(&mut self, now_ns: u64) {
        let interval_ns = self.timing.interval_ns;
        let late_ns = now_ns - self.next_probes_ns;
        self.counters.late_ticks += u64::from(late_ns > interval_ns);
        self.judge_all(late_ns, now_ns);
        self.rate_all();
        for at in self.nodes.places() {
            let id = self.nodes.key(at);
            let turn = (self.probe_rounds + u64::from(id.0)).is_multiple_of(TENTH);
            let node = &self.nodes[at];
            let is_due = match node.rate {
                Rate::Never => false,
                Rate::Tenth => turn || self.probe_rounds < FIRST_ROUNDS,
                Rate::Every => true,
            };
            if id != self.me && (is_due || node.has_grants()) {
                self.probe(at, now_ns);
            }
        }
        // The phase among the nodes comes from when each started and from this node's number.
        let phase_ns = if self.probe_rounds == 0 { self.phase_ns() } else { 0 };
        self.probe_rounds += 1;
        self.next_probes_ns = if late_ns > interval_ns {
            now_ns.saturating_add(interval_ns)
        } else {
            self.next_probes_ns.saturating_add(interval_ns + phase_ns)
        };
    }

    /// A part of an interval that differs between neighbours' numbers, so that voters do not probe in one
    /// burst.
    fn phase_ns(&self) -> u64 {
        self.timing.interval_ns / 8 * u64::from(self.me.0 % 8)
    }

    /// Asks for each page of holdings, and grants what the page's last REPLY listed.
    fn probe(&mut self, at: NodeAt, now_ns: u64) {
        let to = self.nodes.key(at);
        for page in 0..self.nodes[at].pages {
            let grants = std::mem::take(&mut self.nodes[at].grants[page]);
            let probe = Message {
                page: page as u8,
                session: self.nodes[at].session,
                echo_ns: grants.echo_ns,
                slots: grants.slots,
                ..self.message(Kind::Probe, to)
            };
            self.outbox.send(probe);
        }
        self.nodes[at].liveness.probed(now_ns, self.timing.interval_ns);
    }

    fn rate_all(&mut self) {
        for node in self.nodes.rows_mut() {
            node.rate_before = node.rate;
            node.rate = match (self.role, node.role) {
                (Role::Gateway, Role::Member) => Rate::Tenth,
                (
                    Role::Member | Role::Witness | Role::Gateway,
                    Role::Member | Role::Witness | Role::Gateway,
                ) => Rate::Never,
            };
        }
        for at in self.services.places() {
            if self.is_voter(at) {
                self.rate_service(at);
            }
        }
        // What was known of a node when it was last probed says nothing of it now.
        for node in self.nodes.rows_mut() {
            if node.rate_before == Rate::Never && node.rate != Rate::Never {
                node.liveness = Liveness::new();
            }
        }
    }

    /// The holder by the record, by listing and by announcement; and the candidates that would take over.
    fn rate_service(&mut self, at: ServiceAt) {
        let service = &self.services[at];
        let holders = [OwnerWord(service.record.word), service.holder, service.owner];
        let ranking = service.ranking;
        let is_first = self.probe_rounds < FIRST_ROUNDS;
        for candidate in ranking.as_slice().iter().filter(|candidate| candidate.is_available || is_first) {
            let Some(node) = self.nodes.find(candidate.node) else {
                continue;
            };
            if self.nodes[node].rate == Rate::Never {
                self.nodes[node].rate = Rate::Tenth;
            }
        }
        for holder in holders {
            if let Some(node) = self.nodes.find(holder.owner()) {
                self.nodes[node].rate = Rate::Every;
            }
        }
    }

    pub(super) fn handle_heard(&mut self, heard: &Heard, now_ns: u64) {
        let Some(at) = self.nodes.find(heard.node) else {
            self.counters.unknown_node += 1;
            return;
        };
        if self.nodes[at].liveness.heard(heard, self.timing.lease_ns, now_ns) == Some(Verdict::Alive) {
            self.report(Report::Alive { node: heard.node });
            self.reconsider = true;
        }
    }

    fn judge_all(&mut self, late_ns: u64, now_ns: u64) {
        let (lease_ns, interval_ns) = (self.timing.lease_ns, self.timing.interval_ns);
        for at in self.nodes.places() {
            let liveness = &mut self.nodes[at].liveness;
            if late_ns >= lease_ns {
                liveness.paused();
            }
            if let Some(Verdict::Suspected { silence_ns }) = liveness.judge(lease_ns, interval_ns, now_ns) {
                let node = self.nodes.key(at);
                self.report(Report::Suspected { node, silence_ns });
                self.reconsider = true;
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_deadline_ns(&self) -> u64 {
        let services = self.services.places().filter_map(|at| self.service_deadline_ns(at));
        let soonest_ns = self.last_tick_ns.saturating_add(self.timing.interval_ns / TICKS_AN_INTERVAL);
        services.fold(self.next_probes_ns, u64::min).max(soonest_ns)
    }

    fn service_deadline_ns(&self, at: ServiceAt) -> Option<u64> {
        let service = &self.services[at];
        let take_ns = service.take.map(|take| take.next_ns);
        let trial_ns = service.trial.map(|trial| trial.next_ns);
        let Some(holding) = service.holding else {
            // The moment at which a suspected holder's guard ends is the moment to ask.
            let is_awaited = self.is_candidate(at) && record::is_guarded(service.record, self.last_tick_ns);
            let guard_ns = (is_awaited && self.is_holder_gone(at)).then_some(service.record.guard_until_ns);
            return [trial_ns, take_ns, guard_ns].into_iter().flatten().min();
        };
        let resend_ns = holding.awaits_grants().then_some(holding.resend_ns);
        [trial_ns, resend_ns, holding.announce.next_ns, holding.arp.next_ns].into_iter().flatten().min()
    }
}
