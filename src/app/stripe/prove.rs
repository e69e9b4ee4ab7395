//! Who may tell of payments: Stripe, by a signature over the body; before that is read, by its header and address.

use std::net::IpAddr;

use super::super::App;
use crate::{
    domain::{Error, Result},
    webhooks::{sign::SignatureError, stripe},
};

/// The header that proves an event.
pub const SIGNATURE: &str = stripe::SIGNATURE;

impl App {
    /// Whether there are secrets that events can be signed with.
    pub fn takes_stripe_events(&self) -> bool {
        !self.settings.stripe.secrets.is_empty()
    }
}

/// Whether it is worth reading the body that comes with this header: the header is whole and of now, and not too many
/// signatures from that address were wrong.
pub fn admit(app: &App, signature: Option<&str>, client: IpAddr) -> Result<()> {
    app.auth.check_forgeries(client)?;
    let (now, tolerance) = (app.ambient.now(), app.settings.stripe.tolerance);
    stripe::read(given(signature)?, now, tolerance).map(drop).map_err(refused)
}

/// Verifies the body. A wrong signature counts as a failed attempt of that address.
pub(super) fn verify(
    app: &App,
    signature: Option<&str>,
    body: &[u8],
    client: IpAddr,
) -> Result<()> {
    let (settings, now) = (&app.settings.stripe, app.ambient.now());
    let verified =
        stripe::verify(&settings.secrets, given(signature)?, body, now, settings.tolerance);
    verified.map_err(|error| {
        if error == SignatureError::Mismatch {
            app.auth.record_forgery(client);
        }
        refused(error)
    })
}

fn given(signature: Option<&str>) -> Result<&str> {
    signature.ok_or_else(|| {
        let message = "is missing or given twice; only Stripe can send events";
        Error::invalid(SIGNATURE, format!("the header {SIGNATURE} {message}"))
    })
}

fn refused(error: SignatureError) -> Error {
    let message = match error {
        SignatureError::Malformed => format!(
            "{SIGNATURE} must be t=<unix time>,v1=<signature>; pass it on as Stripe sent it"
        ),
        SignatureError::OutsideTolerance => format!(
            "the time in {SIGNATURE} is too far from this server's; check its clock and \
             webhooks.tolerance"
        ),
        SignatureError::Mismatch => format!(
            "no signature in {SIGNATURE} fits the body; check that stripe.webhook_secrets has this \
             endpoint's secret and that no proxy changes the body"
        ),
    };
    Error::invalid(SIGNATURE, message)
}
