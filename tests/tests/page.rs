//! The web page in a real browser: what it shows of a real cluster, and that it bears what comes over the network.
//!
//! Needs root, for the lab, and Debian's chromium. `AFC_PAGE_IMAGES` names a directory for pictures of the page.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

#[path = "page/browser.rs"]
mod browser;
#[path = "page/canned.rs"]
mod canned;
#[path = "page/server.rs"]
mod server;

use std::{env, fs, path::PathBuf, time::Duration};

use afc_lab::{Lab, LabSpec, config::HTTP_PORT, spec::Role, status::Expected};
use serde_json::{Value, json};

use browser::{Browser, Window};
use canned::{Cluster, event};
use server::{Server, Voice};

/// For something that should take tens of milliseconds, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(20);
const WIDE: Window = Window { width: 1280, height: 1640, scheme: "light" };
const WIDE_AND_DARK: Window = Window { scheme: "dark", ..WIDE };
const PHONE: Window = Window { width: 360, height: 1400, scheme: "light" };
/// Elements of the page at most, however large the cluster is.
const ELEMENTS: u64 = 12_000;

/// The page of a machine's own agent.
fn address() -> String {
    format!("http://127.0.0.1:{HTTP_PORT}/")
}

/// The page as one sees it that was just opened, with what it says first.
fn opened(machine: &str, lab: &Lab) -> Browser {
    let mut browser = Browser::start(lab.machine(machine));
    browser.resize(WIDE);
    browser.open(&address());
    browser.wait_until("document.querySelector('#services tbody tr') !== null");
    // A page that loads itself again would lose this.
    browser.evaluate("window.sameAsBefore = true");
    browser
}

/// The text of the first cells of a table's rows.
fn column(browser: &mut Browser, table: &str, cell: u32) -> Vec<String> {
    let cells = format!(
        "[...document.querySelectorAll('#{table} tbody tr')].map(row => row.cells[{cell}].firstChild.textContent)"
    );
    strings(&browser.evaluate(&cells))
}

fn strings(values: &Value) -> Vec<String> {
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// Checks that the page asked nobody else, was loaded once and has complained about nothing.
fn assert_content(browser: &mut Browser) {
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let own = address();
    let strangers = |address: &String| !address.starts_with(&own) && !address.starts_with("data:");
    let requests = browser.requests();
    assert!(requests.iter().any(|address| address.contains("/api/v1/stream")), "{requests:?}");
    assert_eq!(requests.into_iter().filter(strangers).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(browser.evaluate("window.sameAsBefore === true"), true, "the page was loaded again");
}

/// Checks that a phone need not be moved from side to side.
fn assert_fits_a_phone(browser: &mut Browser) {
    browser.resize(PHONE);
    browser.wait_until("innerWidth === 360");
    let widths = browser.evaluate("[document.scrollingElement.scrollWidth, innerWidth]");
    assert!(widths[0].as_u64() <= widths[1].as_u64(), "{widths}");
}

/// Where pictures go.
fn images() -> (PathBuf, Option<tempfile::TempDir>) {
    match env::var_os("AFC_PAGE_IMAGES") {
        Some(directory) => (directory.into(), None),
        None => {
            let directory = tempfile::tempdir().unwrap();
            (directory.path().to_owned(), Some(directory))
        }
    }
}

/// A lab that only has machines.
fn machines() -> Lab {
    Lab::new(LabSpec::best_effort_pair()).unwrap()
}

#[test]
fn the_page_of_an_agent_shows_the_cluster_and_follows_a_failover() {
    let lab = Lab::new(LabSpec::five_nodes()).unwrap();
    lab.start_agents().unwrap();
    lab.wait_for_homes(SOON).unwrap();
    lab.wait_until_whole(SOON).unwrap();
    let mut browser = opened("n1", &lab);

    let spec = lab.spec().clone();
    let services: Vec<_> = spec.services.iter().map(|service| service.name.clone()).collect();
    let homes: Vec<_> = spec.services.iter().map(|service| service.home.clone()).collect();
    browser.wait_until("document.querySelector('#events li') !== null");
    assert_eq!(column(&mut browser, "services", 0), services);
    assert_eq!(column(&mut browser, "services", 1), homes);
    assert_eq!(column(&mut browser, "matrix", 0), services);
    let names = browser.evaluate("[...document.querySelectorAll('#nodes h3')].map(it => it.textContent)");
    let nodes: Vec<_> = spec.nodes.iter().map(|node| node.name.clone()).collect();
    assert_eq!(strings(&names), nodes);
    browser.wait_until("document.title === 'n1 \u{b7} serving web-1 \u{b7} lab'");
    assert_eq!(owners_in_matrix(&mut browser, &spec), homes);

    lab.power_cut("n2").unwrap();
    let shown = "document.querySelector('#services tbody tr:nth-child(2)').cells[1].firstChild.textContent";
    browser.wait_until(&format!("['n4', 'n5'].includes({shown})"));
    let owner = browser.evaluate(shown).as_str().unwrap().to_owned();
    lab.wait_for_owner(Expected { service: "web-2", owner: &owner, seen_by: &["n1", "n3"] }, SOON).unwrap();
    browser.wait_until("document.querySelector('#events').innerText.includes('owner_changed')");
    browser.wait_until("document.querySelector('.node[data-state=dead] h3').textContent === 'n2'");
    assert_eq!(owners_in_matrix(&mut browser, &spec), ["n1", &owner, "n3"]);

    browser.wait_until("document.querySelector('#counters tbody tr') !== null && model.counters.length > 20");
    assert_content(&mut browser);
    take_pictures(&mut browser);
}

/// The node that is marked as owner in each row of the matrix.
fn owners_in_matrix(browser: &mut Browser, spec: &LabSpec) -> Vec<String> {
    let members = spec.nodes.iter().filter(|node| node.role == Role::Member).count();
    let columns = browser.evaluate("document.querySelectorAll('#matrix thead th').length - 1");
    assert_eq!(columns, members, "a column for each member");
    let marked = "[...document.querySelectorAll('#matrix tbody tr')].map(row => [...row.cells].flatMap((cell, at) => \
        cell.dataset.part === 'owner' ? [document.querySelectorAll('#matrix thead th')[at].firstChild.textContent] : [])
        .join(' '))";
    strings(&browser.evaluate(marked))
}

/// Checks a phone's view, and keeps pictures.
fn take_pictures(browser: &mut Browser) {
    let (directory, _removed) = images();
    fs::create_dir_all(&directory).unwrap();
    for (window, file) in [(WIDE, "page.png"), (WIDE_AND_DARK, "page-dark.png")] {
        browser.resize(window);
        browser.photograph(&directory.join(file));
    }
    assert_fits_a_phone(browser);
    browser.photograph(&directory.join("page-phone.png"));
    for file in ["page.png", "page-dark.png", "page-phone.png"] {
        let image = fs::read(directory.join(file)).unwrap();
        assert!(image.starts_with(b"\x89PNG") && image.len() > 10_000, "{file}: {} bytes", image.len());
    }
}

#[test]
fn names_that_are_markup_stay_text() {
    let lab = machines();
    let markup = r#"<img src=x onerror="window.struck = true">"#;
    let mut cluster = Cluster::of(3, 3);
    cluster.services[1].0 = markup.to_owned();
    cluster.services[2].0 = "x".repeat(200);
    cluster.nodes[1] = "<script>window.struck = true</script>".to_owned();
    let server = Server::start(lab.machine("n1"), cluster.status(), cluster.lists());
    server.push_event(event(1, markup));
    let mut browser = opened("n1", &lab);

    browser.wait_until("document.querySelector('#events li') !== null");
    assert_eq!(column(&mut browser, "services", 0)[1], markup);
    assert_eq!(column(&mut browser, "matrix", 0)[1], markup);
    assert_eq!(column(&mut browser, "services", 1)[1], cluster.nodes[1]);
    let text = browser.text();
    assert!(text.matches(markup).count() >= 3, "{text}");
    assert_eq!(browser.evaluate("document.querySelectorAll('img').length"), 0);
    assert_eq!(browser.evaluate("document.querySelectorAll('script').length"), 1);
    assert_eq!(browser.evaluate("window.struck === undefined"), true);
    assert_fits_a_phone(&mut browser);
    assert_content(&mut browser);

    // The policy is real: what gets past the page is not run, and is complained about.
    let inject = "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.struck = true'}))";
    browser.evaluate(&format!("{inject}, 0"));
    assert_eq!(browser.evaluate("window.struck === undefined"), true);
    assert_ne!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_large_cluster_makes_a_bounded_page_on_which_everything_is_found() {
    let lab = machines();
    let mut cluster = Cluster::of(300, 300);
    cluster.services[286].1 = None;
    let server = Server::start(lab.machine("n1"), cluster.status(), cluster.lists());
    for id in 1..=1000 {
        server.push_event(event(id, &format!("event {id}")));
    }
    let mut browser = opened("n1", &lab);

    browser.wait_until("document.querySelector('#events li span:last-child')?.textContent === 'event 1000'");
    assert_eq!(browser.evaluate("document.querySelectorAll('#events li').length"), 200);
    let elements = browser.evaluate("document.querySelectorAll('*').length").as_u64().unwrap();
    assert!((1000..ELEMENTS).contains(&elements), "{elements} elements");
    assert!(browser.text().contains("Served by nobody that n1 knows of: web-287"));
    browser.wait_until("document.title === 'n1 \u{b7} web-287 unowned \u{b7} edge'");

    let mut found = Vec::new();
    for page in 1..=6 {
        browser.wait_until(&format!(
            "document.querySelector('#range').textContent === '{} to {} of 300 services'",
            page * 50 - 49,
            page * 50
        ));
        found.extend(column(&mut browser, "services", 0));
        browser.evaluate("document.querySelector('#forth').click()");
    }
    let expected: Vec<_> = cluster.services.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(found, expected);

    let filter = "document.querySelector('#filter')";
    browser.evaluate(&format!("{filter}.value = 'web-287', {filter}.dispatchEvent(new Event('input'))"));
    browser.wait_until("document.querySelectorAll('#services tbody tr').length === 1");
    assert_eq!(column(&mut browser, "services", 0), ["web-287"]);
    assert_fits_a_phone(&mut browser);
    assert_content(&mut browser);
}

#[test]
fn an_agent_that_falls_silent_or_hangs_up_is_not_reachable_until_it_is_back() {
    let lab = machines();
    let mut cluster = Cluster::of(3, 1);
    let server = Server::start(lab.machine("n1"), cluster.status(), cluster.lists());
    server.push_event(event(1, "the first"));
    let mut browser = opened("n1", &lab);
    let link = "document.querySelector('#link').textContent";
    browser.wait_until(&format!("{link} === 'live'"));

    server.set_voice(Voice::Silent);
    browser.wait_until(&format!("/^not reachable since \\d\\d:\\d\\d:\\d\\d$/.test({link})"));
    assert_eq!(browser.evaluate("document.title"), "n1 \u{b7} not reachable \u{b7} edge");
    cluster.services[0].1 = Some(1);
    server.set_status(cluster.status());
    server.push_event(event(2, "the second"));
    server.set_voice(Voice::Speaking);
    browser.wait_until(&format!("{link} === 'live'"));
    browser.wait_until("document.title === 'n1 \u{b7} standing by \u{b7} edge'");

    server.cut();
    server.push_event(event(3, "the third"));
    let events = "[...document.querySelectorAll('#events li span:last-child')].map(it => it.textContent)";
    browser.wait_until(&format!("{events}.length === 3"));
    assert_eq!(browser.evaluate(events), json!(["the third", "the second", "the first"]));
    browser.wait_until(&format!("{link} === 'live'"));
    assert_content(&mut browser);
}
