//! Reads what `/metrics` says, strictly: whatever `OpenMetrics` 1.0 forbids fails.

use std::collections::{BTreeMap, BTreeSet};

/// All samples by name and labels, and the names of all families.
pub(super) struct Metrics {
    pub(super) samples: BTreeMap<String, f64>,
    /// The kind of each family, by its name.
    pub(super) families: BTreeMap<String, String>,
}

impl Metrics {
    /// The sample of that name with these labels, as they are written.
    pub(super) fn get(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("there is no {series}"))
    }

    /// The names that queries may use.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.samples.keys().map(|series| series.split('{').next().unwrap()).collect()
    }

    /// The labels that the samples of that name have.
    pub(super) fn labels(&self, name: &str) -> BTreeSet<&str> {
        let sets = self.samples.keys().filter_map(|series| series.strip_prefix(name));
        let sets = sets.filter_map(|rest| rest.strip_prefix('{')?.strip_suffix("\"}"));
        sets.flat_map(|set| set.split("\",")).filter_map(|it| Some(it.split_once('=')?.0)).collect()
    }
}

pub(super) fn parse(text: &str) -> Metrics {
    let text = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut found = Metrics { samples: BTreeMap::new(), families: BTreeMap::new() };
    let mut helped = BTreeSet::new();
    let mut family = (String::new(), String::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (word, rest) = comment.split_once(' ').unwrap();
            let (name, said) = rest.split_once(' ').unwrap();
            match word {
                "HELP" => assert!(!said.is_empty() && helped.insert(name.to_owned()), "{line}"),
                "TYPE" => {
                    assert!(helped.contains(name), "no help before {line}");
                    family = (name.to_owned(), said.to_owned());
                    let before = found.families.insert(name.to_owned(), said.to_owned());
                    assert_eq!(before, None, "{name} comes twice");
                }
                "UNIT" => assert!(name.ends_with(&format!("_{said}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        check_name(series, &family);
        let value = value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(found.samples.insert(series.to_owned(), value), None, "{series} comes twice");
    }
    check_histograms(&found);
    found
}

/// A sample stands below its family, with the ending that its kind asks for.
fn check_name(series: &str, (family, kind): &(String, String)) {
    let name = series.split('{').next().unwrap();
    let ending = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{series} strays"));
    let endings: &[&str] = match kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_sum", "_count", "_bucket"],
        _ => panic!("{family} is a {kind}"),
    };
    assert!(endings.contains(&ending), "{series} is a {kind}");
    if let Some((_, labels)) = series.split_once('{') {
        let labels = labels.strip_suffix("\"}").unwrap_or_else(|| panic!("{series}"));
        for label in labels.split("\",") {
            let (name, _) = label.split_once("=\"").unwrap_or_else(|| panic!("{series}"));
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{series}");
        }
    }
}

/// Buckets rise to all that were counted.
fn check_histograms(found: &Metrics) {
    for (family, _) in found.families.iter().filter(|(_, kind)| *kind == "histogram") {
        let mut buckets = BTreeMap::<String, Vec<(f64, f64)>>::new();
        let prefix = format!("{family}_bucket{{");
        for (series, count) in &found.samples {
            let Some(labels) = series.strip_prefix(&prefix) else { continue };
            let (bound, rest) =
                labels.strip_prefix("le=\"").and_then(|it| it.split_once('"')).unwrap();
            let rest = rest.trim_start_matches(',').trim_end_matches('}');
            let others = if rest.is_empty() { String::new() } else { format!("{{{rest}}}") };
            buckets.entry(others).or_default().push((bound.parse().unwrap(), *count));
        }
        for (others, mut of) in buckets {
            of.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(of.is_sorted_by_key(|(_, count)| *count), "{family}{others} falls");
            let (last, all) = of.pop().unwrap();
            let count = found.get(&format!("{family}_count{others}"));
            assert!(last.is_infinite() && all.to_bits() == count.to_bits(), "{family}{others}");
        }
    }
}
