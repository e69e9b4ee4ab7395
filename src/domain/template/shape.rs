//! What a JSON Schema declares about the members of a value.
//!
//! A schema that lists `properties` and says nothing of others lets them pass. A template that shows one of
//! them is refused all the same: far more often it is a typing error than an input that nobody declared.

use serde_json::Value;

/// Keywords beside `properties` that may allow members too, or say so elsewhere.
const OTHER_WAYS: [&str; 12] = [
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
];

/// What a value may be, as far as it is declared.
#[derive(Clone, Copy)]
pub(super) struct Shape<'s>(Option<&'s Value>);

impl<'s> Shape<'s> {
    /// What this schema says.
    pub(super) fn of(schema: Option<&'s Value>) -> Self {
        let says = |schema: &&Value| {
            OTHER_WAYS.iter().all(|keyword| schema.get(keyword).is_none()) && schema.is_object()
        };
        Self(schema.filter(says))
    }

    /// Nothing is declared.
    pub(super) fn unknown() -> Self {
        Self(None)
    }

    /// What the member of that name may be; `None` where there can be none, or where others are declared and
    /// it is not.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        let Some(schema) = self.0 else { return Some(Self::unknown()) };
        if !may_be(schema, "object") {
            return None;
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return Some(Self::unknown());
        };
        match (properties.get(name), schema.get("additionalProperties")) {
            (Some(member), _) => Some(Self::of(Some(member))),
            (None, Some(Value::Bool(true))) => Some(Self::unknown()),
            (None, Some(other @ Value::Object(_))) => Some(Self::of(Some(other))),
            (None, _) => None,
        }
    }

    /// What each item may be.
    pub(super) fn items(self) -> Self {
        let Some(schema) = self.0 else { return self };
        match (schema.get("items"), schema.get("prefixItems")) {
            (Some(items), None) => Self::of(Some(items)),
            _ => Self::unknown(),
        }
    }
}

fn may_be(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(some)) => some.iter().any(|one| one == kind),
        _ => true,
    }
}
