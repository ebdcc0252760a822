//! What a scenario did and what its clients saw, as text and as JSON, and whether that is good enough. Pure.

use std::time::Duration;

use afc_lab::report::millis;
use serde_json::{Value, json};

/// A played scenario.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) steps: Vec<Step>,
}

/// One step: something happened, and a while of traffic after it.
#[derive(Debug)]
pub(super) struct Step {
    /// Since the scenario began.
    pub(super) at: Duration,
    /// What happened.
    pub(super) event: String,
    /// What the clients saw of each service since.
    pub(super) services: Vec<Seen>,
}

/// What the clients saw of one service in one step.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) service: String,
    /// The nodes that served it, one after the other.
    pub(super) owners: Vec<String>,
    /// Times that two nodes served at once.
    pub(super) overlaps: usize,
    /// The client behind the gateway.
    pub(super) gateway: Lack,
    /// The client beside the nodes.
    pub(super) direct: Lack,
    /// The longest time without a page.
    pub(super) http: Duration,
}

/// What a UDP client missed.
#[derive(Debug)]
pub(super) struct Lack {
    /// The longest time without an answer.
    pub(super) gap: Duration,
    pub(super) sent: usize,
    pub(super) lost: usize,
}

impl Timeline {
    /// Everything that is not as promised, a sentence each.
    pub(super) fn complaints(&self, budget: Duration) -> Vec<String> {
        let seen = self.steps.iter().flat_map(|step| step.services.iter().map(move |seen| (step, seen)));
        let mut complaints = Vec::new();
        for (step, seen) in seen {
            let service = &seen.service;
            if seen.overlaps > 0 {
                complaints.push(format!(
                    "after \"{}\" two nodes served {service} at once, {} times",
                    step.event, seen.overlaps
                ));
            }
            for (client, gap) in seen.gaps() {
                if gap > budget {
                    let gap = millis(gap);
                    complaints.push(format!(
                        "after \"{}\" the {client} client was without {service} for {gap} ms, over the budget",
                        step.event
                    ));
                }
            }
        }
        complaints
    }

    /// The timeline for programs.
    pub(super) fn to_json(&self, budget: Duration) -> Value {
        let complaints = self.complaints(budget);
        json!({
            "budget_ms": budget.as_millis() as u64,
            "ok": complaints.is_empty(),
            "complaints": complaints,
            "steps": self.steps.iter().map(Step::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Step {
    /// The lines of this step.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{:>8.3} s  {}", self.at.as_secs_f64(), self.event)];
        lines.extend(self.services.iter().map(Seen::line));
        lines
    }

    fn to_json(&self) -> Value {
        json!({
            "at_ms": in_ms(self.at),
            "event": self.event,
            "services": self.services.iter().map(Seen::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Seen {
    /// The longest time without an answer of either UDP client.
    pub(super) fn udp_gap(&self) -> Duration {
        self.gateway.gap.max(self.direct.gap)
    }

    /// The longest time without an answer, by client.
    fn gaps(&self) -> [(&'static str, Duration); 3] {
        [("gateway", self.gateway.gap), ("direct", self.direct.gap), ("http", self.http)]
    }

    fn line(&self) -> String {
        let [gateway, direct, http] = self.gaps().map(|(_, gap)| millis(gap));
        let owners = if self.owners.is_empty() { "nobody".to_owned() } else { self.owners.join(" → ") };
        let lost = self.gateway.lost + self.direct.lost;
        let sent = self.gateway.sent + self.direct.sent;
        format!(
            "{:12}{:7}{owners:12} longest gap: gateway {gateway:>7} ms  direct {direct:>7} ms  http {http:>7} ms  \
             lost {lost} of {sent}",
            "", self.service,
        )
    }

    fn to_json(&self) -> Value {
        let lack = |lack: &Lack| json!({ "gap_ms": in_ms(lack.gap), "sent": lack.sent, "lost": lack.lost });
        json!({
            "service": self.service,
            "owners": self.owners,
            "overlaps": self.overlaps,
            "gateway": lack(&self.gateway),
            "direct": lack(&self.direct),
            "http": { "gap_ms": in_ms(self.http) },
        })
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn in_ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(250);

    fn timeline(overlaps: usize, gap_ms: u64) -> Timeline {
        let lack = |ms| Lack { gap: Duration::from_millis(ms), sent: 100, lost: 3 };
        let seen = Seen {
            service: "web-1".into(),
            owners: vec!["n1".into(), "n4".into()],
            overlaps,
            gateway: lack(gap_ms),
            direct: lack(31),
            http: Duration::from_millis(99),
        };
        let step =
            Step { at: Duration::from_millis(1500), event: "n1 loses power".into(), services: vec![seen] };
        Timeline { steps: vec![step] }
    }

    #[test]
    fn a_takeover_within_the_budget_is_no_complaint() {
        let timeline = timeline(0, 250);
        assert_eq!(timeline.complaints(BUDGET), Vec::<String>::new());
        assert_eq!(timeline.to_json(BUDGET)["ok"], true);
        assert_eq!(timeline.to_json(BUDGET)["steps"][0]["services"][0]["gateway"]["gap_ms"], 250.0);
    }

    #[test]
    fn an_overlap_and_a_gap_over_the_budget_are_a_complaint_each() {
        let complaints = timeline(2, 251).complaints(BUDGET);
        assert_eq!(complaints.len(), 2);
        assert!(complaints[0].contains("two nodes served web-1 at once"));
        assert!(complaints[1].contains("the gateway client was without web-1 for 251.00 ms"));
        assert_eq!(timeline(2, 0).to_json(BUDGET)["ok"], false);
    }

    #[test]
    fn a_step_prints_when_and_what_and_a_line_for_each_service() {
        let lines = timeline(0, 30).steps[0].lines();
        assert_eq!(lines[0], "   1.500 s  n1 loses power");
        assert!(lines[1].contains("web-1  n1 → n4"), "{}", lines[1]);
        assert!(lines[1].ends_with("lost 6 of 200"), "{}", lines[1]);
    }
}
