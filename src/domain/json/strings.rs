//! Strings: what they may hold, and the one way in which their canonical form spells it.

use super::{JsonFault, fault_at, scan::Scanner};

impl Scanner<'_> {
    /// Reads a string, opening and closing quotation marks included.
    pub(super) fn string(&mut self) -> Result<(), JsonFault> {
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
}

/// A byte that ends a run of plain string content.
fn ends_run(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}
