//! The results as a table for a terminal. Pure.

use std::fmt::Write;

use crate::{circumstances, row::Row, target};

/// The whole of it: the machine's kernel, every row, and which targets were met.
pub(crate) fn text(rows: &[Row]) -> String {
    let verdicts: Vec<_> = target::verdicts(rows).iter().map(|verdict| format!("  {verdict}")).collect();
    let targets = match verdicts.is_empty() {
        true => String::new(),
        false => format!("\ntargets\n{}\n", verdicts.join("\n")),
    };
    format!("Linux {}\n{}{targets}", circumstances::kernel(), table(rows))
}

/// Every row, those of one scenario and load next to each other.
fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut heading = String::new();
    for row in rows {
        let about = &row.subject;
        let now = format!("{}: {}, {}", about.section, about.scenario, about.load);
        if now != heading {
            writeln!(text, "\n{now}").expect("a String takes everything");
            heading = now;
        }
        writeln!(text, "{}", line(row)).expect("a String takes everything");
    }
    text
}

/// One row.
fn line(row: &Row) -> String {
    let about = &row.subject;
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), significant);
    let ratio = row.ratio_to_keepalived.map_or_else(String::new, |ratio| format!("x{ratio:.2}"));
    let times = match (about.interval_ms, about.timeout_ms) {
        (Some(interval), Some(timeout)) => format!("{interval}/{timeout} ms"),
        (Some(interval), None) => format!("{interval} ms"),
        (None, _) => String::new(),
    };
    format!(
        "  {:<17} {:>12} n={:<4} median {:>9} p99 {:>9} max {:>9} {:<4} {ratio:>7}  load {:.1}, stalls {}{}",
        about.system,
        times,
        row.n,
        value(row.median),
        value(row.p99),
        value(row.max),
        about.unit,
        row.load_average,
        row.stalls,
        if row.notes.is_empty() { String::new() } else { format!("  ({})", row.notes) },
    )
}

/// Four digits at most behind a small number's point, none behind a large one's.
fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{circumstances::Circumstances, row::Subject};

    #[test]
    fn rows_of_one_scenario_stand_below_one_heading() {
        let row = |scenario: &str, system: &str| {
            let subject = Subject::new("gap", scenario, system, "ms");
            Row::new(subject, vec![0.25, 12_345.6], &Circumstances::default())
        };
        let rows = [row("cut", "afc"), row("cut", "keepalived"), row("kill", "afc").noting("a note")];
        let text = table(&rows);
        assert_eq!(text.matches("gap: cut, idle").count(), 1, "{text}");
        assert!(text.contains("gap: kill, idle"), "{text}");
        assert!(text.contains("12346") && text.contains("(a note)"), "{text}");
    }
}
