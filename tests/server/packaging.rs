//! The dashboard and the alerts that come with the program ask for nothing that is not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

use super::{metrics::Busy, openmetrics::Metrics};

const DASHBOARD: &str = "packaging/grafana/skai-server.json";
const ALERTS: &str = "packaging/prometheus/alerts.yml";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What panels ask for, by their titles.
fn panels() -> Vec<(String, Vec<String>)> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let of = |panel: &Value| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        let asked = targets.iter().map(|it| it["expr"].as_str().unwrap().to_owned()).collect();
        (panel["title"].as_str().unwrap().to_owned(), asked)
    };
    dashboard["panels"].as_array().unwrap().iter().map(of).collect()
}

/// One alert: its members as they are written, with those below `labels` and `annotations`, on one line each.
type Alert = BTreeMap<String, String>;

/// Reads as much YAML as the file of alerts needs.
fn alerts() -> Vec<Alert> {
    let (mut found, mut key) = (Vec::<Alert>::new(), String::new());
    for line in read(ALERTS).lines() {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(name) = text.strip_prefix("- alert: ") {
            found.push(Alert::from([("alert".to_owned(), name.to_owned())]));
            continue;
        }
        let Some(alert) = found.last_mut() else { continue };
        let depth = line.len() - text.len();
        if let Some((name, value)) = text.split_once(':').filter(|_| depth <= 10) {
            name.clone_into(&mut key);
            alert.insert(key.clone(), value.trim().trim_start_matches(">-").to_owned());
        } else {
            let value = alert.get_mut(&key).unwrap();
            value.push(' ');
            value.push_str(text);
        }
    }
    found
}

/// The names of our metrics in a query.
fn named(query: &str) -> BTreeSet<&str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("skai_") || word.starts_with("process_")).collect()
}

/// The query with nothing in its quotes.
fn unquoted(query: &str) -> String {
    query.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// The labels that a query names, each with a metric that has to have it: by what samples are chosen, grouped and
/// matched.
fn labelled(query: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (at, _) in query.match_indices('{') {
        let (before, within) = (&query[..at], query[at + 1..].split('}').next().unwrap());
        let name = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next();
        let labels = within.split(',').map(|it| it.split(['=', '!']).next().unwrap().trim());
        found.extend(labels.filter(|it| !it.is_empty()).map(|label| (name.unwrap(), label)));
    }
    for (word, is_group) in [(" by (", true), (" on (", false)] {
        for (at, _) in query.match_indices(word) {
            let (labels, rest) = query[at + word.len()..].split_once(')').unwrap();
            let names = if is_group { named(operand(rest)) } else { named(query) };
            let labels = labels.split(',').map(str::trim);
            found.extend(labels.flat_map(|label| names.iter().map(move |name| (*name, label))));
        }
    }
    found
}

/// What is grouped: it stands in brackets behind the labels.
fn operand(rest: &str) -> &str {
    let rest = rest.trim_start();
    assert!(rest.starts_with('('), "nothing is grouped: {rest}");
    let mut depth = 0;
    let end = rest.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    &rest[..end.unwrap()]
}

/// Whether samples have this label: ours, or one that Prometheus adds.
fn is_there(metrics: &Metrics, name: &str, label: &str) -> bool {
    ["instance", "job"].contains(&label) || metrics.labels(name).contains(label)
}

/// Whether brackets and quotes are closed in their order.
fn is_balanced(query: &str) -> bool {
    let (mut open, mut quoted) = (Vec::new(), false);
    for c in query.chars() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(c) => return false,
            _ => {}
        }
    }
    open.is_empty() && !quoted
}

#[test]
fn all_that_is_asked_for_is_there() {
    let metrics = Busy::new().metrics();
    let there: BTreeSet<&str> = metrics.names().into_iter().collect();
    let alerts = alerts().into_iter().map(|it| (it["alert"].clone(), vec![it["expr"].clone()]));
    let mut missing = Vec::new();
    for (place, queries) in panels().into_iter().chain(alerts) {
        for query in queries {
            assert!(is_balanced(&query), "{place}: {query}");
            let unknown = named(&query).into_iter().filter(|name| !there.contains(name));
            missing.extend(unknown.map(|name| format!("{place}: {name}")));
            let query = unquoted(&query);
            let labels = labelled(&query).into_iter();
            let unknown = labels.filter(|(name, label)| !is_there(&metrics, name, label));
            missing.extend(unknown.map(|(name, label)| format!("{place}: {label} of {name}")));
        }
    }
    assert!(missing.is_empty(), "nobody counts these:\n{}", missing.join("\n"));
}

#[test]
fn each_label_of_a_query_is_found() {
    let query = "sum by (a, b) (rate(skai_x{c=\"}\",d!~\"e\"}[1m])) > 2 and on (f) skai_y == 0";
    let query = unquoted(query);
    let expected = [
        ("skai_x", "c"),
        ("skai_x", "d"),
        ("skai_x", "a"),
        ("skai_x", "b"),
        ("skai_x", "f"),
        ("skai_y", "f"),
    ];
    assert_eq!(labelled(&query), expected);
}

#[test]
fn the_dashboard_can_be_loaded() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "ids of panels come twice");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: BTreeSet<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(variables, BTreeSet::from(["datasource", "instance", "job"]));
    let mut taken = BTreeSet::new();
    for panel in panels {
        let (title, place) = (&panel["title"], &panel["gridPos"]);
        let at = |name: &str| place[name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title} is too wide");
        for cell in (at("x")..at("x") + at("w"))
            .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(taken.insert(cell), "{title} covers another panel");
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title} asks for nothing");
        }
    }
}

#[test]
fn alerts_say_how_bad_it_is_and_what_to_do() {
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|alert| &alert["alert"]).collect();
    assert!(alerts.len() > 15 && names.len() == alerts.len(), "{names:?}");
    for alert in &alerts {
        let labels = alert["labels"].as_str();
        assert!(["{ severity: critical }", "{ severity: warning }"].contains(&labels), "{alert:?}");
        for (key, least) in [("expr", 10), ("summary", 20), ("description", 60)] {
            assert!(alert.get(key).is_some_and(|text| text.len() >= least), "{key} of {alert:?}");
        }
    }
}

#[test]
fn prometheus_takes_the_alerts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(ALERTS);
    // Where its tool is not installed, the other tests have to do.
    let Ok(checked) = Command::new("promtool").args(["check", "rules"]).arg(path).output() else {
        return;
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
