//! The grammar of JSON, without recursion: what is open is on a stack of its own.

use std::str;

use super::{JsonFault, MAX_DEPTH, fault_at, members::Members};

/// What is open around the scanner.
#[derive(Clone, Copy)]
enum Frame {
    Array,
    /// Members from this index on belong to the object.
    Object(usize),
}

/// What comes after a value.
enum After {
    Value,
    Closed,
    End,
}

/// Reads JSON and writes its canonical form.
pub(super) struct Scanner<'a> {
    pub(super) input: &'a [u8],
    /// How far the input is read.
    pub(super) at: usize,
    /// The canonical form so far.
    pub(super) out: Vec<u8>,
    frames: Vec<Frame>,
    members: Members,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            at: 0,
            // The canonical form is never longer than the input.
            out: Vec::with_capacity(input.len()),
            frames: Vec::with_capacity(8),
            members: Members::new(),
        }
    }

    /// Reads the whole input; gives its canonical form.
    pub(super) fn document(mut self) -> Result<Vec<u8>, JsonFault> {
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
                    After::End => return Ok(self.out),
                }
            }
        }
    }

    /// Reads a value, or the start of a container that has a first element: then returns true.
    fn opens_value(&mut self) -> Result<bool, JsonFault> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.open(Frame::Object(self.members.count())),
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
        self.members.begin(at, start, self.out.len());
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
        if let Frame::Object(_) = frame {
            self.members.end(self.out.len());
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
                self.members.sort(first, &mut self.out)?;
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

    pub(super) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Takes over the current byte, which the caller has seen.
    pub(super) fn copy(&mut self) {
        self.out.push(self.input[self.at]);
        self.at += 1;
    }

    pub(super) fn fault<T>(&self, problem: &'static str) -> Result<T, JsonFault> {
        fault_at(self.at, problem)
    }
}

fn is_finite(number: &[u8]) -> bool {
    let number = str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok());
    number.is_some_and(f64::is_finite)
}
