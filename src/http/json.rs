//! Bodies of JSON: read into types, with errors that name the field by its path and what it should be.

use serde::de::DeserializeOwned;

use crate::domain::{Error, ErrorKind, Result};

/// Reads a JSON object, which was checked before, as the body of a request.
pub(super) fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    // The types would take an array of their fields' values too.
    if !is_object(body) {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            "the body must be a JSON object; put the fields between { and }",
        ));
    }
    // Tracking paths costs as much again as reading, so it is done only for the error.
    serde_json::from_slice(body).map_err(|_| error_of::<T>(body))
}

fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// Reads again, for the path of the field that is wrong.
fn error_of<T: DeserializeOwned>(body: &[u8]) -> Error {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut reader) else {
        return Error::new(
            ErrorKind::InvalidJson,
            "the body has text after its JSON value; send one JSON object",
        );
    };
    let mut path: Vec<String> = segments(error.path());
    let text = error.into_inner().to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let missing = quoted_after(text, "missing field ");
    path.extend(missing.map(str::to_owned));
    let message = missing.map_or_else(|| in_words(text), |_| "missing field; add it".to_owned());
    let message: String = message.chars().take(400).collect();
    if path.is_empty() {
        return Error::new(ErrorKind::InvalidRequest, message);
    }
    let param: String = path.join("/").chars().take(200).collect();
    let message = format!("{param}: {message}");
    Error::invalid(param, message)
}

fn segments(path: &serde_path_to_error::Path) -> Vec<String> {
    use serde_path_to_error::Segment;
    let known = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    });
    known.collect()
}

fn quoted_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(start)?.strip_prefix('`')?;
    rest.split_once('`').map(|(name, _)| name)
}

/// Says in JSON's words what serde says in Rust's.
fn in_words(text: &str) -> String {
    let Some((given, expected)) = text.rsplit_once(", expected ") else {
        return text.to_owned();
    };
    let given = given.replace("type: map", "type: object").replace("type: sequence", "type: array");
    let expected = match expected {
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number from 0 to 18446744073709551615",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" => "a whole number from -9223372036854775808 to 9223372036854775807",
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        "unit" => "null",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{given}, expected {expected}")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read for its errors")]
    struct Outer {
        name: String,
        rows: Vec<Inner>,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read for its errors")]
    struct Inner {
        count: u32,
        role: Option<crate::domain::Role>,
    }

    #[test]
    fn errors_name_the_field_by_its_path() {
        for (body, param, part) in [
            (r#"{"name":"n","rows":[],"extra":1}"#, Some("extra"), "unknown field"),
            (r#"{"name":"n","rows":[{"count":1,"x":1}]}"#, Some("rows/0/x"), "expected"),
            (r#"{"rows":[]}"#, Some("name"), "missing field"),
            (r#"{"name":"n","rows":[{}]}"#, Some("rows/0/count"), "missing field"),
            (r#"{"name":1,"rows":[]}"#, Some("name"), "expected a string"),
            (r#"{"name":[],"rows":[]}"#, Some("name"), "invalid type: array, expected a string"),
            (r#"{"name":"n","rows":7}"#, Some("rows"), "expected an array"),
            (
                r#"{"name":"n","rows":[{"count":-1}]}"#,
                Some("rows/0/count"),
                "expected a whole number from 0 to",
            ),
            (
                r#"{"name":"n","rows":[{"count":1,"role":"bot"}]}"#,
                Some("rows/0/role"),
                "`assistant`",
            ),
            ("3", None, "expected an object"),
        ] {
            let error = error_of::<Outer>(body.as_bytes());
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{body}");
            assert_eq!(error.param(), param, "{body}: {}", error.message());
            assert!(error.message().contains(part), "{body}: {}", error.message());
            assert!(!error.message().contains("line"), "{}", error.message());
        }
    }

    #[test]
    fn only_an_object_is_a_body() {
        for (body, is) in [("{}", true), (" \r\n\t{}", true), ("[]", false), ("\"{\"", false)] {
            assert_eq!(is_object(body.as_bytes()), is, "{body}");
        }
    }
}
