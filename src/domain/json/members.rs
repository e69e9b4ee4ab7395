//! The order of an object's members, and keys that are repeated.

use std::cmp::Ordering;

use super::JsonFault;

/// How much of a duplicate key an error repeats, in characters.
const KEY_ECHO: usize = 40;

/// The members of the objects that are open, those of the innermost last.
pub(super) struct Members {
    open: Vec<Member>,
    scratch: Vec<u8>,
}

/// One `"key":value` in the canonical output.
#[derive(Clone, Copy)]
struct Member {
    /// Where the key stands in the input, for the error.
    at: usize,
    start: usize,
    key_end: usize,
    end: usize,
}

impl Members {
    pub(super) fn new() -> Self {
        Self { open: Vec::with_capacity(32), scratch: Vec::new() }
    }

    /// How many there are: an object that opens now has those from here on.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Notes a key that stands at `at` in the input and at `start..key_end` in the output.
    pub(super) fn begin(&mut self, at: usize, start: usize, key_end: usize) {
        self.open.push(Member { at, start, key_end, end: 0 });
    }

    /// Notes where the value of the last key ends in the output.
    pub(super) fn end(&mut self, end: usize) {
        if let Some(member) = self.open.last_mut() {
            member.end = end;
        }
    }

    /// Puts the members of the object that closes into order, and refuses a repeated key.
    pub(super) fn sort(&mut self, first: usize, out: &mut Vec<u8>) -> Result<(), JsonFault> {
        let key = |member: &Member| &out[member.start + 1..member.key_end - 1];
        let members = &mut self.open[first..];
        let begin = members[0].start;
        let sorted = members
            .windows(2)
            .all(|pair| by_code_point(key(&pair[0]), key(&pair[1])) == Ordering::Less);
        if !sorted {
            // Stable: of equal keys the later one in the input stays the later one.
            members.sort_by(|a, b| by_code_point(key(a), key(b)));
            let repeated = members.windows(2).find(|pair| key(&pair[0]) == key(&pair[1]));
            if let Some(pair) = repeated {
                return Err(duplicate(pair[1].at, key(&pair[1])));
            }
            self.scratch.clear();
            for member in &*members {
                self.scratch.extend_from_slice(&out[member.start..member.end]);
                self.scratch.push(b',');
            }
            self.scratch.pop();
            out.truncate(begin);
            out.extend_from_slice(&self.scratch);
        }
        self.open.truncate(first);
        Ok(())
    }
}

fn duplicate(offset: usize, key: &[u8]) -> JsonFault {
    let key = String::from_utf8_lossy(key);
    let shown: String = key.chars().take(KEY_ECHO).collect();
    let dots = if shown.len() < key.len() { "…" } else { "" };
    JsonFault { offset, problem: format!("the key \"{shown}{dots}\" is repeated").into() }
}

/// Compares two keys in canonical escapes by the characters that they stand for. UTF-8 keeps the
/// order of code points, so bytes are enough.
fn by_code_point(a: &[u8], b: &[u8]) -> Ordering {
    if a.contains(&b'\\') || b.contains(&b'\\') { Unescape(a).cmp(Unescape(b)) } else { a.cmp(b) }
}

/// The bytes that a string in canonical escapes stands for.
struct Unescape<'a>(&'a [u8]);

impl Iterator for Unescape<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, taken) = match *self.0 {
            [] => return None,
            [b'\\', b'u', _, _, high, low, ..] => {
                let hex = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default();
                (u8::try_from(hex(high) * 16 + hex(low)).unwrap_or_default(), 6)
            }
            [b'\\', b'b', ..] => (8, 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b'f', ..] => (12, 2),
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', byte, ..] => (byte, 2),
            [byte, ..] => (byte, 1),
        };
        self.0 = &self.0[taken..];
        Some(byte)
    }
}
