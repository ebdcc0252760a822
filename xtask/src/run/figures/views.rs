//! A figure as the nodes had it: each node's own view, printed once where all agree, and compared with what it must be. Pure.

use std::collections::BTreeMap;

use afc_lab::lists::ListVersion;
use serde_json::{Value, json};

use super::{expected::Figure, matrix::Matrix};

/// How many nodes, in words.
const COUNTS: [&str; 6] = ["no", "one", "both", "all three", "all four", "all five"];

/// A figure, from the nodes whose views belong to it.
#[derive(Clone, Debug)]
pub(super) struct Views {
    figure: Figure,
    /// One for each of these nodes; none for one that has no lists.
    views: BTreeMap<String, Option<Matrix>>,
}

impl Views {
    /// What these nodes had.
    pub(super) fn of(figure: Figure, nodes: &[&str], versions: &BTreeMap<String, ListVersion>) -> Self {
        let matrix = |node: &str| versions.get(node).map(|version| Matrix::of(&version.lists));
        Self { figure, views: nodes.iter().map(|&node| (node.to_owned(), matrix(node))).collect() }
    }

    /// The figure, once for each view that differs.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("figure {}: {}", self.figure.number, self.figure.title)];
        let groups = self.groups();
        for (nodes, matrix) in &groups {
            let shown = matrix.map_or_else(|| vec!["no lists".to_owned()], Matrix::lines);
            lines.extend(shown.into_iter().map(|line| format!("  {line}")));
            lines.push(match (groups.len(), nodes.as_slice()) {
                (_, [node]) => format!("  as {node} has it"),
                (1, nodes) => format!("  {} nodes agree: {}", in_words(nodes.len()), nodes.join(", ")),
                (_, nodes) => format!("  as {} have it", nodes.join(", ")),
            });
        }
        let differences = self.differences();
        lines.push(match differences.as_slice() {
            [] => "  as expected".to_owned(),
            differences => format!("  NOT as expected: {}", differences.join("; ")),
        });
        lines
    }

    /// Everything that is not as expected, a sentence each.
    pub(super) fn complaints(&self) -> Vec<String> {
        let differences = self.differences().into_iter();
        differences.map(|difference| format!("figure {}: {difference}", self.figure.number)).collect()
    }

    /// Whether every node has what it must have.
    pub(super) fn is_as_expected(&self) -> bool {
        self.differences().is_empty()
    }

    pub(super) fn to_json(&self) -> Value {
        let views: BTreeMap<_, _> =
            self.views.iter().map(|(node, view)| (node, view.as_ref().map(Matrix::to_json))).collect();
        json!({
            "figure": self.figure.number,
            "title": self.figure.title,
            "ok": self.is_as_expected(),
            "differences": self.differences(),
            "agree": self.groups().len() == 1,
            "expected": self.figure.matrix().to_json(),
            "views": views,
        })
    }

    fn differences(&self) -> Vec<String> {
        let expected = self.figure.matrix();
        let of_node = |(node, view): (&String, &Option<Matrix>)| {
            let Some(view) = view else { return Some(format!("{node} has no lists")) };
            let differences = view.differences(&expected);
            (!differences.is_empty()).then(|| format!("in the lists of {node} {}", differences.join(", ")))
        };
        self.views.iter().filter_map(of_node).collect()
    }

    /// The nodes that have the same view, for each view that there is.
    fn groups(&self) -> Vec<(Vec<String>, Option<&Matrix>)> {
        let mut groups: Vec<(Vec<String>, Option<&Matrix>)> = Vec::new();
        for (node, view) in &self.views {
            match groups.iter_mut().find(|(_, matrix)| *matrix == view.as_ref()) {
                Some((nodes, _)) => nodes.push(node.clone()),
                None => groups.push((vec![node.clone()], view.as_ref())),
            }
        }
        groups
    }
}

fn in_words(count: usize) -> String {
    COUNTS.get(count).map_or_else(|| format!("all {count}"), |&word| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{super::expected, *};

    fn views(nodes: &[(&str, Figure)]) -> Views {
        let view = |&(node, figure): &(&str, Figure)| (node.to_owned(), Some(figure.matrix()));
        Views { figure: expected::EIGHT, views: nodes.iter().map(view).collect() }
    }

    #[test]
    fn nodes_that_agree_are_printed_once() {
        let views = views(&["n1", "n2", "n3", "n4", "n5"].map(|node| (node, expected::SIX)));
        let lines = views.lines();
        assert_eq!(lines.len(), 7, "{lines:#?}");
        assert_eq!(lines[5], "  all five nodes agree: n1, n2, n3, n4, n5");
        assert_eq!(lines[6], "  as expected");
        assert!(views.is_as_expected() && views.to_json()["agree"] == true);
    }

    #[test]
    fn a_node_that_differs_is_printed_beside_the_others_and_is_a_complaint() {
        let views = views(&[("n1", expected::EIGHT), ("n2", expected::SEVEN), ("n3", expected::EIGHT)]);
        let lines = views.lines();
        assert!(lines.contains(&"  as n1, n3 have it".to_owned()), "{lines:#?}");
        assert!(lines.contains(&"  as n2 has it".to_owned()), "{lines:#?}");
        let complaints = views.complaints();
        assert_eq!(complaints.len(), 1);
        assert!(
            complaints[0].starts_with("figure 8: in the lists of n2 n1 is backed up by [n4 A, n5 A], not")
        );
        assert_eq!(views.to_json()["ok"], false);
    }

    #[test]
    fn a_node_without_lists_is_a_complaint() {
        let views = Views::of(expected::EIGHT, &["n2"], &BTreeMap::new());
        assert_eq!(views.complaints(), ["figure 8: n2 has no lists"]);
        assert!(views.lines().contains(&"  no lists".to_owned()));
    }
}
