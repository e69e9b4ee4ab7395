//! What signs the deliveries to one endpoint.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::domain::Secret;

/// What signs the deliveries to one endpoint: `whsec_` and 24 to 64 random bytes in standard,
/// padded base64, which is what the Standard Webhooks libraries read.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret {
    text: Secret<String>,
    key: Secret<Vec<u8>>,
}

/// The text is not a webhook secret. It is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a webhook secret: whsec_ and 24 to 64 bytes in standard base64")]
pub struct MalformedSecret;

impl WebhookSecret {
    const PREFIX: &str = "whsec_";

    /// Makes the secret from 32 random bytes.
    pub fn generate(random: [u8; 32]) -> Self {
        let text = format!("{}{}", Self::PREFIX, BASE64_STANDARD.encode(random));
        Self { text: Secret::new(text), key: Secret::new(random.to_vec()) }
    }

    /// Reads the text that [`WebhookSecret::text`] gave.
    pub fn parse(text: &str) -> std::result::Result<Self, MalformedSecret> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(MalformedSecret)?;
        let key = BASE64_STANDARD.decode(encoded).map_err(|_| MalformedSecret)?;
        if !(24..=64).contains(&key.len()) {
            return Err(MalformedSecret);
        }
        Ok(Self { text: Secret::new(text.to_owned()), key: Secret::new(key) })
    }

    /// The text that the tenant sees once: `whsec_…`.
    pub fn text(&self) -> &str {
        self.text.expose()
    }

    /// The random bytes behind the text.
    pub fn key(&self) -> &[u8] {
        self.key.expose()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_and_stays_hidden() {
        let secret = WebhookSecret::generate([0xFB; 32]);
        assert_eq!(secret.text(), "whsec_+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=");
        assert_eq!(WebhookSecret::parse(secret.text()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "[redacted]");
        for bad in [
            "",
            "whsec_",
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
            "whsec_-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=",
            "whsec_+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s",
            "whsec_AAAA",
        ] {
            assert_eq!(WebhookSecret::parse(bad), Err(MalformedSecret), "{bad}");
        }
    }
}
