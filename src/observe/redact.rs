//! What must not be seen in a log, whoever put it into an event.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// Words in the name of a field whose value is never shown.
const SECRET_WORDS: [&str; 15] = [
    "authorization",
    "card",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "email",
    "emails",
    "hash",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "secrets",
    "token",
];

/// True where the field's name says that its value is a secret. `tokens` is a count.
pub(super) fn is_secret(field: &str) -> bool {
    let lower = field.to_ascii_lowercase();
    lower.ends_with("api_key")
        || lower.split(['_', '.', '-']).any(|word| SECRET_WORDS.binary_search(&word).is_ok())
}

/// Texts that are secrets wherever they stand: API keys of ours and of providers, webhook secrets,
/// credentials of HTTP, hashes of keys, addresses of people, and values behind a telling name.
static SECRETS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let kinds = [
        r"sk_(?:live|test)_\w*",
        r"\bsk-[\w-]{8,}",
        r"whsec_[\w+/=-]*",
        r"(?i:\b(?:bearer|basic)\s+)[\w.~+/=-]+",
        r"\$argon2\w*\$\S*",
        r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+",
        r#"(?i:\b(?:authorization|set-cookie|cookie|password|passwd|secret|api_key|card)\\?"?\s*[:=]\s*)(?i:(?:bearer|basic)\s+)?(?:\\?"(?:[^"\\]|\\[^"])*|[^\s,;}&]+)"#,
    ];
    // The pattern is constant and a test compiles it.
    Regex::new(&kinds.join("|")).ok()
});

/// The text without secrets.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    match &*SECRETS {
        Some(secrets) => secrets.replace_all(text, REDACTED),
        None => Cow::Borrowed(REDACTED),
    }
}

/// Covers what a JSON value has of secrets: the values of members that are secret by their name, and texts.
pub fn json(value: &mut Value) {
    match value {
        Value::String(given) => {
            if let Cow::Owned(covered) = text(given) {
                *given = covered;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(json),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if is_secret(name) { *member = REDACTED.into() } else { json(member) }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_for_the_search() {
        assert!(SECRET_WORDS.is_sorted());
    }

    #[test]
    fn names_tell_secrets() {
        for secret in [
            "authorization",
            "http.cookie",
            "card_number",
            "operator_token",
            "key_hash",
            "Password",
            "webhook-secret",
            "openai_api_key",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in ["prompt_tokens", "discarded", "api_key_id", "account", "message"] {
            assert!(!is_secret(plain), "{plain}");
        }
    }

    #[test]
    fn values_tell_secrets() {
        for (given, shown) in [
            ("key sk_live_abcABC123_def here", "key [redacted] here"),
            ("sk_test_", "[redacted]"),
            ("sk-proj-abcdef012345", "[redacted]"),
            ("whsec_MfKQ9r8GKYqrTwjU+/=", "[redacted]"),
            ("Authorization: bearer abc.def-g", "[redacted]"),
            ("sent Bearer abc.def-g", "sent [redacted]"),
            ("$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$aGFzaA.", "[redacted]"),
            ("mail ada@example.com now", "mail [redacted] now"),
            (r#"{"password":"a b","n":1}"#, r#"{"[redacted]","n":1}"#),
            (r#"{\"password\":\"a b\",\"n\":1}"#, r#"{\"[redacted]\",\"n\":1}"#),
            ("https://u:p@host.example/x", "https://u:[redacted]/x"),
            ("task_run is risky", "task_run is risky"),
        ] {
            assert_eq!(text(given), shown);
        }
    }
}
