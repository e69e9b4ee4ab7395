//! A request that may be sent twice and is executed once.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The client's name for one intent: 1–255 printable ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// The text cannot be an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Idempotency-Key must be 1 to 255 printable ASCII characters, such as a UUID")]
pub struct MalformedIdempotencyKey;

impl IdempotencyKey {
    /// Reads a header's value.
    pub fn parse(value: &[u8]) -> Result<Self, MalformedIdempotencyKey> {
        let printable = value.iter().all(|byte| (b' '..=b'~').contains(byte));
        if !printable || !(1..=255).contains(&value.len()) {
            return Err(MalformedIdempotencyKey);
        }
        String::from_utf8(value.to_vec()).map(Self).map_err(|_| MalformedIdempotencyKey)
    }

    /// The key as the client gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "IdempotencyKey({:?})", self.0)
    }
}

/// What makes a request the same as an earlier one of its account. Hashed at the edge, since the database's
/// writer is what all wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Idempotency {
    /// Sixteen bytes that stand for route and key, so that the index stays narrow.
    pub key_hash: [u8; 16],
    /// SHA-256 of the body's canonical JSON: of `{}` where a body that may be left out was.
    pub body_hash: [u8; 32],
}

impl Idempotency {
    /// Of a request with this key. `route` is method and path, as in `POST /v1/jobs/generations`: the
    /// same key elsewhere is another intent.
    pub fn new(route: &str, key: &IdempotencyKey, body_hash: [u8; 32]) -> Self {
        let mut hash = Sha256::new();
        // A route has no NUL, so no other pair of route and key gives the same bytes.
        hash.update(route.as_bytes());
        hash.update([0]);
        hash.update(key.as_str().as_bytes());
        let mut key_hash = [0; 16];
        key_hash.copy_from_slice(&hash.finalize()[..16]);
        Self { key_hash, body_hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_and_key_both_count() {
        let hash = |route: &str, key: &[u8]| {
            let key = IdempotencyKey::parse(key).unwrap();
            Idempotency::new(route, &key, [0; 32]).key_hash
        };
        assert_eq!(hash("POST /a", b"k"), hash("POST /a", b"k"));
        assert_ne!(hash("POST /a", b"k"), hash("POST /b", b"k"));
        assert_ne!(hash("POST /a", b"k"), hash("POST /a", b"l"));
        assert_ne!(hash("POST /a", b"bc"), hash("POST /ab", b"c"));
    }

    #[test]
    fn keys_are_short_and_printable() {
        for good in [&b"a"[..], b"order 7 ~", &[b'x'; 255]] {
            assert_eq!(IdempotencyKey::parse(good).unwrap().as_str().as_bytes(), good);
        }
        for bad in [&b""[..], b"a\tb", b"\x7f", "é".as_bytes(), &[b'x'; 256]] {
            assert_eq!(IdempotencyKey::parse(bad), Err(MalformedIdempotencyKey));
        }
    }
}
