//! `afc top` on the command line.

use std::{num::NonZeroU64, time::Duration};

use clap::{Args, builder::UnknownArgumentValueParser};

use super::{AgentAddress, CliError, read};
use crate::top::{self, Form};

/// How `afc top` shows what.
#[derive(Clone, Debug, Args)]
pub struct Watching {
    /// Between two looks at the agent, from 100ms to 60s.
    #[arg(long, short = 'd', value_name = "TIME", default_value = "500ms", value_parser = interval)]
    pub interval: Duration,
    /// Print one frame of plain text, also on a terminal.
    #[arg(long, conflicts_with = "count")]
    pub once: bool,
    /// Print so many frames of plain text, also on a terminal.
    #[arg(long, short = 'n', value_name = "FRAMES")]
    pub count: Option<NonZeroU64>,
    /// There is none.
    #[arg(long, hide = true, num_args = 0, default_missing_value = "",
        value_parser = UnknownArgumentValueParser::suggest("for scripts there are `afc status --json`, `afc lists --json` and \
        `afc events --json --follow`"))]
    pub json: Option<String>,
    /// Where the agent is.
    #[command(flatten)]
    pub agent: AgentAddress,
}

/// `afc top`.
pub(super) fn top(watching: &Watching) -> Result<(), CliError> {
    let form = match (watching.once, watching.count) {
        (true, _) => Form::Frames(NonZeroU64::MIN),
        (false, Some(count)) => Form::Frames(count),
        (false, None) => Form::Screen,
    };
    let socket = read::socket(&watching.agent)?;
    Ok(top::run(top::Options { socket, interval: watching.interval, form })?)
}

/// How often to ask.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| format!("{error}, as in 500ms or 2s"))?;
    if (top::SHORTEST_INTERVAL..=top::LONGEST_INTERVAL).contains(&interval) {
        return Ok(interval);
    }
    let [least, most] = [top::SHORTEST_INTERVAL, top::LONGEST_INTERVAL].map(humantime::format_duration);
    Err(format!("it is not between {least} and {most}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    #[test]
    fn top_has_no_json_and_says_what_has() {
        let refused = Cli::try_parse_from(["afc", "top", "--json"]).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("afc status --json"), "{refused}");
    }
}
