//! Keywords that look at one value alone, and what they cost.

use serde_json::{Map, Value};

/// Keywords that look at one value alone, in both drafts.
pub(super) const LEAF: [&str; 21] = [
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "format",
    "contentMediaType",
    "contentEncoding",
];

/// What a division by a number that is not whole costs.
const FRACTION: u64 = 70;

/// What a keyword costs that looks at one value alone, long texts aside.
pub(super) fn leaf_cost(keyword: &str, value: &Value) -> u64 {
    match (keyword, value) {
        // A set finds them.
        ("enum", Value::Array(options)) if options.iter().all(Value::is_string) => 2,
        ("multipleOf", factor) if !factor.is_u64() => FRACTION,
        _ => size(value),
    }
}

/// What the keywords cost that parse texts, per byte in half units.
pub(super) fn text_weight(members: &Map<String, Value>) -> u64 {
    let format = match members.get("format").and_then(Value::as_str) {
        None => 0,
        Some("regex") => 30,
        Some(_) => 1,
    };
    let encoding = u64::from(members.contains_key("contentEncoding"));
    format + encoding + 20 * u64::from(members.contains_key("contentMediaType"))
}

/// How many JSON values a value consists of, and long texts in proportion.
pub(super) fn size(value: &Value) -> u64 {
    match value {
        Value::String(text) => 1 + text.len() as u64 / 64,
        Value::Array(items) => 1 + items.iter().map(size).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<u64>(),
        _ => 1,
    }
}

/// How many bytes the texts and names in a value have.
pub(super) fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| name.len() + text_bytes(member)).sum()
        }
        _ => 0,
    }
}
