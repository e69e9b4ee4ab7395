//! The rules of the house that no lint knows. ARCHITECTURE.md says why they are there.

mod floors;
mod source;

use std::{collections::BTreeMap, fs, path::Path};

use source::{collect, files, has_word, top};

/// Lines of a file, tests within it not counted, above which somebody should look at it again.
const LINES: usize = 400;

/// Files that are longer, and how long they are. The list only shrinks, and so do its numbers.
const LONG: &[(&str, usize)] = &[("src/domain/schema/graph/build.rs", 450)];

/// A number on a list may be that much too high.
const SLACK: usize = 20;

/// Files that take the right to all rows. Each answers for tenancy itself, so the list only shrinks.
const SYSTEM_SCOPE: &[&str] = &[
    "src/app/accounts.rs",
    "src/app/agents/health.rs",
    "src/app/api_keys.rs",
    "src/app/audit_log.rs",
    "src/app/auth/signed_in.rs",
    "src/app/auth/verify.rs",
    "src/app/batches/cancel.rs",
    "src/app/builtins/cleanup.rs",
    "src/app/credits.rs",
    "src/app/duties/mod.rs",
    "src/app/evals/score.rs",
    "src/app/jobs/direct.rs",
    "src/app/ledger_audit.rs",
    "src/app/listing.rs",
    "src/app/members.rs",
    "src/app/members/operator.rs",
    "src/app/once.rs",
    "src/app/prices.rs",
    "src/app/projects.rs",
    "src/app/queues.rs",
    "src/app/schedules/fire.rs",
    "src/app/sign_in/accept.rs",
    "src/app/sign_in/links.rs",
    "src/app/sign_in/mod.rs",
    "src/app/sign_in/password.rs",
    "src/app/sign_in/sessions.rs",
    "src/app/stripe/mod.rs",
    "src/app/tasks/attempt.rs",
    "src/app/telemetry/requests.rs",
    "src/app/telemetry/switches.rs",
    "src/app/usage/fold.rs",
    "src/queue/mod.rs",
    "src/queue/runner/attempt.rs",
    "src/queue/runner/dispatch.rs",
    "src/queue/runner/mod.rs",
    "src/store/mod.rs",
];

/// Fails with every place in code, tests within it not counted, where one of `words` stands, unless `may`
/// allows it in that file.
fn forbid(why: &str, words: &[&str], may: impl Fn(&str) -> bool) {
    let found: Vec<String> = files("src")
        .iter()
        .filter(|source| !source.is_test() && !may(&source.path))
        .flat_map(|source| source.places(words))
        .collect();
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

/// Whether the path is that of a module's file, or lies in its folder.
fn is_of(path: &str, module: &str) -> bool {
    let rest = path.strip_prefix("src/").and_then(|path| path.strip_prefix(module));
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

#[test]
fn sql_is_in_the_store_alone() {
    forbid("only src/store knows the database", &["rusqlite", "r2d2"], |path| is_of(path, "store"));
    let mut found = Vec::new();
    for source in files("src") {
        if is_of(&source.path, "store") {
            continue;
        }
        for (at, line) in source.text.lines().enumerate() {
            let line = line.trim_start().to_lowercase();
            let words =
                ["\"select ", "\"insert into", "\"update main", "\"delete from", "\"pragma "];
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {line}", source.path, at + 1));
            }
        }
    }
    assert!(found.is_empty(), "SQL outside src/store:\n{}", found.join("\n"));
}

#[test]
fn status_codes_are_at_the_edge_alone() {
    forbid("only src/http knows statuses", &["StatusCode"], |path| is_of(path, "http"));
}

#[test]
fn only_the_edge_is_async() {
    forbid("below the edge there are threads", &["async", ".await"], |path| {
        is_of(path, "http") || is_of(path, "server")
    });
}

#[test]
fn writes_are_made_by_deeds_and_queues_alone() {
    forbid("workers and the edge call a deed", &["store.write("], |path| {
        is_of(path, "app") || is_of(path, "queue") || is_of(path, "store")
    });
    forbid("transactions are lent to deeds alone", &["Tx<"], |path| {
        ["app", "queue", "store", "workers"].iter().any(|module| is_of(path, module))
    });
}

#[test]
fn time_and_randomness_come_from_ambient() {
    let clocks = ["SystemTime::now", "Instant::now", "getrandom::", "Uuid::now_v7", "Uuid::new_v4"];
    forbid("take it from `ambient`", &clocks, |path| {
        // Its timers belong to tokio's clock.
        path == "src/ambient.rs" || is_of(path, "http")
    });
    forbid("not even at the edge", &["SystemTime::now", "std::time::Instant"], |path| {
        path == "src/ambient.rs"
    });
}

#[test]
fn the_domain_is_pure() {
    let outside = [
        "std::fs",
        "std::thread",
        "std::env",
        "std::io",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "tokio",
        "ureq",
        "hyper",
        "tracing",
    ];
    forbid("domain does no I/O", &outside, |path| !is_of(path, "domain"));
}

#[test]
fn nothing_is_left_for_later() {
    let mut found = Vec::new();
    for source in files("src").into_iter().chain(files("tests")) {
        let whole: Vec<&str> = source.text.lines().collect();
        for (at, line) in whole.iter().enumerate() {
            let stub = ["todo!", "unimplemented!", "dbg!", "#[ignore"];
            let left = stub.iter().any(|word| has_word(line, word));
            let sleeps = ["thread::sleep", "time::sleep"].iter().any(|word| has_word(line, word));
            let may_sleep = is_of(&source.path, "http");
            let is_list = source.path.starts_with("tests/tidy/");
            if !is_list && (left || sleeps && !may_sleep) {
                found.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "finish it, or wait for an event:\n{}", found.join("\n"));
}

#[test]
fn every_exception_to_a_lint_has_a_reason() {
    let mut found = Vec::new();
    for source in files("src").into_iter().chain(files("tests")) {
        for kind in ["[allow(", "[expect("] {
            for (at, _) in source.text.match_indices(kind) {
                let attribute = source.text[at..].split(")]").next().unwrap();
                if !attribute.contains("reason = \"") && !source.path.starts_with("tests/tidy/") {
                    found.push(format!("{}: {attribute}", source.path));
                }
            }
        }
    }
    assert!(found.is_empty(), "say why:\n{}", found.join("\n"));
}

#[test]
fn the_right_to_all_rows_is_taken_in_few_files() {
    let found = count(|source| source.places(&["SystemScope::new()"]).len());
    let found: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(found, SYSTEM_SCOPE, "each of these files sees all tenants' rows");
}

#[test]
fn the_map_names_every_folder() {
    let map = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let missing: Vec<String> = fs::read_dir(top().join("src"))
        .unwrap()
        .map(|entry| {
            entry.unwrap().file_name().to_string_lossy().trim_end_matches(".rs").to_owned()
        })
        .filter(|name| name != "lib" && !has_word(&map, name))
        .collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not speak of {missing:?}");
}

#[test]
fn the_map_leads_to_files_that_are_there() {
    let map = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let is_rust = |quoted: &str| Path::new(quoted).extension().is_some_and(|end| end == "rs");
    let quoted = map.split('`').skip(1).step_by(2).filter(|quoted| is_rust(quoted));
    let paths: Vec<&str> = quoted.filter(|it| it.contains('/') && !it.contains('<')).collect();
    assert!(paths.len() > 20, "{paths:?}");
    let lost: Vec<_> = paths
        .iter()
        .filter(|path| !["", "src"].iter().any(|folder| top().join(folder).join(path).exists()))
        .collect();
    assert!(lost.is_empty(), "ARCHITECTURE.md speaks of {lost:?}");
}

#[test]
fn files_stay_short() {
    let found = count(|source| {
        let lines = source.code.len();
        if lines > LINES { lines } else { 0 }
    });
    ratchet("lines", &found, LONG);
}

fn count(count: impl Fn(&source::Source) -> usize) -> BTreeMap<String, usize> {
    let sources = files("src").into_iter().filter(|source| !source.is_test());
    sources.map(|it| (it.path.clone(), count(&it))).filter(|(_, count)| *count > 0).collect()
}

/// What was found must be within what is known, and what is known must not exceed what was found.
fn ratchet(what: &str, found: &BTreeMap<String, usize>, known: &[(&str, usize)]) {
    let known: BTreeMap<String, usize> =
        known.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect();
    let grown: Vec<_> = found.iter().filter(|(path, n)| known.get(*path) < Some(*n)).collect();
    assert!(grown.is_empty(), "more {what} than before: {grown:#?}");
    let shrunk: Vec<_> = known
        .iter()
        .filter(|(path, n)| found.get(*path).copied().unwrap_or(0) + SLACK < **n)
        .map(|(path, n)| format!("{path}: {n} is now {}", found.get(path).copied().unwrap_or(0)))
        .collect();
    assert!(shrunk.is_empty(), "fewer {what}, well done; write it down in tests/tidy: {shrunk:#?}");
}

#[test]
fn nothing_names_the_machine_that_it_was_written_on() {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", ".ci", ".cargo"] {
        collect(folder, &mut paths);
    }
    for entry in fs::read_dir(top()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        // The lock names the registry of every package; that is its job.
        if entry.file_type().unwrap().is_file() && !["Cargo.lock", ".git"].contains(&name.as_str())
        {
            paths.push(name);
        }
    }
    // Put together, lest they are found here.
    let words = [
        ["/wo", "rk/"],
        ["/tmp/", "wt"],
        ["/tmp/", "t/"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["index.crates", ".io"],
        ["static.crates", ".io"],
        ["proxy.golang", ".org"],
        ["registry.npmjs", ".org"],
        ["CARGO_", "TARGET_DIR="],
    ]
    .map(|parts| parts.concat());
    let mut found = Vec::new();
    for path in paths {
        let bytes = fs::read(top().join(&path)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for word in words.iter().filter(|word| text.contains(word.as_str())) {
            found.push(format!("{path} names {word}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
