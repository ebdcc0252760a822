//! Rust as a tree of tokens with line numbers: enough for the house rules, and much less than a syntax tree.
//!
//! Words in strings and comments are no tokens of ours.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One token, or a bracketed group of them.
pub(super) struct Token {
    pub(super) line: usize,
    kind: Kind,
}

enum Kind {
    Word(String),
    Mark(char),
    Group {
        delimiter: Delimiter,
        tokens: Vec<Token>,
        last_line: usize,
    },
    Literal,
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Mark(_) | Kind::Group { .. } | Kind::Literal => None,
        }
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(super) fn is_mark(&self, mark: char) -> bool {
        matches!(self.kind, Kind::Mark(own) if own == mark)
    }

    /// What is between brackets, whichever they are.
    pub(super) fn inside(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Group { tokens, .. } => Some(tokens),
            Kind::Word(_) | Kind::Mark(_) | Kind::Literal => None,
        }
    }

    pub(super) fn is_braces(&self) -> bool {
        self.is_group(Delimiter::Brace)
    }

    pub(super) fn is_parentheses(&self) -> bool {
        self.is_group(Delimiter::Parenthesis)
    }

    pub(super) fn is_square_brackets(&self) -> bool {
        self.is_group(Delimiter::Bracket)
    }

    /// The line of the closing bracket, or of the token itself.
    pub(super) fn last_line(&self) -> usize {
        match self.kind {
            Kind::Group { last_line, .. } => last_line,
            Kind::Word(_) | Kind::Mark(_) | Kind::Literal => self.line,
        }
    }

    fn is_group(&self, wanted: Delimiter) -> bool {
        matches!(self.kind, Kind::Group { delimiter, .. } if delimiter == wanted)
    }
}

/// The tokens of a file.
pub(super) fn tree(stream: TokenStream) -> Vec<Token> {
    stream.into_iter().map(token).collect()
}

fn token(tree_of_rustc: TokenTree) -> Token {
    let line = tree_of_rustc.span().start().line;
    let kind = match tree_of_rustc {
        TokenTree::Ident(word) => Kind::Word(word.to_string()),
        TokenTree::Punct(mark) => Kind::Mark(mark.as_char()),
        TokenTree::Literal(_) => Kind::Literal,
        TokenTree::Group(group) => Kind::Group {
            delimiter: group.delimiter(),
            last_line: group.span_close().end().line,
            tokens: tree(group.stream()),
        },
    };
    Token { line, kind }
}

/// Every place in the tree: the tokens from there to the end of their group.
pub(super) fn places(tokens: &[Token]) -> Vec<&[Token]> {
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        found.push(&tokens[index..]);
        found.extend(token.inside().map(places).unwrap_or_default());
    }
    found
}

/// A path such as `std::time::Instant`, also out of a `use` of several.
pub(super) struct Path {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
}

impl Path {
    /// Whether this names `wanted` or something in it.
    pub(super) fn is_within(&self, wanted: &str) -> bool {
        let mut own = self.segments.iter();
        wanted
            .split("::")
            .all(|segment| own.next().is_some_and(|own| own == segment))
    }

    /// Whether this makes `wanted` reachable by naming a module around it, as `use std::time` does.
    pub(super) fn contains(&self, wanted: &str) -> bool {
        let wanted: Vec<&str> = wanted.split("::").collect();
        self.segments.len() > 1 && wanted.len() > self.segments.len() && self.is_within_all(&wanted)
    }

    pub(super) fn ends_with(&self, wanted: &str) -> bool {
        let mut own = self.segments.iter().rev();
        wanted
            .rsplit("::")
            .all(|segment| own.next().is_some_and(|own| own == segment))
    }

    fn is_within_all(&self, wanted: &[&str]) -> bool {
        self.segments
            .iter()
            .zip(wanted)
            .all(|(own, wanted)| own == wanted)
    }
}

/// Every path in the tree, single words among them.
pub(super) fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut found = Vec::new();
    collect_paths(tokens, &[], &mut found);
    found
}

/// `prefix` is what a `use` put before the group that `tokens` are of.
fn collect_paths(tokens: &[Token], prefix: &[String], found: &mut Vec<Path>) {
    let mut rest = tokens;
    while let [first, after @ ..] = rest {
        rest = after;
        let Some(word) = first.word() else {
            collect_paths(first.inside().unwrap_or_default(), &[], found);
            continue;
        };
        let mut segments = prefix.to_vec();
        // `use a::{self}` names `a`.
        segments.extend((prefix.is_empty() || word != "self").then(|| word.to_owned()));
        while let [colon, second, next, after @ ..] = rest
            && colon.is_mark(':')
            && second.is_mark(':')
            && let Some(word) = next.word()
        {
            segments.push(word.to_owned());
            rest = after;
        }
        if let [colon, second, group, after @ ..] = rest
            && colon.is_mark(':')
            && second.is_mark(':')
            && group.is_braces()
        {
            collect_paths(group.inside().unwrap_or_default(), &segments, found);
            rest = after;
            continue;
        }
        found.push(Path {
            line: first.line,
            segments,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_out_of_expressions_and_nested_uses() {
        let code = "use std::{time::{self, Duration}, net::*}; fn f() { ::tokio::spawn(\"std::fs\") }";
        let found: Vec<String> = paths(&tree(code.parse().unwrap()))
            .into_iter()
            .map(|path| path.segments.join("::"))
            .collect();
        assert_eq!(
            found,
            [
                "use",
                "std::time",
                "std::time::Duration",
                "std::net",
                "fn",
                "f",
                "tokio::spawn"
            ]
        );
    }

    #[test]
    fn a_path_is_within_what_it_starts_with_and_contains_what_goes_on() {
        let path = |text: &str| Path {
            line: 1,
            segments: text.split("::").map(str::to_owned).collect(),
        };
        assert!(path("std::net::IpAddr").is_within("std::net"));
        assert!(!path("std::network").is_within("std::net"));
        assert!(path("std::time").contains("std::time::Instant"));
        assert!(!path("std::time::Duration").contains("std::time::Instant"));
        assert!(!path("std").contains("std::net"), "alone it is any word");
        assert!(path("std::thread::sleep").ends_with("thread::sleep"));
    }
}
