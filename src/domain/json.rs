//! Strict JSON at the edge: one pass over the bytes, before anything else parses them.
//!
//! `serde_json` keeps the last of duplicate keys and nests to 128; both let two readers of one body
//! disagree. [`check`] is iterative, so depth costs no stack, and writes the canonical form on its
//! way, because every idempotent request needs its hash.

use std::{borrow::Cow, cmp::Ordering, str};

use sha2::{Digest, Sha256};

/// How deeply arrays and objects may nest.
pub const MAX_DEPTH: usize = 64;

/// How much of a duplicate key an error repeats, in characters.
const KEY_ECHO: usize = 40;

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
    let mut scanner = Scanner::new(text.as_bytes());
    scanner.document()?;
    Ok(Checked { text, canonical: scanner.out })
}

/// What is open around the scanner.
#[derive(Clone, Copy)]
enum Frame {
    Array,
    /// Members from this index on belong to the object.
    Object(usize),
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

/// What comes after a value.
enum After {
    Value,
    Closed,
    End,
}

struct Scanner<'a> {
    input: &'a [u8],
    at: usize,
    out: Vec<u8>,
    frames: Vec<Frame>,
    members: Vec<Member>,
    scratch: Vec<u8>,
}

impl<'a> Scanner<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            at: 0,
            // The canonical form is never longer than the input.
            out: Vec::with_capacity(input.len()),
            frames: Vec::with_capacity(8),
            members: Vec::with_capacity(32),
            scratch: Vec::new(),
        }
    }

    fn document(&mut self) -> Result<(), JsonFault> {
        if self.input.starts_with("\u{feff}".as_bytes()) {
            return self.fault("a byte order mark is not allowed");
        }
        loop {
            if self.opens_value()? {
                continue;
            }
            loop {
                match self.after_value()? {
                    After::Value => break,
                    After::Closed => {}
                    After::End => return Ok(()),
                }
            }
        }
    }

    /// Reads a value, or the start of a container that has a first element: then returns true.
    fn opens_value(&mut self) -> Result<bool, JsonFault> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.open(Frame::Object(self.members.len())),
            Some(b'[') => self.open(Frame::Array),
            Some(b'"') => self.string().map(|()| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(_) => self.fault("expected a JSON value"),
            None => self.fault("the JSON ends too early"),
        }
    }

    fn open(&mut self, frame: Frame) -> Result<bool, JsonFault> {
        if self.frames.len() == MAX_DEPTH {
            return self.fault("the JSON nests deeper than 64 levels");
        }
        self.copy();
        self.frames.push(frame);
        self.skip_space();
        match (frame, self.peek()) {
            (Frame::Object(_), Some(b'}')) | (Frame::Array, Some(b']')) => {
                self.copy();
                self.frames.pop();
                Ok(false)
            }
            (Frame::Object(_), _) => self.key().map(|()| true),
            (Frame::Array, _) => Ok(true),
        }
    }

    fn key(&mut self) -> Result<(), JsonFault> {
        self.skip_space();
        let (at, start) = (self.at, self.out.len());
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(_) => return self.fault("expected a key in double quotes"),
            None => return self.fault("the JSON ends too early"),
        }
        self.members.push(Member { at, start, key_end: self.out.len(), end: 0 });
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.fault("expected a colon after the key");
        }
        self.copy();
        Ok(())
    }

    fn after_value(&mut self) -> Result<After, JsonFault> {
        self.skip_space();
        let Some(&frame) = self.frames.last() else {
            return match self.peek() {
                None => Ok(After::End),
                Some(_) => self.fault("more text follows the JSON value"),
            };
        };
        if let (Frame::Object(_), Some(member)) = (frame, self.members.last_mut()) {
            member.end = self.out.len();
        }
        match (frame, self.peek()) {
            (Frame::Array, Some(b',')) => {
                self.copy();
                Ok(After::Value)
            }
            (Frame::Object(_), Some(b',')) => {
                self.copy();
                self.key().map(|()| After::Value)
            }
            (Frame::Array, Some(b']')) => {
                self.close();
                Ok(After::Closed)
            }
            (Frame::Object(first), Some(b'}')) => {
                self.sort_members(first)?;
                self.close();
                Ok(After::Closed)
            }
            (_, None) => self.fault("the JSON ends too early"),
            (Frame::Array, _) => self.fault("expected a comma or ]"),
            (Frame::Object(_), _) => self.fault("expected a comma or }"),
        }
    }

    fn close(&mut self) {
        self.copy();
        self.frames.pop();
    }

    /// Puts the members of the object that closes into order, and refuses a repeated key.
    fn sort_members(&mut self, first: usize) -> Result<(), JsonFault> {
        let out = &self.out;
        let key = |member: &Member| &out[member.start + 1..member.key_end - 1];
        let members = &mut self.members[first..];
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
                self.scratch.extend_from_slice(&self.out[member.start..member.end]);
                self.scratch.push(b',');
            }
            self.scratch.pop();
            self.out.truncate(begin);
            self.out.extend_from_slice(&self.scratch);
        }
        self.members.truncate(first);
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonFault> {
        self.copy();
        loop {
            let rest = &self.input[self.at..];
            let plain = rest.iter().position(|&byte| ends_run(byte)).unwrap_or(rest.len());
            self.out.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.copy();
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return self.fault("a control character in a string must be escaped"),
                None => return self.fault("the string is not closed"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonFault> {
        let scalar = match self.input.get(self.at + 1) {
            Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.fault("unknown escape in a string"),
        };
        self.at += 2;
        self.push_scalar(scalar);
        Ok(())
    }

    /// Reads `\uXXXX`, or two of them that are a surrogate pair.
    fn unicode_escape(&mut self) -> Result<(), JsonFault> {
        const LONE: &str = "a lone surrogate in a \\u escape is no character";
        let unit = self.code_unit(self.at)?;
        let (scalar, length) = match unit {
            0xD800..=0xDBFF if self.input[self.at + 6..].starts_with(b"\\u") => {
                let low = self.code_unit(self.at + 6)?;
                if !(0xDC00..=0xDFFF).contains(&low) {
                    return self.fault(LONE);
                }
                (0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00), 12)
            }
            _ => (unit, 6),
        };
        let Some(scalar) = char::from_u32(scalar) else {
            return self.fault(LONE);
        };
        self.at += length;
        self.push_scalar(scalar);
        Ok(())
    }

    /// The four hexadecimal digits of the `\u` at `at`.
    fn code_unit(&self, at: usize) -> Result<u32, JsonFault> {
        let digits = self.input.get(at + 2..at + 6).unwrap_or_default();
        let value = digits
            .iter()
            .try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?));
        match value {
            Some(value) if digits.len() == 4 => Ok(value),
            _ => fault_at(at, "a \\u escape needs four hexadecimal digits"),
        }
    }

    fn push_scalar(&mut self, scalar: char) {
        let short = match scalar {
            '"' | '\\' => scalar,
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\0'..='\u{1f}' => {
                let hex = |digit: u32| char::from_digit(digit, 16).map_or(b'0', |c| c as u8);
                let code = u32::from(scalar);
                self.out.extend_from_slice(b"\\u00");
                self.out.extend([hex(code >> 4), hex(code & 15)]);
                return;
            }
            _ => {
                let mut utf8 = [0; 4];
                self.out.extend_from_slice(scalar.encode_utf8(&mut utf8).as_bytes());
                return;
            }
        };
        self.out.extend([b'\\', short as u8]);
    }

    fn number(&mut self) -> Result<(), JsonFault> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let written = &self.input[start..self.at];
        // Only these can leave the range of a double, which parsers refuse or turn into infinity.
        if (exponent || written.len() > 300) && !is_finite(written) {
            return fault_at(start, "the number is beyond the range of a double");
        }
        self.out.extend_from_slice(written);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        let rest = &self.input[self.at..];
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        if count == 0 {
            return self.fault("expected a digit");
        }
        self.at += count;
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<bool, JsonFault> {
        if !self.input[self.at..].starts_with(word) {
            return self.fault("expected a JSON value");
        }
        self.at += word.len();
        self.out.extend_from_slice(word);
        Ok(false)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Takes over the current byte, which the caller has seen.
    fn copy(&mut self) {
        self.out.push(self.input[self.at]);
        self.at += 1;
    }

    fn fault<T>(&self, problem: &'static str) -> Result<T, JsonFault> {
        fault_at(self.at, problem)
    }
}

/// A byte that ends a run of plain string content.
fn ends_run(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

fn fault_at<T>(offset: usize, problem: &'static str) -> Result<T, JsonFault> {
    Err(JsonFault { offset, problem: problem.into() })
}

fn is_finite(number: &[u8]) -> bool {
    let number = str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok());
    number.is_some_and(f64::is_finite)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(check(text.as_bytes()).unwrap().canonical).unwrap()
    }

    fn fault(text: &str) -> String {
        check(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn canonical_text_is_sorted_and_minimal() {
        assert_eq!(
            canonical(
                " { \"b\" : [ 1.0 , 2e1, {} , [] ] ,\r\n\t\"a\\u0062\" : \"\\/\\u00e9\\ud83d\\ude00\\u001F\\n\" } "
            ),
            "{\"ab\":\"/é😀\\u001f\\n\",\"b\":[1.0,2e1,{},[]]}"
        );
        // Sorted by the character, not by its escape: `"` is U+0022, `A` is U+0041, `\` is U+005C.
        assert_eq!(
            canonical(r#"{"a":4,"\\":3,"A":2,"\"":1,"\n":0}"#),
            r#"{"\n":0,"\"":1,"A":2,"\\":3,"a":4}"#
        );
        assert_eq!(
            canonical(r#"{"😀":1,"\uffee":2,"b":{"y":1,"x":{"n":1,"m":2}}}"#),
            "{\"b\":{\"x\":{\"m\":2,\"n\":1},\"y\":1},\"\u{ffee}\":2,\"😀\":1}"
        );
    }

    #[test]
    fn the_hash_is_sha_256_of_the_canonical_text() {
        let hash = check(b" { } ").unwrap().canonical_hash();
        assert_eq!(hash[..4], [0x44, 0x13, 0x6f, 0xa3]);
    }

    #[test]
    fn repeated_keys_are_found_behind_escapes_and_order() {
        assert_eq!(fault(r#"{"a":1,"b":2,"\u0061":3}"#), "the key \"a\" is repeated at byte 13");
        assert_eq!(
            fault(r#"[{"x":{"\n":1,"\u000a":1}}]"#),
            "the key \"\\n\" is repeated at byte 14"
        );
        assert!(check(br#"{"a":{"a":[{"a":1},{"a":1}]}}"#).is_ok());
        let long = "k".repeat(1000);
        assert!(fault(&format!("{{\"{long}\":1,\"{long}\":2}}")).len() < 100);
    }

    #[test]
    fn faults_say_what_and_where() {
        for (text, expected) in [
            ("", "the JSON ends too early at byte 0"),
            ("{\"a\":", "the JSON ends too early at byte 5"),
            ("[1,]", "expected a JSON value at byte 3"),
            ("{\"a\":1,}", "expected a key in double quotes at byte 7"),
            ("{\"a\" 1}", "expected a colon after the key at byte 5"),
            ("[1 2]", "expected a comma or ] at byte 3"),
            ("01", "more text follows the JSON value at byte 1"),
            ("-", "expected a digit at byte 1"),
            ("1e400", "the number is beyond the range of a double at byte 0"),
            ("\u{feff}{}", "a byte order mark is not allowed at byte 0"),
            ("\"\\ud800\"", "a lone surrogate in a \\u escape is no character at byte 1"),
            ("\"\\ud800\\u0041\"", "a lone surrogate in a \\u escape is no character at byte 1"),
            ("\"\\udc00\"", "a lone surrogate in a \\u escape is no character at byte 1"),
            ("\"\\u12", "a \\u escape needs four hexadecimal digits at byte 1"),
            ("\"\\x\"", "unknown escape in a string at byte 1"),
            ("\"\t\"", "a control character in a string must be escaped at byte 1"),
            ("\"a", "the string is not closed at byte 2"),
            ("nul", "expected a JSON value at byte 0"),
        ] {
            assert_eq!(fault(text), expected, "{text:?}");
        }
        let fault = check(b"\"\xff\"").unwrap_err();
        assert_eq!(fault.to_string(), "the body is not UTF-8 at byte 1");
    }

    #[test]
    fn depth_ends_at_64() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(check(nested(64).as_bytes()).is_ok());
        assert_eq!(fault(&nested(65)), "the JSON nests deeper than 64 levels at byte 64");
        assert!(check("[{\"a\":".repeat(1_000_000).as_bytes()).is_err());
    }

    /// Any JSON value without floats, whose spelling could differ.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    /// Writes `value` with its keys reversed, every character escaped and white space everywhere.
    fn disguise(value: &Value) -> String {
        let string = |text: &str| {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
            format!("\"{}\"", units.collect::<String>())
        };
        match value {
            Value::String(text) => string(text),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(disguise).collect();
                format!("[ {} ]", items.join("\n, "))
            }
            Value::Object(members) => {
                let member =
                    |(key, value): (&String, _)| format!("{} :\t{}", string(key), disguise(value));
                let members: Vec<_> = members.iter().rev().map(member).collect();
                format!("{{ {} }}", members.join(" ,\r\n"))
            }
            other => other.to_string(),
        }
    }

    proptest! {
        #[test]
        fn spelling_does_not_matter(value in value()) {
            let (plain, disguised) = (value.to_string(), disguise(&value));
            let plain = check(plain.as_bytes()).unwrap();
            let disguised = check(disguised.as_bytes()).unwrap();
            prop_assert_eq!(plain.canonical_hash(), disguised.canonical_hash());
            prop_assert_eq!(serde_json::from_slice::<Value>(plain.canonical()).unwrap(), value);
            prop_assert_eq!(serde_json::from_str::<Value>(disguised.text()).unwrap(),
                serde_json::from_slice::<Value>(disguised.canonical()).unwrap());
        }

        #[test]
        fn other_values_hash_differently(a in value(), b in value()) {
            let hash = |value: &Value| check(value.to_string().as_bytes()).unwrap().canonical_hash();
            prop_assert_eq!(a == b, hash(&a) == hash(&b));
        }

        #[test]
        fn agrees_with_serde_json_on_any_text(text in "[\\[\\]{}:,\"\\\\u0-9a-fntrue.+ \\-]{0,24}") {
            let ours = check(text.as_bytes());
            let theirs = serde_json::from_str::<Value>(&text);
            match (ours, theirs) {
                (Ok(_), theirs) => prop_assert!(theirs.is_ok()),
                (Err(fault), Ok(_)) => prop_assert!(fault.problem.contains("repeated")),
                _ => {}
            }
        }
    }

    #[test]
    fn a_change_of_one_value_changes_the_hash() {
        let hash = |value: Value| check(value.to_string().as_bytes()).unwrap().canonical_hash();
        assert_ne!(hash(json!({"a": [1, 2]})), hash(json!({"a": [2, 1]})));
        assert_ne!(hash(json!({"a": "1"})), hash(json!({"a": 1})));
    }
}
