//! A file imports only from floors below its own.

use std::collections::BTreeSet;

use super::source::files;

/// The floors, lowest first. Neighbours are strangers, but for those that [`NEIGHBOURS`] lists.
const FLOORS: [&[&str]; 5] = [
    &["domain", "ambient", "config", "crew", "observe", "wire"],
    &["store", "providers", "webhooks"],
    &["app", "queue"],
    &["http", "workers"],
    &["cli", "server", "main", "lib"],
];

/// Who uses whom on the same floor.
const NEIGHBOURS: [(&str, &str); 10] = [
    ("ambient", "domain"),
    ("config", "domain"),
    ("crew", "ambient"),
    ("observe", "domain"),
    ("observe", "config"),
    ("observe", "ambient"),
    ("observe", "wire"),
    ("wire", "ambient"),
    ("cli", "server"),
    ("main", "cli"),
];

fn floor(module: &str) -> usize {
    let found = FLOORS.iter().position(|floor| floor.contains(&module));
    found.unwrap_or_else(|| {
        panic!("`{module}` has no floor: give it one here and in ARCHITECTURE.md")
    })
}

fn may(importer: &str, used: &str) -> bool {
    importer == used || floor(used) < floor(importer) || NEIGHBOURS.contains(&(importer, used))
}

/// The top-level modules that the code names by `crate::…`, in a group or not.
fn used(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(heads(group)),
            None => found.extend(head(rest)),
        }
    }
    found
}

fn head(path: &str) -> Option<String> {
    let path = path.trim_start();
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The first names of the members of a group that was just opened.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.extend(head(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(head(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn files_import_from_floors_below_alone() {
    let mut wrong = Vec::new();
    for source in files("src") {
        let module = source.path["src/".len()..].trim_end_matches(".rs").split('/').next().unwrap();
        for used in used(&source.code.join("\n")) {
            if !may(module, &used) {
                wrong.push(format!("{} uses crate::{used}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "against the floors of ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_check_sees_groups_and_paths() {
    let code = "use crate::{\n a::{b, c},\n d,\n};\nuse crate::e::F;\nx(crate::g::h());\npub(crate) use other_crate::z;";
    assert_eq!(used(code), ["a", "d", "e", "g"].map(str::to_owned).into());
    assert!(may("http", "app") && may("observe", "config"));
    assert!(!may("http", "workers") && !may("queue", "app") && !may("domain", "ambient"));
}
