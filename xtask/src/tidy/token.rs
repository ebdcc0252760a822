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
    Group { delimiter: Delimiter, tokens: Vec<Token>, last_line: usize },
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
    text: String,
}

impl Path {
    /// Whether this names `wanted` or something in it.
    pub(super) fn is_within(&self, wanted: &str) -> bool {
        self.text.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// Whether this makes `wanted` reachable by naming a module around it, as `use std::time` does.
    pub(super) fn contains(&self, wanted: &str) -> bool {
        self.text.contains("::") && wanted.strip_prefix(&self.text).is_some_and(|rest| rest.starts_with("::"))
    }

    pub(super) fn ends_with(&self, wanted: &str) -> bool {
        self.text.strip_suffix(wanted).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
    }
}

/// Every path in the tree, single words among them.
pub(super) fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut found = Vec::new();
    collect_paths(tokens, "", &mut found);
    found
}

/// `prefix` is what a `use` put before the group that `tokens` are of.
fn collect_paths(tokens: &[Token], prefix: &str, found: &mut Vec<Path>) {
    let mut rest = tokens;
    while let [first, after @ ..] = rest {
        rest = after;
        let Some(word) = first.word() else {
            collect_paths(first.inside().unwrap_or_default(), "", found);
            continue;
        };
        let mut text = match (prefix, word) {
            ("", word) => word.to_owned(),
            // `use a::{self}` names `a`.
            (prefix, "self") => prefix.to_owned(),
            (prefix, word) => format!("{prefix}::{word}"),
        };
        while let Some((next, after)) = after_colons(rest)
            && let Some(word) = next.word()
        {
            text = format!("{text}::{word}");
            rest = after;
        }
        if let Some((group, after)) = after_colons(rest)
            && group.is_braces()
        {
            collect_paths(group.inside().unwrap_or_default(), &text, found);
            rest = after;
        } else {
            found.push(Path { line: first.line, text });
        }
    }
}

/// What comes after `::`, if that is next.
fn after_colons(tokens: &[Token]) -> Option<(&Token, &[Token])> {
    match tokens {
        [one, two, next, after @ ..] if one.is_mark(':') && two.is_mark(':') => Some((next, after)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_out_of_expressions_and_nested_uses() {
        let code = "use std::{time::{self, Duration}, net::*}; fn f() { ::tokio::spawn(\"std::fs\") }";
        let tokens = tree(code.parse().unwrap());
        let found: Vec<String> = paths(&tokens).into_iter().map(|path| path.text).collect();
        assert_eq!(found, ["use", "std::time", "std::time::Duration", "std::net", "fn", "f", "tokio::spawn"]);
    }

    #[test]
    fn a_path_is_within_what_it_starts_with_and_contains_what_goes_on() {
        let path = |text: &str| Path { line: 1, text: text.to_owned() };
        assert!(path("std::net::IpAddr").is_within("std::net"));
        assert!(!path("std::network").is_within("std::net"));
        assert!(path("std::time").contains("std::time::Instant"));
        assert!(!path("std::time::Duration").contains("std::time::Instant"));
        assert!(!path("std").contains("std::net"), "alone it is any word");
        assert!(path("std::thread::sleep").ends_with("thread::sleep"));
    }
}
