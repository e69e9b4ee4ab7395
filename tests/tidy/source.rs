//! Source files as the rules look at them: without comments, strings and the tests within them.

use std::{fs, path::Path};

/// A file of the repository.
pub(super) struct Source {
    /// From the top of the repository, with `/`.
    pub(super) path: String,
    /// As it is.
    pub(super) text: String,
    /// Line by line without comments, the contents of strings, and tests.
    pub(super) code: Vec<String>,
}

impl Source {
    fn read(path: String) -> Self {
        let text = fs::read_to_string(top().join(&path)).unwrap();
        let code = strip(&text);
        Self { path, text, code }
    }

    /// Whether all of it is test code.
    pub(super) fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    /// `path:line: code` of every line that holds one of `words`.
    pub(super) fn places(&self, words: &[&str]) -> Vec<String> {
        let holds = |line: &&(usize, &String)| words.iter().any(|word| has_word(line.1, word));
        let lines = self.code.iter().enumerate().map(|(at, line)| (at + 1, line));
        let found: Vec<_> = lines.collect();
        let found = found.iter().filter(holds);
        found.map(|(at, line)| format!("{}:{at}: {}", self.path, line.trim())).collect()
    }
}

/// The top of the repository.
pub(super) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folder`.
pub(super) fn files(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(folder, &mut paths);
    paths.sort();
    paths.into_iter().filter(|path| path.ends_with(".rs")).map(Source::read).collect()
}

/// All files below `folder`, whatever they hold.
pub(super) fn collect(folder: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(top().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path);
        }
    }
}

/// Whether `word` stands in `line`, not as a part of a longer name.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let starts = !(is_name(word.chars().next()) && is_name(before.chars().next_back()));
        starts && !(is_name(word.chars().next_back()) && is_name(after.chars().next()))
    })
}

/// Good enough for this code base: comments to the end of the line, strings that end on their line or
/// go on over several, and a test module at the end of its file.
fn strip(text: &str) -> Vec<String> {
    let mut inside = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line == "#[cfg(test)]" && inside.is_none() {
            lines.push(line.to_owned());
            break;
        }
        lines.push(strip_line(line, &mut inside));
    }
    // `#[cfg(test)]` before the declaration of a module ends nothing.
    let rest: Vec<&str> = text.lines().skip(lines.len()).collect();
    if rest.first().is_some_and(|line| line.starts_with("mod ") && line.ends_with(';')) {
        lines.push(rest[0].to_owned());
        lines.extend(strip(&rest[1..].join("\n")));
    }
    lines
}

/// `inside` is how the string ends that began on an earlier line.
fn strip_line(line: &str, inside: &mut Option<String>) -> String {
    let mut code = String::new();
    let mut rest = line;
    loop {
        if let Some(end) = inside.clone() {
            let Some(at) = find_end(rest, &end) else { return code };
            rest = &rest[at + end.len()..];
            code.push('"');
            *inside = None;
        }
        let comment = rest.find("//");
        let string = find_string(rest);
        match string {
            Some((at, end)) if comment.is_none_or(|comment| at < comment) => {
                code.push_str(&rest[..at]);
                code.push('"');
                let open = rest[at..].find('"').unwrap();
                rest = &rest[at + open + 1..];
                *inside = Some(end);
            }
            _ => {
                code.push_str(&rest[..comment.unwrap_or(rest.len())]);
                return code;
            }
        }
    }
}

/// Where a string begins, and how it ends.
fn find_string(text: &str) -> Option<(usize, String)> {
    // A quotation mark as a character or byte begins no string.
    let masked = text.replace("'\"'", "   ").replace("'\\\"'", "    ");
    let quote = masked.find('"')?;
    let hashes = masked[..quote].len() - masked[..quote].trim_end_matches('#').len();
    let raw = masked[..quote - hashes].ends_with('r');
    if raw {
        Some((quote - hashes - 1, format!("\"{}", "#".repeat(hashes))))
    } else {
        Some((quote, "\"".to_owned()))
    }
}

/// Where the string ends; a quotation mark after a backslash does not end a plain one.
fn find_end(text: &str, end: &str) -> Option<usize> {
    let plain = end == "\"";
    text.match_indices(end).map(|(at, _)| at).find(|at| {
        let backslashes = text[..*at].chars().rev().take_while(|c| *c == '\\').count();
        !plain || backslashes % 2 == 0
    })
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "let a = \"x // async\"; // async\nlet b = r#\"\nasync \"quoted\"\n\"#; c\n'\"' async\n#[cfg(test)]\nmod tests {\nasync";
    let code = strip(text);
    assert_eq!(
        code,
        ["let a = \"\"; ", "let b = \"", "", "\"; c", "'\"' async", "#[cfg(test)]"]
            .map(str::to_owned)
    );
    assert!(has_word("async fn", "async") && !has_word("asynchronous", "async"));
    assert!(has_word("x.await?", ".await") && !has_word("x.awaited", ".await"));
}
