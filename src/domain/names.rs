//! Names in requests, read from JSON strings alone.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, Visitor},
};

/// How much of an unknown name an error repeats, in characters.
const ECHO: usize = 40;

/// Reads a string by `parse`. By itself an enum that derives `Deserialize` takes `{"name": null}` for
/// the name too, and an id any spelling of a UUID.
pub(super) fn read<'de, D, T, E>(
    deserializer: D,
    parse: fn(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    deserializer.deserialize_str(NameVisitor(parse))
}

/// Says which names there are.
pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    let name: String = name.chars().take(ECHO).collect();
    format!("`{name}` is unknown, expected one of `{}`", known.join("`, `"))
}

struct NameVisitor<T, E>(fn(&str) -> Result<T, E>);

impl<T, E: fmt::Display> Visitor<'_> for NameVisitor<T, E> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_str<F: Error>(self, name: &str) -> Result<T, F> {
        (self.0)(name).map_err(F::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use crate::domain::{Bucket, JobId, RetryPolicy, Role};

    fn error<T: DeserializeOwned>(json: &str) -> String {
        serde_json::from_str::<T>(json).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_name_is_a_string() {
        assert_eq!(serde_json::from_str::<Role>("\"\\u0075ser\"").unwrap(), Role::User);
        for json in [r#"{"user":null}"#, "null", "1", "[\"user\"]"] {
            assert!(error::<Role>(json).contains("expected a string"), "{json}");
        }
        assert!(error::<Bucket>(r#"{"paid":null}"#).contains("expected a string"));
        assert!(error::<RetryPolicy>(r#"{"extended":null}"#).contains("expected a string"));
        assert!(error::<Role>("\"bot\"").contains("one of `system`, `user`, `assistant`"));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let canonical = "\"0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f\"";
        assert!(serde_json::from_str::<JobId>(canonical).is_ok());
        assert!(error::<JobId>(&canonical.to_uppercase()).contains("must be an id"));
        assert!(error::<JobId>("7").contains("expected a string"));
    }
}
