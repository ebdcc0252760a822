//! The distributions of gaps as one picture: a line for each system, scenario and load, a dot for each sample, on a logarithmic
//! scale. Knows rows and nothing of how they came about.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::{row::Row, statistics::sorted};

const WIDTH: u32 = 1100;
/// Of a line.
const LINE: u32 = 17;
/// Title, axis, and its words.
const MARGIN: u32 = 110;
const LABELS: u32 = 330;
const TEXT: (&str, u32) = ("sans-serif", 13);

/// The gaps of these rows as SVG; `None` if there is none.
///
/// # Errors
/// When the library can't draw.
pub(crate) fn svg(rows: &[Row]) -> Result<Option<String>> {
    let lines: Vec<&Row> = rows.iter().filter(|row| is_shown(row)).collect();
    let values = || lines.iter().flat_map(|row| row.values.iter().copied());
    let Some(all) = sorted(&values().filter(|value| *value > 0.0).collect::<Vec<_>>()) else {
        return Ok(None);
    };
    let range = (all[0] * 0.8)..(all[all.len() - 1] * 1.3);
    let mut text = String::new();
    let height = MARGIN + LINE * lines.len() as u32;
    draw(SVGBackend::with_string(&mut text, (WIDTH, height)), &lines, range)
        .map_err(|error| anyhow!("drawing: {error}"))?;
    Ok(Some(text))
}

fn is_shown(row: &Row) -> bool {
    matches!(row.subject.section.as_str(), "gap" | "starved") && row.subject.unit == "ms" && row.n > 0
}

fn draw(
    backend: SVGBackend<'_>,
    lines: &[&Row],
    range: std::ops::Range<f64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    let last = lines.len() as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption("time without an answer at the outside client", ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(range.log_scale(), last..0.0)?;
    let label = |at: &f64| {
        let row = (at.fract() == 0.0).then(|| lines.get(*at as usize)).flatten();
        row.map(|row| label(row)).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(lines.len() + 1)
        .y_label_formatter(&label)
        .x_label_formatter(&|millis| format!("{millis}"))
        .x_desc("ms; each dot a sample, the bar its median")
        .label_style(TEXT)
        .draw()?;
    for (at, row) in lines.iter().enumerate() {
        let (at, color) = (at as f64, color(&row.subject.system));
        let dots = row.values.iter().filter(|value| **value > 0.0);
        chart.draw_series(dots.map(|&value| Circle::new((value, at), 3, color.mix(0.5).filled())))?;
        let bar = row.median.filter(|median| *median > 0.0);
        let bar = bar.map(|median| vec![(median, at - 0.4), (median, at + 0.4)]);
        chart.draw_series(bar.map(|bar| PathElement::new(bar, color.stroke_width(3))))?;
    }
    area.present()?;
    Ok(())
}

fn label(row: &Row) -> String {
    let about = &row.subject;
    format!("{}, {}: {}", about.scenario, about.load, about.system)
}

/// Peers are grey and brown, afc blue.
fn color(system: &str) -> RGBColor {
    match system {
        "afc" => RGBColor(20, 80, 200),
        "afc-short" => RGBColor(0, 160, 190),
        "keepalived" => RGBColor(190, 90, 20),
        _ => RGBColor(120, 120, 120),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{circumstances::Circumstances, row::Subject};

    fn row(scenario: &str, system: &str, values: &[f64]) -> Row {
        Row::new(Subject::new("gap", scenario, system, "ms"), values.to_vec(), &Circumstances::default())
    }

    #[test]
    fn every_sample_is_a_dot_and_every_row_has_its_name() {
        let rows = [row("power cut", "afc", &[20.0, 30.0]), row("power cut", "keepalived", &[31.0, 3000.0])];
        let svg = svg(&rows).unwrap().unwrap();
        assert_eq!(svg.matches("<circle").count(), 4, "{svg}");
        for name in ["power cut, idle: afc", "power cut, idle: keepalived"] {
            assert_eq!(svg.matches(name).count(), 1, "{name} in {svg}");
        }
    }

    #[test]
    fn without_a_gap_there_is_no_picture() {
        assert_eq!(svg(&[]).unwrap(), None);
        assert_eq!(svg(&[row("power cut", "afc", &[])]).unwrap(), None);
    }
}
