//! What `afc explain SERVICE` says: why each candidate stands where it stands.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use afc_engine::priority::Headroom;

use crate::{
    columns::{self, NOTHING, availability},
    status::UnavailableReason,
};

/// Every candidate of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The node that answers.
    pub node: String,
    /// The service.
    pub service: String,
    /// Its home.
    pub home: String,
    /// Who serves it; `null` if nobody is known to.
    pub owner: Option<String>,
    /// Digest of what the lists were computed from, in hex.
    pub inputs: String,
    /// Best first.
    pub candidates: Vec<ExplainedCandidate>,
}

/// Why a candidate stands where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainedCandidate {
    /// The node.
    pub node: String,
    /// Its place, from 1, the primary.
    pub rank: usize,
    /// Its place in the configuration, from 1.
    pub preference: usize,
    /// Whether it would take the service over.
    pub available: bool,
    /// Why not: which threshold, since when.
    pub reasons: Vec<ExplainedReason>,
    /// How far from its thresholds.
    pub headroom: Headroom,
    /// Why it has this rank.
    pub why: String,
}

/// One reason why a candidate is not available.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainedReason {
    /// The reason.
    pub reason: UnavailableReason,
    /// For how long, s: as the node itself says, or since this node found out; `null` where neither is known.
    pub for_s: Option<f64>,
    /// What was measured, against which threshold; or what else makes it so.
    pub detail: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.owner.as_deref().unwrap_or("nobody");
        writeln!(
            f,
            "{}, at home on {}, is served by {owner}; as node {} sees it:",
            self.service, self.home, self.node
        )?;
        writeln!(f)?;
        let head = ["RANK", "NODE", "STATE", "HEADROOM", "PREFERENCE", "WHY"];
        let rows: Vec<_> = self.candidates.iter().map(row).collect();
        columns::write(f, &head, &rows)?;
        for candidate in &self.candidates {
            for reason in &candidate.reasons {
                writeln!(f, "\n{}: {}", candidate.node, sentence(reason))?;
            }
        }
        Ok(())
    }
}

fn row(candidate: &ExplainedCandidate) -> Vec<String> {
    let reasons: Vec<_> = candidate.reasons.iter().map(|reason| reason.reason).collect();
    vec![
        candidate.rank.to_string(),
        candidate.node.clone(),
        availability(&reasons),
        match candidate.headroom {
            Headroom::Ample => NOTHING.to_owned(),
            Headroom::Tight => "tight".to_owned(),
        },
        candidate.preference.to_string(),
        candidate.why.clone(),
    ]
}

fn sentence(reason: &ExplainedReason) -> String {
    let lasting = reason.for_s.map_or_else(String::new, |seconds| {
        format!(" for {}", humantime::format_duration(Duration::from_millis((seconds * 1e3) as u64)))
    });
    format!("{}{lasting}: {}", reason.reason.name(), reason.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_candidate_has_its_rank_and_each_reason_its_threshold() {
        let explanation = Explanation {
            node: "n2".to_owned(),
            service: "web-1".to_owned(),
            home: "n1".to_owned(),
            owner: Some("n1".to_owned()),
            inputs: "00000000000000aa".to_owned(),
            candidates: vec![
                ExplainedCandidate {
                    node: "n5".to_owned(),
                    rank: 1,
                    preference: 2,
                    available: true,
                    reasons: vec![],
                    headroom: Headroom::Ample,
                    why: "the first that is available".to_owned(),
                },
                ExplainedCandidate {
                    node: "n4".to_owned(),
                    rank: 2,
                    preference: 1,
                    available: false,
                    reasons: vec![ExplainedReason {
                        reason: UnavailableReason::Memory,
                        for_s: Some(12.5),
                        detail: "310 MiB available, less than 512 MiB".to_owned(),
                    }],
                    headroom: Headroom::Tight,
                    why: "not available".to_owned(),
                },
            ],
        };
        let wanted = "\
web-1, at home on n1, is served by n1; as node n2 sees it:

RANK  NODE  STATE      HEADROOM  PREFERENCE  WHY
1     n5    A          -         2           the first that is available
2     n4    N(memory)  tight     1           not available

n4: memory for 12s 500ms: 310 MiB available, less than 512 MiB
";
        assert_eq!(explanation.to_string(), wanted);
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!(serde_json::from_value::<Explanation>(json).unwrap(), explanation);
    }
}
