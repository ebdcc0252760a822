//! What `deploy/` and `docs/monitoring.md` say of metrics and alerts, read from the files. Runs nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::Value;

/// Of each alert, by its name: where the documentation has it.
pub(crate) type Runbooks = BTreeMap<String, String>;

/// A file of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// Its text.
pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The metrics that a text names; those of a histogram's parts count as the histogram.
pub(crate) fn metrics(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !is_name(c));
    let part = |word: &str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end).map(str::to_owned))
    };
    words.filter(|word| word.starts_with("afc_")).map(|word| part(word).unwrap_or(word.to_owned())).collect()
}

/// The metrics with a row of their own in the documentation.
pub(crate) fn documented() -> BTreeSet<String> {
    let text = read("docs/monitoring.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `afc_")?.split_once('`'));
    rows.map(|(name, _)| format!("afc_{name}")).collect()
}

/// The headings of the documentation below `## Alerts`.
pub(crate) fn explained_alerts() -> BTreeSet<String> {
    let text = read("docs/monitoring.md");
    let (_, alerts) = text.split_once("\n## Alerts\n").expect("the documentation has alerts");
    alerts.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect()
}

/// The alerts, each with its runbook. Fails where one lacks something that it must have.
pub(crate) fn alerts() -> Runbooks {
    let text = read("deploy/prometheus/afc.rules.yml");
    let rules = text.split("- alert: ").skip(1);
    let rule = |rule: &str| {
        let name = rule.lines().next().expect("a rule has a name").to_owned();
        for part in ["labels: {severity: ", "summary: ", "description: >-", "runbook: "] {
            assert_eq!(rule.matches(part).count(), 1, "{name}: {part}");
        }
        let runbook = rule.lines().find_map(|line| line.trim().strip_prefix("runbook: "));
        (name, runbook.expect("just seen").to_owned())
    };
    rules.map(rule).collect()
}

/// Every query of the dashboard, its variables set to all there is and the last seconds.
pub(crate) fn queries() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(&read("deploy/grafana/afc.json")).expect("the dashboard is JSON");
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    let set = [("$cluster", ".*"), ("$node", ".*"), ("$__rate_interval", "10s"), ("$__range", "1m")];
    let all = |query: String| set.iter().fold(query, |query, (name, value)| query.replace(name, value));
    found.into_iter().map(all).collect()
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
