//! Screens of every size, of clusters of every size.

use std::time::Duration;

use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    style::{Color, Modifier},
};

use super::*;
use crate::top::{
    example::{Cluster, FIVE, LONG},
    looking::{Section, Step},
};

/// What is drawn on a screen of this size.
fn draw_on([width, height]: [u16; 2], picture: &Picture<'_>, looking: &mut Looking) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, picture, looking)).unwrap();
    terminal.backend().buffer().clone()
}

fn picture(model: &Model, now: Instant) -> Picture<'_> {
    let (motion, help) = (Motion::Live, Help::Hidden);
    Picture { model, motion, help, now, glyphs: Glyphs::Unicode, palette: Palette::Coloured }
}

/// The lines, without the spaces at their ends.
fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let row = |cells: &[ratatui::buffer::Cell]| {
        cells.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()
    };
    buffer.content.chunks(width).map(row).collect()
}

fn screen(size: [u16; 2], cluster: Cluster) -> Vec<String> {
    let now = Instant::now();
    let model = cluster.model(now, 30);
    lines(&draw_on(size, &picture(&model, now), &mut Looking::default()))
}

#[test]
fn eighty_columns_have_room_for_services_nodes_and_events() {
    let wanted = include_str!("tests/80x24.txt");
    assert_eq!(screen([80, 24], FIVE).join("\n"), wanted.trim_end());
}

#[test]
fn a_wide_screen_shows_everything() {
    let wanted = include_str!("tests/160x40.txt");
    assert_eq!(screen([160, 40], FIVE).join("\n"), wanted.trim_end());
}

#[test]
fn titles_appear_in_the_order_of_their_importance_as_the_screen_grows() {
    for (size, shown) in [
        ([80, 6], "services"),
        ([80, 13], "services events"),
        ([80, 24], "services nodes events"),
        ([80, 30], "services matrix nodes events"),
        ([80, 40], "services matrix nodes counters events"),
        ([200, 60], "services matrix nodes events counters"),
    ] {
        let text = screen(size, FIVE).join("\n");
        let mut places: Vec<_> = ["services", "matrix", "nodes", "counters", "events"]
            .into_iter()
            .filter_map(|name| Some((text.find(&format!("─ {name} "))?, name)))
            .collect();
        places.sort_unstable();
        let names: Vec<_> = places.into_iter().map(|(_, name)| name).collect();
        assert_eq!(names.join(" "), shown, "{size:?}\n{text}");
    }
}

#[test]
fn every_size_of_every_cluster_is_drawn_and_nothing_is_drawn_outside() {
    let now = Instant::now();
    let clusters = [
        Cluster { services: 0, spares: 0 },
        Cluster { services: 0, spares: 3 },
        FIVE,
        Cluster { services: 300, spares: 20 },
    ];
    for cluster in clusters {
        let mut model = cluster.model(now, 2);
        for lost in [false, true] {
            if lost {
                model.handle_failure("nobody listens".to_owned());
            }
            for size in [
                [1, 1],
                [2, 1],
                [1, 9],
                [3, 3],
                [9, 2],
                [20, 8],
                [40, 14],
                [80, 24],
                [119, 33],
                [200, 60],
                [500, 9],
            ] {
                for focus in Section::ALL {
                    for help in [Help::Hidden, Help::Shown] {
                        let mut looking = Looking::default();
                        looking.focus = focus;
                        let picture = Picture { help, motion: Motion::Paused, ..picture(&model, now) };
                        draw_on(size, &picture, &mut looking);
                        looking.step(Step::End, &model.events);
                        looking.step(Step::Right, &model.events);
                        let buffer = draw_on(size, &picture, &mut looking);
                        assert_eq!([buffer.area.width, buffer.area.height], size);
                    }
                }
            }
        }
    }
}

#[test]
fn three_hundred_services_leave_room_for_the_rest_and_scroll() {
    let now = Instant::now();
    let model = Cluster { services: 300, spares: 2 }.model(now, 1);
    let mut looking = Looking::default();
    let first = lines(&draw_on([100, 50], &picture(&model, now), &mut looking)).join("\n");
    assert!(
        first.contains("─ services 1-") && first.contains(" of 300 ") && first.contains("─ nodes 1-"),
        "{first}"
    );
    looking.step(Step::End, &model.events);
    let last = lines(&draw_on([100, 50], &picture(&model, now), &mut looking)).join("\n");
    assert!(last.contains("-300 of 300") && last.contains("web-300"), "{last}");
}

#[test]
fn a_cluster_without_services_says_so() {
    let text = screen([80, 24], Cluster { services: 0, spares: 3 }).join("\n");
    assert!(text.contains("no lease"), "{text}");
    assert!(text.lines().skip_while(|line| !line.contains("─ services")).nth(1) == Some("none"), "{text}");
}

#[test]
fn what_an_agent_said_before_it_went_away_is_dim() {
    let now = Instant::now();
    let mut model = FIVE.model(now, 1);
    let live = draw_on([80, 24], &picture(&model, now), &mut Looking::default());
    let place =
        |buffer: &Buffer| lines(buffer).iter().position(|line| line.starts_with("web-1")).unwrap() as u16;
    assert!(!live[(0, place(&live))].modifier.contains(Modifier::DIM));
    model.handle_failure("nobody listens".to_owned());
    let lost = draw_on([80, 24], &picture(&model, now + Duration::from_secs(3)), &mut Looking::default());
    assert!(lost[(0, place(&lost))].modifier.contains(Modifier::DIM));
    let banner = lines(&lost).iter().position(|line| line.contains("not reachable since 3s")).unwrap() as u16;
    assert!(lost[(1, banner)].modifier.contains(Modifier::REVERSED));
    assert!(!lost[(1, banner)].modifier.contains(Modifier::DIM));
}

#[test]
fn without_colours_nothing_has_one_and_without_unicode_everything_is_ascii() {
    let now = Instant::now();
    let mut model = FIVE.model(now, 40);
    model.status.quorum = false;
    model.handle_failure("nobody listens".to_owned());
    for help in [Help::Hidden, Help::Shown] {
        let picture =
            Picture { palette: Palette::Plain, glyphs: Glyphs::Ascii, help, ..picture(&model, now) };
        let buffer = draw_on([160, 50], &picture, &mut Looking::default());
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        assert!(lines(&buffer).iter().all(|line| line.is_ascii()), "{:#?}", lines(&buffer));
        assert!(lines(&buffer).join("\n").contains("NO QUORUM"));
    }
}

#[test]
fn names_of_wide_and_of_control_characters_keep_the_columns_in_line() {
    let now = Instant::now();
    let mut model = FIVE.model(now, 1);
    model.status.services[0].name = "サービス".to_owned();
    model.status.services[1].name = "e\u{1b}[31mvil\u{7}".to_owned();
    let buffer = draw_on([80, 24], &picture(&model, now), &mut Looking::default());
    let rows: Vec<_> = lines(&buffer);
    assert!(rows.iter().any(|row| row.starts_with("e\u{fffd}[31mvil\u{fffd}  n2 ")), "{rows:#?}");
    // Columns by cells, not by characters: a wide one takes two.
    let row = rows.iter().position(|row| row.starts_with('サ')).unwrap() as u16;
    let head = rows.iter().position(|row| row.starts_with("SERVICE")).unwrap() as u16;
    let column = |row: u16, symbol: &str| (8..80).find(|&column| buffer[(column, row)].symbol() == symbol);
    assert_eq!(column(row, "n"), column(head, "O"), "OWNER begins where its owner does\n{rows:#?}");
}

#[test]
fn the_picture_in_the_documentation_is_what_is_drawn() {
    let now = Instant::now();
    let model = FIVE.model(now, LONG);
    let buffer = draw_on([120, 34], &picture(&model, now), &mut Looking::default());
    let drawn = svg::render(&buffer);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/images/top.svg");
    if std::env::var_os("AFC_REDRAW").is_some() {
        std::fs::write(path, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == drawn, "docs/images/top.svg is out of date: set AFC_REDRAW=1 and run this test again");
}

mod svg;
