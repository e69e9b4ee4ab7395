//! What a tenant's patterns cost. The engine is linear in the text, but its factor is the size of
//! the compiled pattern, and each pattern holds memory.

use std::collections::HashMap;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};

use super::SchemaFault;

/// The largest compiled pattern, in bytes. Room for `^\p{L}{1,60}$`.
pub(super) const MAX_PROGRAM: usize = 1 << 20;
/// The engine's cache per pattern, in bytes.
pub(super) const MAX_CACHE: usize = 1 << 17;
/// All compiled patterns of one schema together, in bytes.
const MAX_PROGRAMS: usize = 1 << 20;
/// Different patterns in one schema.
const MAX_PATTERNS: usize = 64;
/// The text of all patterns of one schema together, in bytes: classes of many ranges compile slowly.
const MAX_TEXT: usize = 1 << 14;
/// What the engine keeps beside a compiled pattern to find it quickly, in bytes.
const PREFILTER: usize = 256 << 10;
/// Sizes that are tried, in bytes.
const LADDER: [usize; 5] = [1 << 12, 1 << 14, 1 << 16, 1 << 18, MAX_PROGRAM];

/// One compiled pattern.
pub(super) struct Pattern {
    matcher: Validator,
    /// Cost per byte of text, in half units.
    pub(super) weight: u64,
}

impl Pattern {
    /// Whether the pattern is found in the text.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.matcher.is_valid(&Value::String(text.to_owned()))
    }
}

/// The different patterns of a schema.
#[derive(Default)]
pub(super) struct Patterns {
    by_text: HashMap<String, usize>,
    all: Vec<Pattern>,
    /// Of the compiled patterns.
    bytes: usize,
    /// Of their texts.
    text: usize,
}

impl Patterns {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// About what the compiled patterns take, here and in the validator, in bytes.
    pub(super) fn bytes(&self) -> usize {
        3 * self.bytes + PREFILTER * self.all.len()
    }

    pub(super) fn get(&self, index: usize) -> &Pattern {
        &self.all[index]
    }

    /// Compiles a pattern once and answers its index.
    pub(super) fn add(&mut self, path: &str, text: &str) -> Result<usize, SchemaFault> {
        if let Some(&index) = self.by_text.get(text) {
            return Ok(index);
        }
        if self.all.len() == MAX_PATTERNS {
            let message = format!("the schema has more than {MAX_PATTERNS} different patterns");
            return Err(SchemaFault::at(path, message));
        }
        self.text += text.len();
        if self.text > MAX_TEXT {
            let message =
                format!("the patterns of the schema have more than {MAX_TEXT} bytes together");
            return Err(SchemaFault::at(path, message));
        }
        let compiled = LADDER.iter().find_map(|&size| Some((size, compile(text, size)?)));
        let Some((size, matcher)) = compiled else {
            return Err(SchemaFault::at(
                path,
                "the pattern is invalid, too large, or uses look-around or back-references, which are not supported",
            ));
        };
        self.bytes += size;
        if self.bytes > MAX_PROGRAMS {
            return Err(SchemaFault::at(path, "the patterns of the schema are too large together"));
        }
        let weight = u64::try_from((2 * size / LADDER[1]).max(1)).unwrap_or(u64::MAX);
        self.all.push(Pattern { matcher, weight });
        self.by_text.insert(text.to_owned(), self.all.len() - 1);
        Ok(self.all.len() - 1)
    }
}

fn compile(text: &str, size: usize) -> Option<Validator> {
    let patterns = PatternOptions::regex().size_limit(size).dfa_size_limit(MAX_CACHE);
    let schema = json!({ "pattern": text });
    // A size-raised pattern can panic inside the engine (rust-lang/regex issue 1344).
    let build = || {
        let options = jsonschema::draft202012::options().offline();
        options.with_pattern_options(patterns).build(&schema)
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(build)).ok()?.ok()
}
