//! The request for a batch: many requests for jobs, each under a name of its own.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, Visitor,
        value::MapAccessDeserializer,
    },
};
use serde_json::{Value, json, value::RawValue};

use super::{GenerationRequest, Result, RunRequest, checks};

/// `POST /v1/batches`: jobs that are accepted together, or not at all.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// What to do: each is a request for a generation, or for a run of an agent, with a name. As many as the
    /// operator allows, 10,000 by default.
    #[schemars(with = "Vec<BatchItemRequest>", length(min = 1))]
    pub requests: Vec<Box<RawValue>>,
    /// Comes back with the batch: at most 64 keys and 16 KiB.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub metadata: Option<Box<RawValue>>,
}

impl BatchRequest {
    /// Checks all but the requests themselves.
    pub fn check(&self) -> Result<()> {
        checks::metadata(self.metadata.as_deref())
    }
}

/// One of the requests of a batch: what a single one has, and what it needs among others.
#[derive(Debug)]
pub struct Named<T> {
    /// The client's name for it.
    pub custom_id: String,
    /// The agent that runs it, where one does.
    pub agent: Option<String>,
    /// The request by itself.
    pub request: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> std::result::Result<Named<T>, A::Error> {
        let (mut custom_id, mut agent) = (None, None);
        let others = Others { fields, custom_id: &mut custom_id, agent: &mut agent };
        let request = T::deserialize(MapAccessDeserializer::new(others))?;
        let custom_id = custom_id.ok_or_else(|| A::Error::missing_field("custom_id"))?;
        Ok(Named { custom_id, agent, request })
    }
}

/// The fields of an object but those of [`Named`], which are read on the way. (`serde(flatten)` would let
/// unknown fields pass.)
struct Others<'a, A> {
    fields: A,
    custom_id: &'a mut Option<String>,
    agent: &'a mut Option<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Others<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> std::result::Result<Option<K::Value>, A::Error> {
        let mut seed = seed;
        while let Some(key) = self.fields.next_key_seed(OtherKey(seed))? {
            seed = match key {
                Key::Other(key) => return Ok(Some(key)),
                Key::CustomId(seed) => {
                    *self.custom_id = Some(self.fields.next_value()?);
                    seed
                }
                Key::Agent(seed) => {
                    *self.agent = self.fields.next_value()?;
                    seed
                }
            };
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> std::result::Result<V::Value, A::Error> {
        self.fields.next_value_seed(seed)
    }
}

/// Reads a key for the request by itself, unless it is one of [`Named`]. It is the key's own reader that refuses an
/// unknown one, so that the error has its path.
struct OtherKey<K>(K);

enum Key<K, V> {
    Other(V),
    CustomId(K),
    Agent(K),
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for OtherKey<K> {
    type Value = Key<K, K::Value>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        key: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        let name = String::deserialize(key)?;
        match name.as_str() {
            "custom_id" => Ok(Key::CustomId(self.0)),
            "agent" => Ok(Key::Agent(self.0)),
            _ => self.0.deserialize(name.into_deserializer()).map(Key::Other),
        }
    }
}

/// The schema of one of the requests of a batch.
struct BatchItemRequest;

impl JsonSchema for BatchItemRequest {
    fn schema_name() -> Cow<'static, str> {
        "BatchItemRequest".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let custom_id = json_schema!({
            "description": "Your own name for this request, printable and unlike all others of the batch.",
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
        });
        let agent = json_schema!({
            "description": "The name of the agent to run.",
            "type": "string",
        });
        let generation = with::<GenerationRequest>(generator, &[("custom_id", &custom_id)]);
        let run = with::<RunRequest>(generator, &[("custom_id", &custom_id), ("agent", &agent)]);
        json_schema!({ "anyOf": [generation, run] })
    }
}

/// The schema of a type of requests with more fields, which are required.
fn with<T: JsonSchema>(generator: &mut SchemaGenerator, fields: &[(&str, &Schema)]) -> Schema {
    let mut schema = T::json_schema(generator);
    for (name, field) in fields {
        let (name, field) = ((*name).to_owned(), Schema::clone(field).to_value());
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert(name.clone(), field);
        }
        let required = schema.ensure_object().entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut() {
            required.push(name.into());
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Named<GenerationRequest>, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_name_stands_anywhere_among_the_other_fields() {
        for good in [
            r#"{"custom_id":"a","model":"m","messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"model":"m","custom_id":"a","messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"c\u0075stom_id":"a"}"#,
        ] {
            let named = read(good).unwrap();
            assert_eq!((&*named.custom_id, &*named.request.model), ("a", "m"), "{good}");
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_refused() {
        for (bad, expected) in [
            (r#"{"model":"m","messages":[]}"#, "missing field `custom_id`"),
            (r#"{"custom_id":"a","messages":[]}"#, "missing field `model`"),
            (r#"{"custom_id":"a","model":"m","messages":[],"x":1}"#, "unknown field `x`"),
            (r#"{"custom_id":1,"model":"m","messages":[]}"#, "expected a string"),
            (r#"["a","m",[]]"#, "expected an object"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }
}
