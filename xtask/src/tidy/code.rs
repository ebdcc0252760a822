//! Rules on Rust code anywhere in the workspace.

use super::source::{Signature, Source};
use super::{Breach, token, token::Token};

const FUNCTION_MAX_LINES: usize = 70;

/// Macros that stand for code that is not there.
const PLACEHOLDERS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// The function by which a test waits; only the file that has it may sleep.
const WAIT: &str = "wait_for";

pub(super) fn function_length(source: &Source) -> Vec<Breach> {
    let functions = source.functions().into_iter();
    let lengths =
        functions.map(|function| (function.line, function.name, function.last_line + 1 - function.line));
    lengths
        .filter(|(.., length)| *length > FUNCTION_MAX_LINES)
        .map(|(line, name, length)| Breach {
            line,
            message: format!("`{name}` has {length} lines, more than {FUNCTION_MAX_LINES}"),
        })
        .collect()
}

/// At the call, `true` does not say what is true. A trait's methods have the parameters that the trait gives them.
pub(super) fn bool_parameter(source: &Source) -> Vec<Breach> {
    let functions = source.functions().into_iter();
    functions
        .filter(|function| function.signature == Signature::Own && !source.is_test(function.line))
        .filter(|function| has_bool(function.parameters))
        .map(|function| Breach {
            line: function.line,
            message: format!(
                "`{}` takes a bare bool: use an enum or a struct with named fields",
                function.name
            ),
        })
        .collect()
}

fn has_bool(parameters: &[Token]) -> bool {
    (0..parameters.len()).any(|index| match &parameters[index..] {
        [colon, bool] => colon.is_mark(':') && bool.is_word("bool"),
        [colon, bool, comma, ..] => colon.is_mark(':') && bool.is_word("bool") && comma.is_mark(','),
        _ => false,
    })
}

pub(super) fn placeholder(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for at in source.places() {
        if let [name, bang, arguments, ..] = at
            && bang.is_mark('!')
            && arguments.inside().is_some()
            && let Some(name) = name.word().filter(|name| PLACEHOLDERS.contains(name))
        {
            breaches.push(Breach { line: at[0].line, message: format!("`{name}!` is left behind") });
        }
    }
    breaches
}

/// An exception that is no longer needed must be noticed, and each one says why it is there.
pub(super) fn allow(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for at in source.attributes().into_iter().flat_map(token::places) {
        let [lint, arguments, ..] = at else { continue };
        let reasoned =
            || token::places(arguments.inside().unwrap_or_default()).iter().any(|at| at[0].is_word("reason"));
        let message = match lint.word() {
            Some("allow") if arguments.is_parentheses() => {
                "use `expect(.., reason = \"..\")` instead of `allow`"
            }
            Some("expect") if arguments.is_parentheses() && !reasoned() => "`expect` without a reason",
            Some(_) | None => continue,
        };
        breaches.push(Breach { line: lint.line, message: message.to_owned() });
    }
    breaches
}

pub(super) fn ignored_test(source: &Source) -> Vec<Breach> {
    let is_ignore = |attribute: &&[Token]| match attribute {
        [name, ..] if name.is_word("cfg_attr") => {
            token::places(attribute).iter().any(|at| at[0].is_word("ignore"))
        }
        [name, ..] => name.is_word("ignore"),
        [] => false,
    };
    let ignored = source.attributes().into_iter().filter(is_ignore);
    ignored
        .map(|attribute| Breach { line: attribute[0].line, message: "a test nobody runs".to_owned() })
        .collect()
}

pub(super) fn sleep_in_test(source: &Source) -> Vec<Breach> {
    if source.functions().iter().any(|function| function.name == WAIT) {
        return Vec::new();
    }
    let sleeps = source.paths().into_iter();
    sleeps
        .filter(|path| path.ends_with("thread::sleep") || path.ends_with("time::sleep"))
        .filter(|path| source.is_test(path.line))
        .map(|path| Breach {
            line: path.line,
            message: format!("a test waits with `{WAIT}`, it does not sleep"),
        })
        .collect()
}
