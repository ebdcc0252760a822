//! A file as the rules see it: path, text, tokens, functions, and which lines are test code.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};
use proc_macro2::TokenStream;

use super::token::{self, Path, Token};

pub(super) struct Source {
    /// From the workspace's root, with `/`.
    path: String,
    text: String,
    /// Empty if it is no Rust.
    tokens: Vec<Token>,
    tests: Tests,
}

/// Which lines are test code.
enum Tests {
    All,
    Within(Vec<RangeInclusive<usize>>),
}

/// A function's place and parameters.
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) line: usize,
    pub(super) last_line: usize,
    pub(super) parameters: &'a [Token],
    pub(super) signature: Signature,
}

/// Who decided what the parameters are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    Own,
    OfTrait,
}

impl Source {
    /// The files with these paths and texts. A file is test code if its parent declares it so.
    pub(super) fn parse_all(files: Vec<(String, String)>) -> Result<Vec<Self>> {
        let mut sources = Vec::new();
        for (path, text) in files {
            sources.push(Self::parse(path, text)?);
        }
        let test_modules: BTreeSet<String> = sources.iter().flat_map(Self::test_modules).collect();
        for source in &mut sources {
            let is_below = |module: &String| {
                source.path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            };
            if test_modules.iter().any(is_below) {
                source.tests = Tests::All;
            }
        }
        Ok(sources)
    }

    pub(super) fn parse(path: String, text: String) -> Result<Self> {
        let mut tokens = Vec::new();
        if path.ends_with(".rs") {
            let parsed = TokenStream::from_str(&text).map_err(|error| anyhow!("{error}"));
            let stream = parsed.with_context(|| format!("{path} is no Rust"))?;
            tokens = token::tree(stream);
        }
        let tests = match path.split('/').any(|part| matches!(part, "tests" | "tests.rs")) {
            true if !path.starts_with("tests/src/") => Tests::All,
            true | false => Tests::Within(test_regions(&tokens)),
        };
        Ok(Self { path, text, tokens, tests })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_test(&self, line: usize) -> bool {
        match &self.tests {
            Tests::All => true,
            Tests::Within(regions) => regions.iter().any(|region| region.contains(&line)),
        }
    }

    /// Every place in the code, as [`token::places`] has it.
    pub(super) fn places(&self) -> Vec<&[Token]> {
        token::places(&self.tokens)
    }

    pub(super) fn paths(&self) -> Vec<Path> {
        token::paths(&self.tokens)
    }

    /// What is between the brackets of each attribute.
    pub(super) fn attributes(&self) -> Vec<&[Token]> {
        self.places().into_iter().filter_map(attribute).collect()
    }

    /// Every function that has a body.
    pub(super) fn functions(&self) -> Vec<Function<'_>> {
        let mut found = Vec::new();
        collect_functions(&self.tokens, Signature::Own, &mut found);
        found
    }

    /// Paths, without `.rs`, of the modules that this file declares as test code.
    fn test_modules(&self) -> Vec<String> {
        let directory = match self.path.rsplit_once('/') {
            Some((directory, "lib.rs" | "main.rs")) => directory,
            Some(_) | None => self.path.trim_end_matches(".rs"),
        };
        let declares = |at: &&[Token]| match at {
            [keyword, name, end, ..]
                if keyword.is_word("mod") && end.is_mark(';') && self.is_test(keyword.line) =>
            {
                name.word().map(|name| format!("{directory}/{name}"))
            }
            _ => None,
        };
        self.places().iter().filter_map(declares).collect()
    }
}

/// What is between the brackets, if an attribute is here.
fn attribute(at: &[Token]) -> Option<&[Token]> {
    match at {
        [hash, group, ..] if hash.is_mark('#') && group.is_square_brackets() => group.inside(),
        [hash, bang, group, ..] if hash.is_mark('#') && bang.is_mark('!') && group.is_square_brackets() => {
            group.inside()
        }
        _ => None,
    }
}

/// The lines of each item that is there for tests only.
fn test_regions(tokens: &[Token]) -> Vec<RangeInclusive<usize>> {
    let mut regions = Vec::new();
    for at in token::places(tokens) {
        let Some([cfg, condition, ..]) = attribute(at) else {
            continue;
        };
        let names =
            |word: &str| token::places(std::slice::from_ref(condition)).iter().any(|at| at[0].is_word(word));
        if cfg.is_word("cfg") && names("test") && !names("not") {
            let end = at.iter().find(|token| token.is_braces() || token.is_mark(';'));
            regions.push(at[0].line..=end.map_or(at[0].line, Token::last_line));
        }
    }
    regions
}

fn collect_functions<'a>(tokens: &'a [Token], signature: Signature, found: &mut Vec<Function<'a>>) {
    let mut item = 0;
    for (index, token) in tokens.iter().enumerate() {
        found.extend(function(&tokens[index..], signature));
        let of_trait = token.is_braces() && implements_trait(&tokens[item..index]);
        let inside = if of_trait { Signature::OfTrait } else { Signature::Own };
        collect_functions(token.inside().unwrap_or_default(), inside, found);
        if token.is_braces() || token.is_mark(';') {
            item = index + 1;
        }
    }
}

/// Whether what is before an item's braces is `impl Trait for Type`.
fn implements_trait(head: &[Token]) -> bool {
    let keyword = head.iter().find(|token| token.is_word("impl") || token.is_word("fn"));
    let names_type = |pair: &[Token]| pair[0].is_word("for") && !pair[1].is_mark('<');
    keyword.is_some_and(|keyword| keyword.is_word("impl")) && head.windows(2).any(names_type)
}

/// The function that begins here.
fn function(at: &[Token], signature: Signature) -> Option<Function<'_>> {
    let [keyword, name, rest @ ..] = at else {
        return None;
    };
    let name = name.word().filter(|_| keyword.is_word("fn"))?;
    let body = rest.iter().find(|token| token.is_braces() || token.is_mark(';'))?;
    if !body.is_braces() {
        return None;
    }
    Some(Function {
        name,
        line: keyword.line,
        last_line: body.last_line(),
        parameters: parameters(rest)?,
        signature,
    })
}

/// The first parentheses outside of generics, where `F: Fn(u8) -> u8` may have others.
fn parameters(signature: &[Token]) -> Option<&[Token]> {
    let mut depth = 0;
    let mut after_minus = false;
    for token in signature {
        if token.is_mark('<') {
            depth += 1;
        } else if token.is_mark('>') && !after_minus {
            depth -= 1;
        } else if depth == 0 && token.is_parentheses() {
            return token.inside();
        }
        after_minus = token.is_mark('-');
    }
    None
}
