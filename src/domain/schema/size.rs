//! How large a schema's document is. It is measured before anything walks it by recursion, or makes
//! copies of its names.

use serde_json::Value;

use super::SchemaFault;

/// How many JSON values one schema may have.
const MAX_VALUES: usize = 10_000;
/// How deeply a schema's JSON may nest. The same as for bodies ([`crate::domain::json::MAX_DEPTH`]).
const MAX_DEPTH: usize = 64;
/// How long the JSON Pointers and URIs of all places may be together, in bytes. Every subschema and
/// keyword knows its own, so that one long name is copied into all that is below it.
const MAX_ADDRESSES: usize = 2 << 20;
/// Keywords whose texts become a part of URIs.
const IN_URIS: [&str; 6] = ["$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$schema"];

/// The size of a schema's document.
#[derive(Default)]
pub(super) struct Size {
    values: usize,
    /// Of names and texts, in bytes.
    text: usize,
    /// Of the JSON Pointers and URIs of all places, in bytes.
    addresses: usize,
}

/// A value to look at.
struct Open<'a> {
    value: &'a Value,
    depth: usize,
    /// How long its JSON Pointer is, and its URI at most.
    address: usize,
}

impl Size {
    /// Measures a document.
    ///
    /// # Errors
    ///
    /// More values, deeper nesting, or more names within names than a schema may have.
    pub(super) fn of(schema: &Value) -> Result<Self, SchemaFault> {
        let mut size = Self::default();
        let mut open = vec![Open { value: schema, depth: 1, address: 0 }];
        while let Some(next) = open.pop() {
            size.add(&next)?;
            let Open { value, depth, address } = next;
            let below =
                |value, name: usize| Open { value, depth: depth + 1, address: address + name };
            match value {
                // An index has five digits at most.
                Value::Array(items) => open.extend(items.iter().map(|item| below(item, 6))),
                Value::Object(members) => {
                    let uris = uri_bytes(value);
                    let members = members.iter();
                    open.extend(members.map(|(name, value)| below(value, uris + name.len() + 1)));
                }
                _ => {}
            }
        }
        Ok(size)
    }

    fn add(&mut self, next: &Open<'_>) -> Result<(), SchemaFault> {
        self.values += 1;
        match next.value {
            Value::String(text) => self.text += text.len(),
            Value::Object(members) => {
                self.text += members.keys().map(String::len).sum::<usize>();
                self.addresses += next.address + uri_bytes(next.value);
            }
            Value::Bool(_) => self.addresses += next.address,
            _ => {}
        }
        let fault = if next.depth > MAX_DEPTH {
            format!("the schema nests deeper than {MAX_DEPTH} levels")
        } else if self.values > MAX_VALUES {
            format!("the schema has more than {MAX_VALUES} values")
        } else if self.addresses > MAX_ADDRESSES {
            "the schema has too many subschemas below long names or under a long $id; shorten them"
                .to_owned()
        } else {
            return Ok(());
        };
        Err(SchemaFault::new(fault))
    }

    /// About how much memory the parts of a compiled schema take that grow with this, in bytes.
    pub(super) fn bytes(&self) -> usize {
        400 * self.values + 5 * self.text + 6 * self.addresses
    }
}

/// How long the texts of an object are that become a part of URIs, in bytes.
fn uri_bytes(value: &Value) -> usize {
    let texts = IN_URIS.iter().filter_map(|keyword| value.get(keyword)?.as_str());
    texts.map(str::len).sum()
}
