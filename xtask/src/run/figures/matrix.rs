//! One node's lists reduced to what a figure shows: a column for each node, with its state and its backups. Pure.

use afc_lab::lists;
use serde_json::{Value, json};

/// The names of the first places.
const PLACES: [&str; 3] = ["primary", "secondary", "tertiary"];

/// What a figure shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matrix(pub(super) Vec<Column>);

/// A node's column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) node: String,
    /// `A`, or `N` with its reasons.
    pub(super) state: String,
    /// Best first, each with its state.
    pub(super) backups: Vec<String>,
}

impl Matrix {
    /// Of `afc lists --json`.
    pub(super) fn of(said: &Value) -> Self {
        let nodes = said["nodes"].as_array().into_iter().flatten();
        let mut names: Vec<_> = nodes.filter_map(|node| node["name"].as_str()).collect();
        names.sort_unstable();
        let column = |node: &str| Column {
            node: node.to_owned(),
            state: lists::state(said, node).unwrap_or_default(),
            backups: lists::backups(said, node).unwrap_or_default(),
        };
        Self(names.into_iter().map(column).collect())
    }

    /// As aligned lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut rows = vec![
            self.row("", |column| Some(column.node.as_str())),
            self.row("state", |column| Some(column.state.as_str())),
        ];
        let places = self.0.iter().map(|column| column.backups.len()).max().unwrap_or(0);
        rows.extend((0..places).map(|place| {
            let name = PLACES.get(place).copied().unwrap_or("further");
            self.row(name, |column| column.backups.get(place).map(String::as_str))
        }));
        aligned(&rows)
    }

    /// Everything in which it is not as expected, a phrase each.
    pub(super) fn differences(&self, expected: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for wanted in &expected.0 {
            let Some(found) = self.0.iter().find(|column| column.node == wanted.node) else {
                differences.push(format!("has no {}", wanted.node));
                continue;
            };
            if found.state != wanted.state {
                differences.push(format!("{} is {}, not {}", wanted.node, found.state, wanted.state));
            }
            if found.backups != wanted.backups {
                let [found, wanted_ones] = [&found.backups, &wanted.backups].map(|names| names.join(", "));
                differences.push(format!("{} is backed up by [{found}], not [{wanted_ones}]", wanted.node));
            }
        }
        differences
    }

    pub(super) fn to_json(&self) -> Value {
        let column = |column: &Column| json!({ "node": column.node, "state": column.state, "backups": column.backups });
        self.0.iter().map(column).collect()
    }

    fn row<'a>(&'a self, name: &'a str, cell: impl Fn(&'a Column) -> Option<&'a str>) -> Vec<&'a str> {
        let cells = self.0.iter().map(|column| cell(column).unwrap_or("-"));
        std::iter::once(name).chain(cells).collect()
    }
}

/// Rows with each column as wide as its widest cell.
pub(super) fn aligned<S: AsRef<str>>(rows: &[Vec<S>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.as_ref().chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<S>| {
        let cells = row.iter().zip(&widths);
        let line: String = cells.map(|(cell, &width)| format!("{:width$}  ", cell.as_ref())).collect();
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Value {
        let n5 = json!({"node": "n5", "available": true, "reasons": []});
        let n4 = json!({"node": "n4", "available": false, "reasons": ["memory"]});
        json!({
            "nodes": [
                {"name": "n5", "available": true, "reasons": []},
                {"name": "n1", "available": false, "reasons": ["serving"]},
            ],
            "lists": [
                {"node": "n1", "service": "web-1", "backups": [n5, n4]},
                {"node": "n5", "service": null, "backups": [n4]},
            ],
        })
    }

    #[test]
    fn every_node_has_a_column_whatever_order_they_came_in() {
        let wanted = [
            "           n1            n5",
            "state      N(serving)    A",
            "primary    n5 A          n4 N(memory)",
            "secondary  n4 N(memory)  -",
        ];
        assert_eq!(Matrix::of(&said()).lines(), wanted);
    }

    #[test]
    fn a_difference_names_the_column_and_both_values() {
        let mut expected = Matrix::of(&said());
        assert_eq!(Matrix::of(&said()).differences(&expected), Vec::<String>::new());
        expected.0[0].backups.swap(0, 1);
        expected.0[1].state = "N(drained)".to_owned();
        let wanted =
            ["n1 is backed up by [n5 A, n4 N(memory)], not [n4 N(memory), n5 A]", "n5 is A, not N(drained)"];
        assert_eq!(Matrix::of(&said()).differences(&expected), wanted);
    }
}
