//! Webhooks: what can be told, who wants to hear it, where it goes, and how often it is tried.

mod delivery;
mod event;
mod secret;
mod url;

pub use delivery::{DeliveryStatus, RetryPolicy};
pub use event::{EventFilter, EventType};
pub use secret::{MalformedSecret, WebhookSecret};
pub use url::EndpointUrl;
