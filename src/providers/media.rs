//! Addresses in messages, which the server that runs the model would fetch.
//!
//! Such a server often stands in the operator's own network, and the address is a tenant's: it must not
//! reach what only that server can. What is inlined as a `data:` URL (RFC 2397) is fetched from nowhere.

use serde_json::Value;

use super::ProviderError;
use crate::domain::{ChatMessage, JobErrorCode, Part};

/// Refuses the first part that names an address.
pub(super) fn check(messages: &[ChatMessage]) -> Result<(), ProviderError> {
    for (at, message) in messages.iter().enumerate() {
        if let Some(part) = message.parts().iter().position(has_address) {
            let message = format!(
                "messages/{at}/content/{part} has an address, from which this provider fetches nothing; \
                 send the content itself as a data: URL"
            );
            return Err(ProviderError::new(JobErrorCode::BadRequest, message));
        }
    }
    Ok(())
}

/// What cannot be read counts too: the provider may read it.
fn has_address(part: &Part<'_>) -> bool {
    serde_json::from_str(part.raw.get()).map_or(true, |part| is_fetched("", &part))
}

/// Servers of OpenAI's protocol know more kinds of parts than OpenAI does, so what counts is the look of the
/// value or the name of its field (`url`, `image_url`, `video_url`, `file_url`, …), and not the kind.
fn is_fetched(field: &str, value: &Value) -> bool {
    match value {
        Value::String(_) if matches!(field, "text" | "refusal") => false,
        Value::String(text) if is_inlined(text) => false,
        Value::String(text) => field.to_ascii_lowercase().ends_with("url") || text.contains("://"),
        Value::Array(values) => values.iter().any(|value| is_fetched(field, value)),
        Value::Object(members) => members.iter().any(|(name, value)| is_fetched(name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_inlined(text: &str) -> bool {
    text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}
