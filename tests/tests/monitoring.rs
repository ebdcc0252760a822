//! Metrics, alerts and the dashboard fit each other and real agents, as Debian's Prometheus sees them. Needs root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

#[path = "monitoring/deployed.rs"]
mod deployed;
#[path = "monitoring/prometheus.rs"]
mod prometheus;

use std::{collections::BTreeSet, time::Duration};

use afc_lab::{Lab, LabSpec, config::HTTP_PORT, hold_for, status::Expected, wait_for};

use prometheus::{Prometheus, get, promtool};

/// For something that should take moments, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(60);
/// How long "nothing is reported" is watched.
const WATCH: Duration = Duration::from_secs(5);

fn settled() -> Lab {
    let lab = Lab::new(LabSpec::five_nodes()).unwrap();
    lab.start_agents().unwrap();
    lab.wait_for_homes(SOON).unwrap();
    lab.wait_until_whole(SOON).unwrap();
    lab
}

#[test]
fn prometheus_takes_the_rules_and_the_example_and_each_alert_fires_when_it_should() {
    promtool(&["check", "rules", "afc.rules.yml"]);
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["test", "rules", "afc.rules.test.yml"]);
}

#[test]
fn every_alert_is_tested_and_explained() {
    let alerts = deployed::alerts();
    let tests = deployed::read("deploy/prometheus/afc.rules.test.yml");
    for (alert, runbook) in &alerts {
        assert_eq!(*runbook, format!("docs/monitoring.md#{}", alert.to_lowercase()));
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} is not tested");
    }
    assert_eq!(deployed::explained_alerts(), alerts.into_keys().collect());
}

#[test]
fn every_metric_is_documented_and_what_dashboard_and_alerts_name_exists() {
    let lab = settled();
    let nodes = lab.spec().nodes.iter();
    let texts: Vec<_> = nodes
        .map(|node| get(lab.machine(&node.name), ([127, 0, 0, 1], HTTP_PORT).into(), "/metrics").unwrap())
        .collect();
    let exported: BTreeSet<_> = texts.iter().flat_map(|text| families(text)).collect();
    assert_eq!(exported, deployed::documented(), "exported on the left, documented on the right");
    for file in
        ["deploy/grafana/afc.json", "deploy/prometheus/afc.rules.yml", "deploy/prometheus/afc.rules.test.yml"]
    {
        let named = deployed::metrics(&deployed::read(file));
        let unknown: Vec<_> = named.difference(&exported).collect();
        assert!(!named.is_empty() && unknown.is_empty(), "{file} names {unknown:?}");
    }
    let shown = deployed::metrics(&deployed::read("deploy/grafana/afc.json"));
    assert_eq!(
        exported.difference(&shown).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not on the dashboard"
    );
}

/// The metrics of an OpenMetrics text, those without a sample too.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let name = |(name, kind): (&str, &str)| match kind {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    };
    types.map(name).collect()
}

#[test]
fn a_prometheus_beside_the_lab_sees_who_serves_and_says_when_a_node_dies() {
    let lab = settled();
    let prometheus = Prometheus::start(&lab);
    let owners = |wanted: [&str; 3]| {
        let wanted =
            ["web-1", "web-2", "web-3"].iter().zip(wanted).map(|(service, node)| format!("{service} {node}"));
        let wanted: Vec<_> = wanted.collect();
        wait_for(&format!("it sees {wanted:?}"), SOON, || {
            prometheus.labels("afc_service_owned == 1", &["service", "instance"]) == wanted
        })
        .unwrap();
    };
    owners(["n1", "n2", "n3"]);
    wait_for("it has read every agent", SOON, || prometheus.labels("up == 1", &["instance"]).len() == 5)
        .unwrap();
    let pages = || prometheus.labels(r#"ALERTS{severity="page"}"#, &["alertname", "alertstate"]);
    wait_for("what was read one after the other is all there", SOON, || pages().is_empty()).unwrap();
    hold_for("a cluster at rest calls nobody", WATCH, || pages().is_empty()).unwrap();
    assert_the_dashboard_has_something_to_show(&prometheus);

    lab.power_cut("n2").unwrap();
    let moved = || lab.agreed_owner("web-2", &["n1", "n3", "n4", "n5"]).filter(|owner| owner != "n2");
    wait_for("web-2 moves", SOON, || moved().is_some()).unwrap();
    let owner = moved().unwrap();
    lab.wait_for_owner(Expected { service: "web-2", owner: &owner, seen_by: &["n1", "n3"] }, SOON).unwrap();
    owners(["n1", &owner, "n3"]);
    let firing = |alert: &str, label: &str| {
        prometheus.labels(&format!(r#"ALERTS{{alertname="{alert}", alertstate="firing"}}"#), &[label])
    };
    wait_for("it says that n2 is dead", SOON, || firing("AfcNodeDead", "node") == ["n2"]).unwrap();
    wait_for("it says that it cannot read n2", SOON, || firing("AfcAgentDown", "instance") == ["n2"])
        .unwrap();
    assert_eq!(firing("AfcServiceUnowned", "service"), Vec::<String>::new());
    assert_eq!(firing("AfcServiceOwnedTwice", "service"), Vec::<String>::new());
}

/// Checks that Prometheus understands each query of the dashboard, and that only what counts rare things finds nothing.
fn assert_the_dashboard_has_something_to_show(prometheus: &Prometheus<'_>) {
    let queries = deployed::queries();
    assert!(queries.len() > 50, "{}", queries.len());
    let rare = [
        "_failovers_",
        "_refusals_",
        "_claims_",
        "_owner_changes_",
        "_suspicions_",
        "_send_errors_",
        "> 0",
        "> 0.5",
    ];
    for query in queries {
        let series = prometheus.query(&query).unwrap();
        let may_be_empty = rare.iter().any(|part| query.contains(part));
        assert!(may_be_empty || !series.is_empty(), "the dashboard shows nothing for {query}");
    }
}
