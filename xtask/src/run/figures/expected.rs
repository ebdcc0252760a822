//! The invention's figures 5 to 9 as data: what every node's lists must say at each point of the story.

use super::matrix::{Column, Matrix};

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) number: u8,
    pub(super) title: &'static str,
    columns: [(&'static str, &'static str, &'static [&'static str]); 5],
}

const SERVING: &str = "N(serving)";
const SHORT: &str = "N(memory)";

pub(super) const FIVE: Figure = Figure {
    number: 5,
    title: "every node is well: n4 is primary for n1, n2 and n5, n5 for n3 and n4",
    columns: WELL,
};

pub(super) const SIX: Figure =
    Figure { number: 6, title: "n4 is short of memory, and says so in its own lists", columns: N4_SHORT };

pub(super) const SEVEN: Figure =
    Figure { number: 7, title: "at that instant the others do not know yet", columns: WELL };

pub(super) const EIGHT: Figure = Figure {
    number: 8,
    title: "n4's state has reached every node: n5 is primary for n1, n2 and n3",
    columns: N4_SHORT,
};

pub(super) const NINE: Figure = Figure {
    number: 9,
    title: "n1 is dead, n5 serves web-1 and takes nothing more over",
    columns: [
        ("n1", "N(dead)", &["n5 N(serving)", "n4 N(memory)"]),
        ("n2", SERVING, &["n5 N(serving)", "n4 N(memory)"]),
        ("n3", SERVING, &["n5 N(serving)", "n4 N(memory)"]),
        ("n4", SHORT, &["n5 N(serving)"]),
        ("n5", SERVING, &["n4 N(memory)"]),
    ],
};

const WELL: [(&str, &str, &[&str]); 5] = [
    ("n1", SERVING, &["n4 A", "n5 A"]),
    ("n2", SERVING, &["n4 A", "n5 A"]),
    ("n3", SERVING, &["n5 A", "n4 A"]),
    ("n4", "A", &["n5 A"]),
    ("n5", "A", &["n4 A"]),
];

const N4_SHORT: [(&str, &str, &[&str]); 5] = [
    ("n1", SERVING, &["n5 A", "n4 N(memory)"]),
    ("n2", SERVING, &["n5 A", "n4 N(memory)"]),
    ("n3", SERVING, &["n5 A", "n4 N(memory)"]),
    ("n4", SHORT, &["n5 A"]),
    ("n5", "A", &["n4 N(memory)"]),
];

impl Figure {
    /// What each node's lists must say.
    pub(super) fn matrix(&self) -> Matrix {
        let column = |&(node, state, backups): &(&str, &str, &[&str])| Column {
            node: node.to_owned(),
            state: state.to_owned(),
            backups: backups.iter().map(|&backup| backup.to_owned()).collect(),
        };
        Matrix(self.columns.iter().map(column).collect())
    }
}
