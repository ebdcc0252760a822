//! The lists as the matrix of figures 5 to 9: a column for each node, its backups below each other.

use std::fmt;

use super::{BackupList, ListMatrix, ListedBackup};
use crate::{
    columns::{self, NOTHING, availability},
    config::ListMode,
};

/// The names of the first places.
const PLACES: [&str; 3] = ["primary", "secondary", "tertiary"];

impl fmt::Display for ListMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            ListMode::Adaptive => "",
            ListMode::Static => " (static)",
        };
        writeln!(f, "lists{mode} of node {} since {}, digest {}", self.node, self.at, self.digest)?;
        if !self.differing.is_empty() {
            writeln!(f, "ALARM: {} made other lists of the same inputs", self.differing.join(", "))?;
        }
        writeln!(f)?;
        let mut head = vec![""];
        head.extend(self.lists.iter().map(|list| list.node.as_str()));
        let mut rows = vec![
            self.row("state", |list| self.state(list)),
            self.row("service", |list| list.service.clone()),
            self.row("served by", |list| list.owner.clone()),
        ];
        let places = self.lists.iter().map(|list| list.backups.len()).max().unwrap_or(0);
        rows.extend((0..places).map(|place| {
            let name =
                PLACES.get(place).map_or_else(|| format!("backup {}", place + 1), |&name| name.to_owned());
            self.row(&name, |list| list.backups.get(place).map(backup))
        }));
        columns::write(f, &head, &rows)
    }
}

impl ListMatrix {
    fn row(&self, name: &str, cell: impl Fn(&BackupList) -> Option<String>) -> Vec<String> {
        let cells = self.lists.iter().map(|list| cell(list).unwrap_or_else(|| NOTHING.to_owned()));
        std::iter::once(name.to_owned()).chain(cells).collect()
    }

    fn state(&self, list: &BackupList) -> Option<String> {
        let node = self.nodes.iter().find(|node| node.name == list.node)?;
        Some(availability(&node.reasons))
    }
}

fn backup(backup: &ListedBackup) -> String {
    format!("{} {}", backup.node, availability(&backup.reasons))
}

#[cfg(test)]
mod tests {
    use crate::lists::tests::example;

    #[test]
    fn every_node_has_a_column_with_its_backups() {
        let wanted = "\
lists of node n2 since 2023-11-14T22:13:20.000001Z, digest 00000000000000bb

           n1            n4         n5
state      N(serving)    N(memory)  A
service    web-1         -          -
served by  n1            -          -
primary    n5 A          n5 A       n4 N(memory)
secondary  n4 N(memory)  -          -
";
        assert_eq!(example().to_string(), wanted);
    }

    #[test]
    fn nodes_that_disagree_are_an_alarm() {
        let mut lists = example();
        lists.differing = vec!["n3".to_owned()];
        assert!(lists.to_string().contains("ALARM: n3 made other lists"), "{lists}");
    }
}
