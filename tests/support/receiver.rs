//! A webhook endpoint: records what is delivered and verifies its signatures.

use std::{fmt::Write, ops::Deref, time::SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use standardwebhooks::Webhook;

use super::{
    LIMIT,
    scripted::{Answer, Received, Scripted},
};

/// The receiver. Without other orders it answers every delivery with 200.
pub(crate) struct Receiver(Scripted);

/// How old or new a signature may be.
const TOLERANCE_SECONDS: u64 = 300;

impl Receiver {
    pub(crate) fn start() -> Self {
        Self(Scripted::start(|_| Answer::new(200, "")))
    }

    /// The address of an endpoint; different paths tell endpoints apart.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Waits until `count` deliveries came, and returns all.
    pub(crate) fn wait_for_deliveries(&self, count: usize) -> Vec<Received> {
        self.wait_for(count, LIMIT)
    }
}

impl Deref for Receiver {
    type Target = Scripted;

    fn deref(&self) -> &Scripted {
        &self.0
    }
}

/// Verifies both signatures as a careful receiver does, their age included.
pub(crate) fn verify(delivery: &Received, secret: &str) -> Result<(), String> {
    verify_standard(delivery, secret)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let signed_at = verify_own(delivery, secret)?;
    if now.unwrap().as_secs().abs_diff(signed_at) > TOLERANCE_SECONDS {
        return Err(format!("X-Webhook-Signature: signed at {signed_at}"));
    }
    Ok(())
}

/// Verifies the signature of Standard Webhooks alone, as its public library does.
pub(crate) fn verify_standard(delivery: &Received, secret: &str) -> Result<(), String> {
    let webhook = Webhook::new(secret).map_err(|e| e.to_string())?;
    let verified = webhook.verify(&delivery.body, &delivery.headers);
    verified.map_err(|error| format!("Standard Webhooks: {error}"))
}

/// Verifies both signatures, whatever their time. For tests that move the server's clock.
pub(crate) fn verify_at_any_time(delivery: &Received, secret: &str) -> Result<(), String> {
    let header = |name| delivery.header(name).ok_or(format!("{name} is missing"));
    let at = header("webhook-timestamp")?.parse().map_err(|_| "webhook-timestamp is no number")?;
    let webhook = Webhook::new(secret).map_err(|e| e.to_string())?;
    let expected = webhook.sign(header("webhook-id")?, at, &delivery.body);
    let expected = expected.map_err(|e| e.to_string())?;
    if header("webhook-signature")?.split(' ').all(|signature| signature != expected) {
        return Err("webhook-signature does not match".to_owned());
    }
    verify_own(delivery, secret).map(|_| ())
}

/// Verifies `X-Webhook-Signature: v1,t=<unix>,sig=<hex>`; returns its time.
fn verify_own(delivery: &Received, secret: &str) -> Result<u64, String> {
    let header = delivery.header("x-webhook-signature");
    let header = header.ok_or("X-Webhook-Signature is missing")?;
    let mut parts = header.split(',');
    let fault = |what: &str| format!("X-Webhook-Signature {what}: {header}");
    let version = parts.next().filter(|version| *version == "v1");
    version.ok_or_else(|| fault("has no v1"))?;
    let time = parts.next().and_then(|part| part.strip_prefix("t="));
    let time = time.ok_or_else(|| fault("has no t"))?;
    let expected = own_signature(secret, time, &delivery.body);
    let mut signatures = parts.filter_map(|part| part.strip_prefix("sig="));
    if !signatures.any(|signature| signature == expected) {
        return Err(fault("does not match"));
    }
    time.parse().map_err(|_| fault("has no number as t"))
}

/// Hex of HMAC-SHA256, keyed with the secret's text, over time, a dot and the body.
pub(crate) fn own_signature(secret: &str, time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let number = mac.finalize().into_bytes();
    number.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}
