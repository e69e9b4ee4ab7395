//! Verifies the header `Stripe-Signature`: `t=<unix>,v1=<hex HMAC-SHA256(t.body)>`, keyed with the whole text of the
//! endpoint's secret. While a secret is rolled Stripe signs with both, so `v1` may stand there several times; other
//! schemes, such as the `v0` of test events, prove nothing and are passed over.

use std::time::Duration;

use super::sign::{SignatureError, check_time, hex_mac_of, is_same};
use crate::domain::{Secret, Timestamp};

/// The header.
pub const SIGNATURE: &str = "Stripe-Signature";
/// The most signatures that are looked at in one header.
const SIGNATURES_MAX: usize = 8;
/// The most parts of a header that are looked at.
const PARTS_MAX: usize = 64;

/// What a header says, before it is known whether that is true.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    time: &'a str,
    header: &'a str,
}

/// Reads a header, whose time must be at most `tolerance` from now.
pub fn read(
    header: &str,
    now: Timestamp,
    tolerance: Duration,
) -> Result<Signed<'_>, SignatureError> {
    let mut times = parts(header).filter(|(name, _)| *name == "t").map(|(_, value)| value);
    // Of two times, somebody else may believe the other.
    let (Some(time), None) = (times.next(), times.next()) else {
        return Err(SignatureError::Malformed);
    };
    if time.is_empty() || signatures(header).next().is_none() {
        return Err(SignatureError::Malformed);
    }
    check_time(time, now, tolerance)?;
    Ok(Signed { time, header })
}

fn parts(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(',').take(PARTS_MAX).filter_map(|part| part.trim().split_once('='))
}

fn signatures(header: &str) -> impl Iterator<Item = &str> {
    let ours = parts(header).filter(|(name, _)| *name == "v1");
    ours.take(SIGNATURES_MAX).map(|(_, signature)| signature)
}

/// Verifies a body in constant time: one of the first eight signatures must be made with one of the secrets, at most
/// `tolerance` from now.
pub fn verify(
    secrets: &[Secret<String>],
    header: &str,
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    let Signed { time, header } = read(header, now, tolerance)?;
    let mut matches = 0_usize;
    for secret in secrets {
        let expected = hex_mac_of(secret.expose(), time, body);
        matches += signatures(header).filter(|signature| is_same(&expected, signature)).count();
    }
    if matches > 0 { Ok(()) } else { Err(SignatureError::Mismatch) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const TOLERANCE: Duration = Duration::from_mins(5);
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn secrets() -> Vec<Secret<String>> {
        ["whsec_one", "whsec_two"].map(|text| Secret::new(text.to_owned())).to_vec()
    }

    fn signature(secret: &str, time: i64) -> String {
        hex_mac_of(secret, &time.to_string(), BODY)
    }

    fn check(header: &str) -> Result<(), SignatureError> {
        verify(&secrets(), header, BODY, NOW, TOLERANCE)
    }

    /// Computed with Python: `hmac.new(b"whsec_one", b"1700000000." + body, "sha256").hexdigest()`.
    #[test]
    fn the_vector_comes_out() {
        let expected = "401fbbceeb3818dc562ff77127ba1c62e47e24c9c6cde4d7a6eba85e32dbd058";
        assert_eq!(signature("whsec_one", 1_700_000_000), expected);
        assert_eq!(check(&format!("t=1700000000,v1={expected}")), Ok(()));
    }

    #[test]
    fn any_signature_by_any_secret_will_do() {
        let [one, two, other] = ["whsec_one", "whsec_two", "whsec_three"]
            .map(|secret| signature(secret, 1_700_000_000));
        for good in [
            format!("t=1700000000,v1={one}"),
            format!("v1={two},t=1700000000"),
            format!("t=1700000000,v1={other},v1={one},v0=x"),
            format!("t=1700000000, v1={two}"),
        ] {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
        let ninth = format!("t=1700000000{},v1={one}", format!(",v1={other}").repeat(8));
        for bad in [format!("t=1700000000,v1={other}"), format!("t=1700000001,v1={one}"), ninth] {
            assert_eq!(check(&bad), Err(SignatureError::Mismatch), "{bad}");
        }
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let one = signature("whsec_one", 1_700_000_000);
        for bad in [
            String::new(),
            "t=1700000000".to_owned(),
            format!("v1={one}"),
            format!("t=,v1={one}"),
            format!("t=+1700000000,v1={one}"),
            format!("t=99999999999999999999,v1={one}"),
            format!("t=1700000000,t=1700000000,v1={one}"),
            format!("t=1700000000,v0={one}"),
        ] {
            assert_eq!(check(&bad), Err(SignatureError::Malformed), "{bad}");
        }
        for (time, expected) in [
            (1_700_000_300, Ok(())),
            (1_699_999_700, Ok(())),
            (1_700_000_301, Err(SignatureError::OutsideTolerance)),
            (1_699_999_699, Err(SignatureError::OutsideTolerance)),
        ] {
            assert_eq!(check(&format!("t={time},v1={}", signature("whsec_two", time))), expected);
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_pass(header: String) {
            prop_assert!(check(&header).is_err());
            let signed = format!("t=1700000000,v1={header}");
            prop_assert!(check(&signed).is_err());
        }
    }
}
