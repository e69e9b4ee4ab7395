//! What holds of every file that the page is made of.

use std::collections::BTreeSet;

use super::*;
use crate::http::routes::Audience;

/// In bytes, before they are packed, without fonts and licences.
const ALL_MAX: usize = 400_000;

fn is_licence(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.to_ascii_uppercase().contains("LICEN") || name.contains("OFL")
}

/// Text files other than licences.
fn texts() -> Vec<(&'static str, String)> {
    let written = FILES.iter().filter(|file| file.is_gzip && !is_licence(file.path));
    written
        .map(|file| (file.path, String::from_utf8(file.unpacked().unwrap().to_vec()).unwrap()))
        .collect()
}

#[test]
fn all_files_together_are_small() {
    let all: usize = texts().iter().map(|(_, text)| text.len()).sum();
    assert!(all < ALL_MAX, "{all} bytes, but at most {ALL_MAX} are allowed");
}

#[test]
fn what_others_wrote_has_its_licence_beside_it() {
    let licences: Vec<_> =
        FILES.iter().map(|file| file.path).filter(|path| is_licence(path)).collect();
    for file in FILES.iter().filter(|file| !is_licence(file.path)) {
        let Some((folder @ ("vendor" | "fonts"), name)) = file.path.split_once('/') else {
            continue;
        };
        // `preact.module.js` is covered by `LICENSE-preact`, `preact.LICENSE` and the like.
        let stem = name.split(['.', '-']).next().unwrap().to_ascii_lowercase();
        let covers =
            |path: &str| path.starts_with(folder) && path.to_ascii_lowercase().contains(&stem);
        assert!(licences.iter().any(|path| covers(path)), "{} has no licence", file.path);
    }
}

#[test]
fn nothing_names_another_host() {
    for (path, text) in texts() {
        let code = text.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n");
        for scheme in ["http://", "https://"] {
            for (at, _) in code.match_indices(scheme) {
                let rest = &code[at + scheme.len()..];
                // Names of namespaces, which nobody asks; and an example of the address that somebody would give.
                let is_name = rest.starts_with("www.w3.org/") || rest.starts_with("example.com");
                assert!(
                    is_name,
                    "{path} names {scheme}{}",
                    rest.lines().next().unwrap_or_default()
                );
            }
        }
    }
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "/*", "* "].iter().any(|begin| line.starts_with(begin))
}

#[test]
fn the_page_runs_nothing_that_stands_in_it() {
    let index = String::from_utf8_lossy(find(INDEX).unwrap().unpacked().unwrap());
    assert!(!index.contains("{{"), "a place in index.html was not filled");
    let scripts = index.match_indices("<script").map(|(at, _)| &index[at..]);
    for script in scripts {
        let (tag, rest) = script.split_once('>').unwrap();
        assert!(tag.contains(" src=") && rest.starts_with("</script>"), "{tag}");
    }
    for forbidden in ["<style", " style=", " onload=", " onclick=", "javascript:"] {
        assert!(!index.contains(forbidden), "{forbidden}");
    }
    let named = index.match_indices(&format!("/dashboard/assets/{VERSION}/")).count();
    let modules = FILES.iter().filter(|file| file.media_type.contains("javascript")).count();
    assert!(named > modules, "{index}");
    for (at, begin) in index.match_indices(&format!("\"/dashboard/assets/{VERSION}/")) {
        let path = index[at + begin.len()..].split('"').next().unwrap();
        assert!(find(path).is_some(), "index.html loads {path}, which is not there");
    }
}

#[test]
fn every_module_finds_what_it_imports() {
    let known: BTreeSet<_> = FILES.iter().map(|file| file.path).collect();
    for (path, text) in texts() {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for import in imports(path, &text) {
            let target = resolve(folder, &import);
            assert!(
                target.as_deref().is_some_and(|target| known.contains(target)),
                "{path} imports {import}, which is not there"
            );
        }
    }
}

/// The paths that a module imports, or that a style sheet loads.
fn imports(path: &str, text: &str) -> Vec<String> {
    let pattern = match path.rsplit('.').next() {
        Some("js") => {
            r#"(?:\b(?:import|export)\s[\w\s,*{}$]+\bfrom\s*|\bimport\s*\(?\s*)["']([^"']+)["']"#
        }
        Some("css") => r#"(?:\burl\(\s*|@import\s+)["']?([^"')]+)["']?"#,
        _ => return Vec::new(),
    };
    let pattern = regex::Regex::new(pattern).unwrap();
    let found = pattern.captures_iter(text).map(|found| found[1].to_owned());
    found.filter(|target| !target.starts_with("data:")).collect()
}

/// The file that a relative path leads to; `None` where it is not relative.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let target = target.strip_prefix("./").or(target.starts_with("../").then_some(target))?;
    let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[test]
fn paths_lead_to_files() {
    assert_eq!(resolve("pages", "../vendor/a.js").as_deref(), Some("vendor/a.js"));
    assert_eq!(resolve("", "./a.js").as_deref(), Some("a.js"));
    assert_eq!(resolve("", "../a.js"), None);
    assert_eq!(resolve("", "preact"), None);
    let text = "import { a } from \"./a.js\";\nexport * from './b.js'; await import('./c.js')";
    assert_eq!(imports("x.js", text), ["./a.js", "./b.js", "./c.js"]);
    let text = "@font-face { src: url(\"fonts/a.woff2\") } x { background: url(data:,) }";
    assert_eq!(imports("x.css", text), ["fonts/a.woff2"]);
}

#[test]
fn only_the_page_is_left_out_of_the_document() {
    let table = crate::http::api::table();
    let hidden: Vec<_> = table.iter().filter(|route| route.audience == Audience::People).collect();
    assert_eq!(hidden.len(), crate::http::dashboard::pages().len());
    for route in hidden {
        let is_page = route.path == "/" || route.path.starts_with("/dashboard");
        assert!(is_page && !route.path.starts_with("/dashboard/api"), "{}", route.path);
    }
}
