//! Who is dead.

use super::*;

/// Node, and which others it suspects and hears.
type Word = (u16, &'static [u16], &'static [u16]);

fn dead(words: &[Word]) -> Vec<u16> {
    let mut records = records();
    records.retain(|id, _| words.iter().any(|(node, _, _)| *node == id.0));
    for (node, suspected, heard) in words {
        let watches = &mut state(&mut records, *node).watches;
        watches.extend(suspected.iter().map(|&id| (NodeId(id), Watch::Suspected)));
        watches.extend(heard.iter().map(|&id| (NodeId(id), Watch::Alive)));
    }
    let assessment = assess(&roster(), &records);
    assessment.nodes.iter().filter(|(_, node)| node.is_dead()).map(|(id, _)| id.0).collect()
}

#[test]
fn a_node_is_dead_without_a_record_or_when_more_suspect_than_hear_it() {
    let table: [(&str, &[Word], &[u16]); 8] = [
        (
            "nobody says anything",
            &[(1, &[], &[]), (2, &[], &[]), (3, &[], &[]), (4, &[], &[]), (5, &[], &[])],
            &[],
        ),
        ("node 5 has no record", &[(1, &[], &[5]), (2, &[], &[]), (3, &[], &[]), (4, &[], &[])], &[5]),
        (
            "two suspect, one hears",
            &[(1, &[], &[]), (2, &[1], &[]), (3, &[], &[1]), (4, &[1], &[]), (5, &[], &[])],
            &[1],
        ),
        (
            "as many hear as suspect",
            &[(1, &[], &[]), (2, &[1], &[]), (3, &[], &[1]), (4, &[], &[]), (5, &[], &[])],
            &[],
        ),
        (
            "the dead one accused all others, who hear nobody but it in vain",
            &[(1, &[2, 3, 4, 5], &[]), (2, &[1], &[]), (3, &[1], &[]), (4, &[], &[]), (5, &[], &[])],
            &[1],
        ),
        (
            "its own word for itself does not count",
            &[(1, &[], &[1]), (2, &[1], &[]), (3, &[], &[]), (4, &[], &[]), (5, &[], &[])],
            &[1],
        ),
        (
            "the smaller part of a partition",
            &[
                (1, &[3, 4, 5], &[2]),
                (2, &[3, 4, 5], &[1]),
                (3, &[1, 2], &[4, 5]),
                (4, &[1, 2], &[3, 5]),
                (5, &[1, 2], &[3, 4]),
            ],
            &[1, 2],
        ),
        (
            // 1 falls first, by three; then 2 is heard by nobody that counts, and falls by one.
            "who was heard by the dead alone",
            &[(1, &[], &[2]), (2, &[1], &[]), (3, &[1, 2], &[]), (4, &[1], &[]), (5, &[], &[])],
            &[1, 2],
        ),
    ];
    for (case, words, expected) in table {
        assert_eq!(dead(words), expected, "{case}");
    }
}

#[test]
fn a_link_cut_between_two_nodes_kills_neither_while_others_hear_both() {
    let words: &[Word] = &[(1, &[2], &[3]), (2, &[1], &[3]), (3, &[], &[1, 2]), (4, &[], &[]), (5, &[], &[])];
    assert_eq!(dead(words), [0; 0]);
}

#[test]
fn what_a_node_says_twice_counts_once_and_at_its_worst() {
    let mut records = records();
    let heard_and_suspected =
        [(NodeId(1), Watch::Alive), (NodeId(1), Watch::Suspected), (NodeId(1), Watch::Alive)];
    state(&mut records, 2).watches.extend(heard_and_suspected);
    state(&mut records, 3).watches.extend([(NodeId(1), Watch::Alive); 3]);
    let assessment = assess(&roster(), &records);
    let node = &assessment.nodes[&NodeId(1)];
    assert!(!node.is_dead(), "one against one");
    assert_eq!((node.suspected_by.len(), node.answers_to.len()), (1, 1));
}
