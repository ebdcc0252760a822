//! Shows every rule firing: on `fixtures.txt`, and here where a fixture could not hold the breach itself.

use std::collections::BTreeSet;

use super::source::Source;
use super::{RULES, breaches};

const FIXTURES: &str = include_str!("fixtures.txt");

/// Rules that other tests show.
const NOT_IN_FIXTURES: [&str; 5] =
    ["developer-path", "file-length", "function-length", "host-name", "whitespace"];

/// Where something is wrong, as in `src/main.rs:7 [layers]`.
type Places = BTreeSet<String>;

#[test]
fn fixtures_are_told_where_they_are_marked_and_nowhere_else() {
    let mut files = Vec::new();
    let mut marked = Places::new();
    for fixture in FIXTURES.split("\n=== ").skip(1) {
        let (path, text) = fixture.split_once('\n').expect("a path has a line of its own");
        for (index, line) in text.lines().enumerate() {
            let rules = line.split_once("//~ ").map(|(_, rule)| place(path, index + 1, rule));
            marked.extend(rules);
        }
        files.push((path.to_owned(), format!("{}\n", text.trim_end())));
    }
    assert_eq!(told(files), marked);
}

#[test]
fn every_rule_is_in_the_fixtures_or_has_a_test_here() {
    for rule in &RULES {
        let is_marked = FIXTURES.lines().any(|line| line.ends_with(&format!("//~ {}", rule.name)));
        assert!(is_marked != NOT_IN_FIXTURES.contains(&rule.name), "{}", rule.name);
    }
}

#[test]
fn a_file_has_at_most_400_lines() {
    let longest = "//! A line.\n".repeat(400);
    let files = [
        ("longest.rs", longest.clone()),
        ("too_long.rs", format!("{longest}//! One more.\n")),
        ("table.json", longest.repeat(2)),
    ];
    assert_eq!(told(files), Places::from([place("too_long.rs", 401, "file-length")]));
}

#[test]
fn a_function_has_at_most_70_lines() {
    let method = |lines: usize| {
        format!("//! A method.\nimpl S {{\n    fn f() {{\n{}    }}\n}}\n", "        x();\n".repeat(lines - 2))
    };
    let files = [("longest.rs", method(70)), ("too_long.rs", method(71))];
    assert_eq!(told(files), Places::from([place("too_long.rs", 3, "function-length")]));
}

#[test]
fn white_space_is_spaces_inside_of_lines_that_end() {
    let files = [
        ("a.md", "told: \n\ttold\ntold\r\nnot told: a\tb\nnot ended"),
        (".ci/run", "told \n"),
        ("a.svg", "not told \n"),
    ];
    let expected = [("a.md", 1), ("a.md", 2), ("a.md", 5), (".ci/run", 1)];
    assert_eq!(told(files), expected.map(|(path, line)| place(path, line, "whitespace")).into());
}

#[test]
fn package_servers_are_not_named() {
    let server = ["deb", "debian", "org"].join(".");
    let files = [("a.md", format!("the machine's own mirror of Debian\nsee {server}/pool\n"))];
    assert_eq!(told(files), Places::from([place("a.md", 2, "host-name")]));
}

#[test]
fn paths_that_only_one_machine_has_are_not_named() {
    let [root, home] = ["root", "home"].map(|directory| format!("/{directory}/x"));
    let text = format!("in {root}\nin (`{home}`)\nowner{home}, ../..{root}, /homestead\n");
    let files = [("a.md", text)];
    let expected = [1, 2].map(|line| place("a.md", line, "developer-path"));
    assert_eq!(told(files), expected.into());
}

#[test]
fn what_is_no_rust_is_an_error_that_names_the_file() {
    let error = Source::parse("a.rs".to_owned(), "fn f() {".to_owned()).err().unwrap();
    assert!(error.to_string().contains("a.rs"), "{error}");
}

fn told<P: Into<String>, T: Into<String>>(files: impl IntoIterator<Item = (P, T)>) -> Places {
    let files = files.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
    let sources = Source::parse_all(files).unwrap();
    breaches(&sources).iter().map(|found| place(found.path, found.line, found.rule)).collect()
}

fn place(path: &str, line: usize, rule: &str) -> String {
    format!("{path}:{line} [{rule}]")
}
