//! `uniqueItems`. The one in `jsonschema` finds equal items by a hash that items can be made to
//! share, and then compares each with each. This one takes time in proportion to the size.

use std::collections::HashSet;

use jsonschema::{Keyword, ValidationError, ValidationOptions};
use serde_json::{Number, Value};

/// Replaces the keyword of `jsonschema`.
pub(super) fn install(options: ValidationOptions<'static>) -> ValidationOptions<'static> {
    options.with_keyword("uniqueItems", |_, value, _| {
        Ok(Box::new(UniqueItems { wanted: value == &Value::Bool(true) }))
    })
}

struct UniqueItems {
    wanted: bool,
}

impl<'i> Keyword<'i> for UniqueItems {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("not unique")) }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        !self.wanted || instance.as_array().is_none_or(|items| are_unique(items))
    }
}

/// Whether no item equals another, by JSON Schema's equality (2020-12 core §4.2.2).
fn are_unique(items: &[Value]) -> bool {
    let mut bytes = Vec::new();
    let mut ends = Vec::with_capacity(items.len());
    for item in items {
        write(item, &mut bytes);
        ends.push(bytes.len());
    }
    let mut seen = HashSet::with_capacity(items.len());
    let mut start = 0;
    ends.into_iter().all(|end| seen.insert(&bytes[std::mem::replace(&mut start, end)..end]))
}

/// Writes what equal values have in common, and no others.
fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(true) => out.push(b't'),
        Value::Bool(false) => out.push(b'f'),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (name, member) in members {
                write_text(name, out);
                write(member, out);
            }
            out.push(b'}');
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(&text.len().to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// 1 and 1.0 are equal, and 2^53 + 1 is not its neighbour that a double holds.
fn write_number(number: &Number, out: &mut Vec<u8>) {
    let whole = number.as_i128().or_else(|| number.as_f64().and_then(whole));
    match (whole, number.as_f64()) {
        (Some(whole), _) => {
            out.push(b'i');
            out.extend_from_slice(&whole.to_le_bytes());
        }
        (None, Some(double)) => {
            out.push(b'd');
            out.extend_from_slice(&double.to_bits().to_le_bytes());
        }
        (None, None) => {}
    }
}

/// A double without a fraction, where it may equal a number that was written without one.
fn whole(double: f64) -> Option<i128> {
    const LIMIT: f64 = 1e30;
    #[expect(clippy::cast_possible_truncation, reason = "within the limit nothing is cut off")]
    (double.fract() == 0.0 && double.abs() < LIMIT).then_some(double as i128)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equality_is_that_of_json_schema() {
        let unique = |items: Value| are_unique(items.as_array().unwrap());
        for equal in [
            json!([1, 1.0]),
            json!([0, -0.0]),
            json!([9_007_199_254_740_992_u64, 9_007_199_254_740_992.0]),
            json!([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}]),
            json!(["a", "b", "a"]),
            json!([null, 1, null]),
            json!([[[1], 2], [[1], 2]]),
            json!([1e300, 1e300]),
        ] {
            assert!(!unique(equal.clone()), "{equal}");
        }
        for different in [
            json!([1, true, "1", [1], {"1": 1}, null, false, 0, "", [], {}]),
            json!([9_007_199_254_740_993_u64, 9_007_199_254_740_992_u64]),
            json!([u64::MAX, 18_446_744_073_709_551_616.0, i64::MAX, i64::MIN]),
            json!([[[1], 2, 3], [[1, 2], 3], [1, [2, 3]], [1, 2, 3]]),
            json!([{"a": 1, "b": 2}, {"a": 2, "b": 1}, {"ab": 1}]),
            json!(["ab", "a", ["a", "b"], ["ab"]]),
            json!([1.5, 1.25, 1e300]),
        ] {
            assert!(unique(different.clone()), "{different}");
        }
    }
}
