//! How a simulated cluster looks, and what its network does. Plain numbers, which a plan writes down.

use afc_ebpf::{
    identity::{NodeId, ServiceId},
    lease::MAX_VOTERS,
};
use serde::{Deserialize, Serialize};

use crate::{Role, Safety, ServiceSetup};

/// One millisecond.
pub(super) const MS: u64 = 1_000_000;
/// The lease of every simulated cluster.
pub(super) const LEASE: u64 = 25 * MS;
/// Its interval.
pub(super) const INTERVAL: u64 = 5 * MS;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Network {
    /// Of 1000 messages, how many are lost,
    pub(super) lost: u32,
    /// come twice,
    pub(super) doubled: u32,
    /// or are held up for up to `held_up_ns`.
    pub(super) held_up: u32,
    pub(super) held_up_ns: u64,
    /// Every message takes at least this,
    pub(super) delay_ns: u64,
    /// and up to this more.
    pub(super) jitter_ns: u64,
}

impl Network {
    pub(super) const GOOD: Self =
        Self { lost: 0, doubled: 0, held_up: 0, held_up_ns: 0, delay_ns: 20_000, jitter_ns: 100_000 };
}

/// How a cluster looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    /// As letters: `M`ember, `W`itness, `G`ateway.
    #[serde(with = "letters")]
    pub(super) roles: Vec<Role>,
    /// Home and backups of each service; the first is the home.
    pub(super) services: Vec<Vec<u16>>,
    /// Plans are about the promise, which best effort does not give.
    #[serde(skip, default = "quorum")]
    pub(super) safety: Safety,
    pub(super) preempt: bool,
    pub(super) capacity: u32,
    pub(super) start_grace_ns: u64,
    pub(super) lease_ns: u64,
    pub(super) interval_ns: u64,
    /// Whether every node computes the lists and tells them its engine; else the configured order stands.
    pub(super) keeps_lists: bool,
}

impl Shape {
    /// Three homes, two passive backups.
    pub(super) fn five() -> Self {
        Self {
            roles: vec![Role::Member; 5],
            services: vec![vec![1, 4, 5], vec![2, 4, 5], vec![3, 4, 5]],
            safety: Safety::Quorum,
            preempt: false,
            capacity: 1,
            start_grace_ns: 100 * MS,
            lease_ns: LEASE,
            interval_ns: INTERVAL,
            keeps_lists: false,
        }
    }

    /// Three members, one service that each may hold.
    pub(super) fn three() -> Self {
        Self { roles: vec![Role::Member; 3], services: vec![vec![1, 2, 3]], ..Self::five() }
    }

    /// Every service as each engine is told of it.
    pub(super) fn service_setups(&self, nodes: &[(NodeId, Role)]) -> Vec<ServiceSetup> {
        let eligible = nodes.iter().filter(|(_, role)| *role != Role::Gateway);
        let eligible: Vec<NodeId> = eligible.map(|(id, _)| *id).collect();
        let service = |(place, candidates): (usize, &Vec<u16>)| ServiceSetup {
            id: ServiceId(1000 + place as u32),
            home: NodeId(candidates[0]),
            candidates: candidates.iter().map(|node| NodeId(*node)).collect(),
            voters: voters(candidates, &eligible, place),
            preempt: self.preempt,
        };
        self.services.iter().enumerate().map(service).collect()
    }
}

/// "All members up to 7; beyond, its home, its backups and further members up to 7": others for each service.
fn voters(candidates: &[u16], eligible: &[NodeId], place: usize) -> Vec<NodeId> {
    if eligible.len() <= MAX_VOTERS {
        return eligible.to_vec();
    }
    let first = candidates.iter().map(|node| NodeId(*node));
    let further = eligible.iter().cycle().skip(MAX_VOTERS * place).take(eligible.len()).copied();
    let mut voters: Vec<NodeId> = Vec::new();
    for node in first.chain(further) {
        if voters.len() < MAX_VOTERS && !voters.contains(&node) {
            voters.push(node);
        }
    }
    voters
}

fn quorum() -> Safety {
    Safety::Quorum
}

mod letters {
    //! Roles, a letter each.

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::Role;

    pub(super) fn serialize<S: Serializer>(roles: &[Role], serializer: S) -> Result<S::Ok, S::Error> {
        let letter = |role: &Role| match role {
            Role::Member => 'M',
            Role::Witness => 'W',
            Role::Gateway => 'G',
        };
        serializer.serialize_str(&roles.iter().map(letter).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Role>, D::Error> {
        let role = |letter| match letter {
            'M' => Ok(Role::Member),
            'W' => Ok(Role::Witness),
            'G' => Ok(Role::Gateway),
            other => Err(D::Error::custom(format!("{other:?} is no role"))),
        };
        String::deserialize(deserializer)?.chars().map(role).collect()
    }
}
