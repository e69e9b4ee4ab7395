//! Reading JSON into a value that takes a bounded multiple of its text.

use serde_json::Value;

use super::{JsonFault, fault_at};

/// The most memory that one value may take, in bytes: some 230,000 numbers or 25,000 small objects.
const MAX_MEMORY: usize = 16 << 20;
/// What an array or object takes beyond its values, in units of a value: its buffer has room for four,
/// and an object has an index and keys besides.
const CONTAINER: usize = 8;

/// Reads text that [`super::check`] accepted, within the limit of one value's memory.
///
/// # Errors
///
/// A text of very many arrays and objects, which would take a hundred times its length, or one that
/// was not checked.
pub fn value(text: &str) -> Result<Value, JsonFault> {
    if memory(text) > MAX_MEMORY {
        return fault_at(0, "too many arrays, objects and values; send fewer");
    }
    serde_json::from_str(text).map_err(|error| JsonFault {
        offset: error.column().saturating_sub(1),
        problem: error.to_string().into(),
    })
}

/// About how many bytes of memory the value takes.
fn memory(text: &str) -> usize {
    let (mut values, mut containers) = (1_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' if !in_string => values += 1,
            b'[' | b'{' if !in_string => containers += 1,
            _ => {}
        }
    }
    values.saturating_add(containers.saturating_mul(CONTAINER)).saturating_mul(size_of::<Value>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_within_the_limit_are_read() {
        let flat = format!("[{}]", vec!["0"; 230_000].join(","));
        assert_eq!(value(&flat).unwrap().as_array().unwrap().len(), 230_000);
        let quoted = format!("[{:?}]", "[{,\"\\".repeat(200_000));
        assert!(value(&quoted).is_ok());
        assert_eq!(value("{\"a\": [1, null]}").unwrap(), json!({"a": [1, null]}));
    }

    #[test]
    fn values_that_would_fill_the_memory_are_refused() {
        let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
        for text in [deep, "[0]".into(), "{\"\":0}".into()] {
            let many = format!("[{}]", vec![&*text; 1_000_000 / text.len()].join(","));
            assert!(value(&many).unwrap_err().problem.contains("too many"), "{text}");
        }
        assert!(value("[1").is_err());
    }
}
