//! The name of a request, in its answer and in logs.

use std::{borrow::Cow, fmt};

use hyper::{HeaderMap, header::HeaderValue};

use crate::{ambient::Ambient, observe::redact};

/// The client's name for the request, or one made for it: 1–128 printable ASCII characters. What looks like a credential
/// is no name: it would be shown wherever the request is spoken of.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// Takes the client's name if it is a good one, else makes one.
    pub(super) fn of(headers: &HeaderMap, ambient: &Ambient) -> Self {
        let given = headers.get("x-request-id").filter(|value| {
            let bytes = value.as_bytes();
            (1..=128).contains(&bytes.len())
                && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
                && !is_credential(value)
        });
        Self(given.cloned().unwrap_or_else(|| {
            let mut buffer = uuid::Uuid::encode_buffer();
            let text: &str = ambient.uuid().hyphenated().encode_lower(&mut buffer);
            // Hexadecimal digits and hyphens are always valid in a header.
            HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
        }))
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        // Checked to be printable ASCII when it was taken.
        self.0.to_str().unwrap_or_default()
    }

    pub(in crate::http) fn value(&self) -> HeaderValue {
        self.0.clone()
    }

    #[cfg(test)]
    pub(in crate::http) fn from_static(text: &'static str) -> Self {
        Self(HeaderValue::from_static(text))
    }
}

fn is_credential(name: &HeaderValue) -> bool {
    // Most names are UUIDs, which need no closer look.
    let is_plain = name.as_bytes().iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    !is_plain && name.to_str().is_ok_and(|name| matches!(redact::credentials(name), Cow::Owned(_)))
}

impl fmt::Debug for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RequestId({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn takes_good_names_and_replaces_others() {
        let ambient = Ambient::manual(Timestamp::default(), 1);
        let id = |given: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_bytes(given).unwrap());
            RequestId::of(&headers, &ambient).as_str().to_owned()
        };
        assert_eq!(id(b"order 7/~"), "order 7/~");
        assert_eq!(id(&[b'x'; 128]).len(), 128);
        let secrets = [&b"sk_live_abc"[..], b"Bearer abcdefghijklmnop", b"for sk-abcdefgh"];
        for bad in [&b""[..], &[b'x'; 129], b"a\tb", b"\xff"].into_iter().chain(secrets) {
            assert!(id(bad).parse::<crate::domain::JobId>().is_ok());
        }
    }
}
