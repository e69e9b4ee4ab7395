//! Strict JSON at the edge: one pass over the bytes, before anything else parses them.
//!
//! `serde_json` keeps the last of duplicate keys and nests to 128; both let two readers of one body
//! disagree. [`check`] is iterative, so depth costs no stack, and writes the canonical form on its
//! way, because every idempotent request needs its hash.

mod members;
mod path;
mod places;
mod same;
mod scan;
mod strings;
#[cfg(test)]
mod tests;
mod value;

use std::{borrow::Cow, str};

use sha2::{Digest, Sha256};

pub use path::{MalformedPath, Path};
pub use places::Places;
pub use same::{order, same};
use scan::Scanner;

pub use value::value;

/// How deeply arrays and objects may nest.
pub const MAX_DEPTH: usize = 64;

/// Why bytes are not acceptable JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct JsonFault {
    /// Offset in bytes of the first wrong byte.
    pub offset: usize,
    /// What is wrong there, for the client.
    pub problem: Cow<'static, str>,
}

/// JSON text (RFC 8259) that nests at most [`MAX_DEPTH`] deep and repeats no key.
#[derive(Debug)]
pub struct Checked<'a> {
    text: &'a str,
    canonical: Vec<u8>,
}

impl<'a> Checked<'a> {
    /// The text as it came.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The canonical text: no white space, keys sorted by code point, strings with only the escapes
    /// that they need (those of RFC 8785 §3.2.2.2), numbers as written. `1` and `1.0` therefore differ.
    pub fn canonical(&self) -> &[u8] {
        &self.canonical
    }

    /// SHA-256 of the canonical text.
    pub fn canonical_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.canonical).into()
    }
}

/// Checks a whole body.
///
/// # Errors
///
/// Invalid UTF-8 or JSON, a byte order mark, a lone surrogate, a number beyond the range of a
/// double, a repeated key, or nesting beyond [`MAX_DEPTH`].
pub fn check(bytes: &[u8]) -> Result<Checked<'_>, JsonFault> {
    let text = str::from_utf8(bytes).map_err(|error| JsonFault {
        offset: error.valid_up_to(),
        problem: "the body is not UTF-8".into(),
    })?;
    let canonical = Scanner::new(text.as_bytes()).document()?;
    Ok(Checked { text, canonical })
}

fn fault_at<T>(offset: usize, problem: &'static str) -> Result<T, JsonFault> {
    Err(JsonFault { offset, problem: problem.into() })
}
