//! API keys: `sk_live_<prefix>_<secret><checksum>`.
//!
//! The prefix finds the key, the secret proves it, the checksum tells typing errors and scanners'
//! noise apart from keys at no cost. It proves nothing.

use std::fmt;

use super::{Environment, Secret};

/// The project of keys that name none. Every account has it.
pub const DEFAULT_PROJECT: &str = "default";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const START_LEN: usize = "sk_live_".len();
const PREFIX_LEN: usize = 12;
/// 160 bits of randomness in base 62.
const SECRET_LEN: usize = 27;
/// 32 bits in base 62.
const CHECKSUM_LEN: usize = 6;
const KEY_LEN: usize = START_LEN + PREFIX_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;

/// What the keys of an environment begin with.
const fn start(environment: Environment) -> &'static str {
    match environment {
        Environment::Live => "sk_live_",
        Environment::Test => "sk_test_",
    }
}

/// A whole API key, secret included.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    environment: Environment,
    text: Secret<String>,
}

/// The text is not an API key; it was never given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key; check that it was copied whole")]
pub struct MalformedApiKey;

impl ApiKey {
    /// Makes a key of 32 random bytes: 12 for the prefix, 20 for the secret.
    pub fn generate(environment: Environment, random: &[u8; 32]) -> Self {
        let (prefix, secret) = random.split_at(12);
        let mut text = String::with_capacity(KEY_LEN);
        text.push_str(start(environment));
        push_base62(&mut text, prefix, PREFIX_LEN);
        text.push('_');
        push_base62(&mut text, secret, SECRET_LEN);
        let checksum = crc32fast::hash(text.as_bytes());
        push_base62(&mut text, &checksum.to_be_bytes(), CHECKSUM_LEN);
        Self { environment, text: Secret::new(text) }
    }

    /// Reads a key and verifies its checksum; nothing is looked up or hashed for what fails here.
    pub fn parse(text: &str) -> Result<Self, MalformedApiKey> {
        let environment = Environment::ALL
            .into_iter()
            .find(|environment| text.starts_with(start(*environment)))
            .ok_or(MalformedApiKey)?;
        let shape = text.len() == KEY_LEN
            && text.bytes().enumerate().skip(START_LEN).all(|(at, byte)| {
                if at == START_LEN + PREFIX_LEN {
                    byte == b'_'
                } else {
                    byte.is_ascii_alphanumeric()
                }
            });
        if !shape {
            return Err(MalformedApiKey);
        }
        let (body, checksum) = text.split_at(KEY_LEN - CHECKSUM_LEN);
        let mut expected = String::with_capacity(CHECKSUM_LEN);
        let sum = crc32fast::hash(body.as_bytes());
        push_base62(&mut expected, &sum.to_be_bytes(), CHECKSUM_LEN);
        if checksum != expected {
            return Err(MalformedApiKey);
        }
        Ok(Self { environment, text: Secret::new(text.to_owned()) })
    }

    /// The public part that finds the key; it is stored and shown.
    pub fn prefix(&self) -> &str {
        &self.text.expose()[START_LEN..START_LEN + PREFIX_LEN]
    }

    /// Whether it is a live or a test key.
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// The whole key: shown once when it is made, hashed when it is verified.
    pub const fn text(&self) -> &Secret<String> {
        &self.text
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ApiKey({}…)", self.prefix())
    }
}

/// Appends the lowest `digits` base-62 digits of the big-endian number `bytes` (at most 32).
fn push_base62(text: &mut String, bytes: &[u8], digits: usize) {
    let mut number = [0u8; 32];
    let number = &mut number[..bytes.len()];
    number.copy_from_slice(bytes);
    let mut reversed = [b'0'; 32];
    for digit in &mut reversed[..digits] {
        *digit = DIGITS[divide_by_62(number)];
    }
    text.extend(reversed[..digits].iter().rev().map(|digit| char::from(*digit)));
}

/// Divides the number in place and gives the remainder, below 62.
fn divide_by_62(number: &mut [u8]) -> usize {
    let mut remainder = 0u16;
    for byte in number {
        let current = (remainder << 8) | u16::from(*byte);
        // A remainder below 62 keeps the quotient below 256.
        *byte = u8::try_from(current / 62).unwrap_or(u8::MAX);
        remainder = current % 62;
    }
    usize::from(remainder)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_format_does_not_drift() {
        let key = ApiKey::generate(Environment::Live, &[7; 32]);
        let text = key.text().expose();
        assert_eq!(text.len(), 54);
        assert!(text.starts_with("sk_live_") && text.as_bytes()[20] == b'_');
        assert_eq!(key.prefix(), &text[8..20]);
        assert!(!format!("{key:?}").contains(&text[21..]));
        assert!(
            ApiKey::generate(Environment::Test, &[7; 32]).text().expose().starts_with("sk_test_")
        );
    }

    #[test]
    fn base_62_is_exact() {
        for (bytes, digits, expected) in [
            (&[0u8][..], 2, "00"),
            (&[61], 1, "z"),
            (&[62], 2, "10"),
            (&[255, 255, 255, 255], 6, "4gfFC3"),
        ] {
            let mut text = String::new();
            push_base62(&mut text, bytes, digits);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn refuses_what_was_never_given_out() {
        let text = ApiKey::generate(Environment::Live, &[9; 32]).text().expose().clone();
        let swapped = text.replacen("live", "test", 1);
        for bad in ["", "sk_live_", &text[1..], &text[..53], &swapped, "sk_live_é"] {
            assert_eq!(ApiKey::parse(bad), Err(MalformedApiKey), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_key_is_read_back(random in any::<[u8; 32]>()) {
            let key = ApiKey::generate(Environment::Test, &random);
            prop_assert_eq!(ApiKey::parse(key.text().expose()), Ok(key));
        }

        #[test]
        fn no_single_wrong_character_passes(random in any::<[u8; 32]>(), at in 0usize..54) {
            let mut text = ApiKey::generate(Environment::Live, &random).text().expose().clone();
            let other = if &text[at..=at] == "x" { "y" } else { "x" };
            text.replace_range(at..=at, other);
            prop_assert_eq!(ApiKey::parse(&text), Err(MalformedApiKey));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".{0,80}") {
            prop_assert!(ApiKey::parse(&text).is_err());
        }
    }
}
