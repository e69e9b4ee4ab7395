//! Signs what is sent and verifies it as a receiver does, in both formats of the API.
//!
//! | Header | Value | Key |
//! |---|---|---|
//! | `X-Webhook-Signature` | `v1,t=<unix>,sig=<hex HMAC-SHA256(t.body)>` | the secret's text |
//! | `webhook-signature` | `v1,<base64 HMAC-SHA256(id.t.body)>` | the bytes behind the text |
//!
//! The second is Standard Webhooks 1.0 and comes with `webhook-id` and `webhook-timestamp`.
//! While a rotation overlaps it carries two signatures, the newest secret's first. The first format
//! has room for one signature only, always the newest secret's: whoever needs the overlap verifies
//! `webhook-signature`.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::domain::{Timestamp, WebhookSecret};

/// The header of the first format.
pub const SIGNATURE: &str = "x-webhook-signature";
/// The id that is the same over all attempts (Standard Webhooks).
pub const STANDARD_ID: &str = "webhook-id";
/// The time of the attempt in Unix seconds (Standard Webhooks).
pub const STANDARD_TIMESTAMP: &str = "webhook-timestamp";
/// The signatures, separated by spaces (Standard Webhooks).
pub const STANDARD_SIGNATURE: &str = "webhook-signature";

/// The most signatures that are looked at in one header.
const SIGNATURES_MAX: usize = 8;

/// What signs for an endpoint at this moment.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The secret that was made last.
    pub newest: WebhookSecret,
    /// The one before, while its overlap lasts.
    pub previous: Option<WebhookSecret>,
}

/// The headers that prove where a request comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    id: String,
    timestamp: String,
    signature: String,
    standard: String,
}

impl Signed {
    /// Names and values.
    pub fn headers(&self) -> [(&'static str, &str); 4] {
        [
            (SIGNATURE, &self.signature),
            (STANDARD_ID, &self.id),
            (STANDARD_TIMESTAMP, &self.timestamp),
            (STANDARD_SIGNATURE, &self.standard),
        ]
    }
}

/// Signs `body`, exactly as it is sent. `id` stays the same over all attempts and must have no dot,
/// since a dot separates what is signed; `now` is the time of this attempt.
pub fn sign(secrets: &Secrets, id: &str, now: Timestamp, body: &[u8]) -> Signed {
    let timestamp = now.seconds().to_string();
    let standard = |secret| format!("v1,{}", standard_mac(secret, id, &timestamp, body));
    let mut signatures = standard(&secrets.newest);
    if let Some(previous) = &secrets.previous {
        signatures.push(' ');
        signatures.push_str(&standard(previous));
    }
    let hex = hex_mac(&secrets.newest, &timestamp, body);
    Signed {
        id: id.to_owned(),
        signature: format!("v1,t={timestamp},sig={hex}"),
        standard: signatures,
        timestamp,
    }
}

/// Why a request is not to be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignatureError {
    /// The header does not have the format.
    #[error("the signature header is malformed")]
    Malformed,
    /// It was signed too long ago, or in the future.
    #[error("the signature's time is too far from now")]
    OutsideTolerance,
    /// It was signed by someone else, or changed on the way.
    #[error("the signature does not match")]
    Mismatch,
}

/// Verifies the value of `X-Webhook-Signature` in constant time.
pub fn verify(
    secret: &WebhookSecret,
    header: &str,
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    let (timestamp, given) = header
        .strip_prefix("v1,t=")
        .and_then(|rest| rest.split_once(",sig="))
        .ok_or(SignatureError::Malformed)?;
    check_time(timestamp, now, tolerance)?;
    let expected = hex_mac(secret, timestamp, body);
    if is_same(&expected, given) { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// The three Standard Webhooks headers of a request.
#[derive(Clone, Copy, Debug)]
pub struct StandardHeaders<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`
    pub timestamp: &'a str,
    /// `webhook-signature`
    pub signature: &'a str,
}

/// Verifies Standard Webhooks headers in constant time: one of the first eight signatures must match.
pub fn verify_standard(
    secret: &WebhookSecret,
    headers: StandardHeaders<'_>,
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    check_time(headers.timestamp, now, tolerance)?;
    let expected = standard_mac(secret, headers.id, headers.timestamp, body);
    let matches = headers
        .signature
        .split(' ')
        .take(SIGNATURES_MAX)
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .filter(|given| is_same(&expected, given))
        .count();
    if matches > 0 { Ok(()) } else { Err(SignatureError::Mismatch) }
}

pub(super) fn check_time(
    text: &str,
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    // `parse` alone would also take a plus sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SignatureError::Malformed);
    }
    let signed: i64 = text.parse().map_err(|_| SignatureError::Malformed)?;
    if now.seconds().abs_diff(signed) > tolerance.as_secs() {
        return Err(SignatureError::OutsideTolerance);
    }
    Ok(())
}

pub(super) fn is_same(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

fn hex_mac(secret: &WebhookSecret, timestamp: &str, body: &[u8]) -> String {
    hex_mac_of(secret.text(), timestamp, body)
}

/// HMAC-SHA256 of `t.body` under the text of a secret, in lower-case hex.
pub(super) fn hex_mac_of(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mac = mac(secret.as_bytes(), &[timestamp.as_bytes(), b".", body]);
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    mac.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]).collect()
}

fn standard_mac(secret: &WebhookSecret, id: &str, timestamp: &str, body: &[u8]) -> String {
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    BASE64_STANDARD.encode(mac(secret.key(), &parts))
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // A key of any length is taken (RFC 2104 §2).
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_649_367_553_000);
    const TOLERANCE: Duration = Duration::from_mins(5);
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;

    fn secret(byte: u8) -> WebhookSecret {
        WebhookSecret::generate([byte; 32])
    }

    fn only(newest: WebhookSecret) -> Secrets {
        Secrets { newest, previous: None }
    }

    fn standard(signed: &Signed) -> StandardHeaders<'_> {
        StandardHeaders {
            id: &signed.id,
            timestamp: &signed.timestamp,
            signature: &signed.standard,
        }
    }

    /// The vector of the public `standardwebhooks` and `svix` libraries; its secret has 24 bytes.
    #[test]
    fn the_public_vector_comes_out() {
        let secret = WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let signed = sign(&only(secret), "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", NOW, BODY);
        assert_eq!(
            signed.headers()[1..],
            [
                ("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
                ("webhook-timestamp", "1649367553"),
                ("webhook-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
            ]
        );
    }

    /// Computed with Python: `hmac.new(secret, b"1649367553." + body, "sha256").hexdigest()`.
    #[test]
    fn the_hex_vector_comes_out() {
        let secret = WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let signed = sign(&only(secret), "id", NOW, BODY);
        assert_eq!(
            signed.headers()[0],
            (
                "x-webhook-signature",
                "v1,t=1649367553,sig=996637d7f89ef8f7b59f7faaf5341457472e823d8ca666d16b7bbd1dc831721d"
            )
        );
    }

    #[test]
    fn the_public_library_verifies_both_secrets() {
        let (old, new) = (secret(1), secret(2));
        let now = crate::ambient::Ambient::system().now();
        let rotating = Secrets { newest: new.clone(), previous: Some(old.clone()) };
        let mut headers = http::HeaderMap::new();
        for (name, value) in sign(&rotating, "evt", now, BODY).headers() {
            headers.insert(name, value.parse().unwrap());
        }
        let library =
            |secret: &WebhookSecret| standardwebhooks::Webhook::new(secret.text()).unwrap();
        library(&new).verify(BODY, &headers).unwrap();
        library(&old).verify(BODY, &headers).unwrap();
        library(&secret(3)).verify(BODY, &headers).unwrap_err();
        library(&new).verify(b"{}", &headers).unwrap_err();
    }

    #[test]
    fn a_rotation_signs_with_the_newest_first() {
        let (old, new) = (secret(1), secret(2));
        let rotating = Secrets { newest: new.clone(), previous: Some(old.clone()) };
        let signed = sign(&rotating, "evt", NOW, BODY);
        let alone = |secret: &WebhookSecret| sign(&only(secret.clone()), "evt", NOW, BODY);
        assert_eq!(signed.standard, format!("{} {}", alone(&new).standard, alone(&old).standard));
        assert_eq!(signed.signature, alone(&new).signature);
        for secret in [&old, &new] {
            assert_eq!(verify_standard(secret, standard(&signed), BODY, NOW, TOLERANCE), Ok(()));
        }
    }

    #[test]
    fn time_is_checked_both_ways() {
        let key = secret(1);
        let signed = sign(&only(key.clone()), "evt", NOW, BODY);
        let at = |now| {
            let standard = verify_standard(&key, standard(&signed), BODY, now, TOLERANCE);
            assert_eq!(verify(&key, &signed.signature, BODY, now, TOLERANCE), standard);
            standard
        };
        let second = Duration::from_secs(1);
        assert_eq!(at(NOW.plus(TOLERANCE)), Ok(()));
        assert_eq!(at(NOW.minus(TOLERANCE)), Ok(()));
        let outside = Err(SignatureError::OutsideTolerance);
        assert_eq!(at(NOW.plus(TOLERANCE + second)), outside);
        assert_eq!(at(NOW.minus(TOLERANCE + second)), outside);
    }

    #[test]
    fn malformed_headers_are_refused() {
        let key = secret(1);
        let good = sign(&only(key.clone()), "evt", NOW, BODY);
        let sig = good.signature.rsplit_once('=').unwrap().1;
        for bad in [
            String::new(),
            sig.to_owned(),
            format!("v2,t=1649367553,sig={sig}"),
            format!("v1,t=+1649367553,sig={sig}"),
            format!("v1,t=,sig={sig}"),
            format!("v1,t=1649367553,sig={}", &sig[..63]),
            format!("v1,t=1649367553,sig={}", sig.to_uppercase()),
            format!("v1,t=99999999999999999999,sig={sig}"),
            "v1,t=1649367553,sig=".to_owned(),
        ] {
            assert!(verify(&key, &bad, BODY, NOW, TOLERANCE).is_err(), "{bad}");
        }
        for bad in ["", "v1,", "v1", &good.standard[3..], &good.standard[..20], "v1a,x v2,y"] {
            let mut headers = standard(&good);
            headers.signature = bad;
            let outcome = verify_standard(&key, headers, BODY, NOW, TOLERANCE);
            assert_eq!(outcome, Err(SignatureError::Mismatch), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies_and_nothing_else(
            key: [u8; 32],
            body: Vec<u8>,
            flip in any::<prop::sample::Index>(),
            seconds in 0_i64..4_000_000_000,
        ) {
            let key = WebhookSecret::generate(key);
            let now = Timestamp::from_millis(seconds * 1000);
            let signed = sign(&only(key.clone()), "evt", now, &body);
            prop_assert_eq!(verify(&key, &signed.signature, &body, now, TOLERANCE), Ok(()));
            prop_assert_eq!(verify_standard(&key, standard(&signed), &body, now, TOLERANCE), Ok(()));
            let mut other = body.clone();
            other.push(b'x');
            let place = flip.index(other.len());
            other[place] ^= 1;
            let mismatch = Err(SignatureError::Mismatch);
            prop_assert_eq!(verify(&key, &signed.signature, &other, now, TOLERANCE), mismatch);
            prop_assert_eq!(verify_standard(&key, standard(&signed), &other, now, TOLERANCE), mismatch);
        }

        #[test]
        fn no_header_makes_it_panic(header: String, id: String) {
            let headers = StandardHeaders { id: &id, timestamp: &header, signature: &header };
            prop_assert!(verify(&secret(1), &header, BODY, NOW, TOLERANCE).is_err());
            prop_assert!(verify_standard(&secret(1), headers, BODY, NOW, TOLERANCE).is_err());
        }
    }
}
