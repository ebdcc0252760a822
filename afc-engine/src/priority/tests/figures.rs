//! Figures 5, 8 and 9 of the invention: five nodes, of which 4 and 5 are passive. (6 and 7 are 8 as seen before all nodes
//! know of it.)

use afc_ebpf::identity::{NodeId, ServiceId};

use super::super::*;
use crate::availability::UnavailableReason;

/// The backups of nodes 1 to 5, with A or N.
type Columns = [&'static str; 5];

#[derive(Clone, Copy)]
struct Story {
    reasons_of_4: Reasons,
    owner_of_1: u16,
    reasons_of_1: Reasons,
    reasons_of_5: Reasons,
}

const SERVING: Reasons = Reasons::NONE.with(UnavailableReason::Serving);
const SHORT: Reasons = Reasons::NONE.with(UnavailableReason::Memory);

const FIGURE_5: Story =
    Story { reasons_of_4: Reasons::NONE, owner_of_1: 1, reasons_of_1: SERVING, reasons_of_5: Reasons::NONE };
const FIGURE_8: Story = Story { reasons_of_4: SHORT, ..FIGURE_5 };
const FIGURE_9: Story = Story {
    owner_of_1: 5,
    reasons_of_1: Reasons::NONE.with(UnavailableReason::Dead),
    reasons_of_5: SERVING,
    ..FIGURE_8
};

fn inputs(story: Story) -> Inputs {
    let node = |(id, reasons): (u16, Reasons)| NodeInput {
        id: NodeId(id),
        reasons,
        headroom: Headroom::Ample,
        room: 1,
    };
    let nodes = [
        (1, story.reasons_of_1),
        (2, SERVING),
        (3, SERVING),
        (4, story.reasons_of_4),
        (5, story.reasons_of_5),
    ];
    let service = |(home, backups, owner): (u16, [u16; 2], u16)| ServiceInput {
        id: ServiceId(u32::from(home) * 100),
        home: NodeId(home),
        home_stands_ready: owner == home,
        backups: backups.map(NodeId).to_vec(),
        owner: NodeId(owner),
    };
    let services = [(1, [4, 5], story.owner_of_1), (2, [4, 5], 2), (3, [5, 4], 3)];
    Inputs { nodes: nodes.map(node).to_vec(), services: services.map(service).to_vec() }
}

fn columns(lists: &Lists) -> [String; 5] {
    [1, 2, 3, 4, 5].map(|id| {
        let backups = match lists.node(NodeId(id)) {
            Some(list) => &list.backups,
            None => &lists.service(ServiceId(u32::from(id) * 100)).unwrap().backups,
        };
        let state = |backup: &Backup| if backup.reasons.is_available() { 'A' } else { 'N' };
        let places: Vec<_> = backups.iter().map(|at| format!("{}{}", at.node.0, state(at))).collect();
        places.join(" ")
    })
}

#[test]
fn lists_follow_the_story_of_figures_5_to_9() {
    let story: [(&str, Story, Columns); 3] = [
        ("figure 5", FIGURE_5, ["4A 5A", "4A 5A", "5A 4A", "5A", "4A"]),
        ("figure 8", FIGURE_8, ["5A 4N", "5A 4N", "5A 4N", "5A", "4N"]),
        ("figure 9", FIGURE_9, ["4N 5N", "4N 5N", "5N 4N", "5N", "4N"]),
    ];
    for (figure, story, expected) in story {
        assert_eq!(columns(&lists(&inputs(story))), expected, "{figure}");
    }
}

#[test]
fn static_lists_choose_node_4_in_vain() {
    let expected = ["4N 5A", "4N 5A", "5A 4N", "5A", "4N"];
    assert_eq!(columns(&static_lists(&inputs(FIGURE_8))), expected);
}
