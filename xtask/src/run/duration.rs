//! Durations on the command line: `5ms`, `800us`, `1s`.

use std::time::Duration;

/// Reads a whole number with a unit.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` does not begin with a number"))?;
    match unit {
        "us" => Ok(Duration::from_micros(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(format!("`{text}` does not end in us, ms or s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, micros) in [("800us", 800), ("5ms", 5_000), ("1s", 1_000_000)] {
            assert_eq!(parse(text), Ok(Duration::from_micros(micros)));
        }
        for text in ["", "5", "ms", "5m", "-5ms", "5 ms", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
