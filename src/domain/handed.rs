//! Fields of requests that are handed to providers as they were written.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::value::RawValue;

/// A field that is handed to the provider as it was written, if it is of this kind.
#[derive(Clone, Debug)]
pub struct Handed<T>(Box<RawValue>, PhantomData<fn() -> T>);

/// Any JSON object.
pub(super) type Object = serde_json::Map<String, serde_json::Value>;

/// A name, or an object that says more.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a string or an object")]
pub enum NameOrObject {
    /// Such as `auto`.
    Name(String),
    /// Such as one that names a function.
    Object(Object),
}

impl<T> Handed<T> {
    /// As it was written.
    pub(super) fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Handed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let of_kind = serde_json::from_str::<T>(raw.get());
        of_kind.map(|_| Self(raw, PhantomData)).map_err(D::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for Handed<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
