//! `response_format` of chat requests: what the answer has to be like.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Error, ErrorKind, Result, checks};

/// The form of the answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseFormat {
    /// Free text, some JSON object, or JSON that satisfies a schema.
    #[serde(rename = "type")]
    kind: FormatKind,
    /// The schema, where the type is `json_schema`.
    json_schema: Option<NamedSchema>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FormatKind {
    Text,
    JsonObject,
    JsonSchema,
}

/// A JSON Schema with a name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NamedSchema {
    /// What the provider calls it.
    #[schemars(length(min = 1, max = 64))]
    name: String,
    /// What it is for, which the model may read.
    #[serde(rename = "description")]
    _description: Option<String>,
    /// JSON Schema (2020-12 or draft-07) that the answer has to satisfy.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    schema: Option<Box<RawValue>>,
    /// Whether the provider should hold the model to it; the answer is checked in any case.
    #[serde(rename = "strict")]
    _strict: Option<bool>,
}

impl ResponseFormat {
    /// Reads the field as it was written.
    pub(super) fn read(raw: &RawValue) -> Result<Self> {
        serde_json::from_str(raw.get()).map_err(|error| {
            let text = error.to_string();
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
            let text = text.replace("struct ResponseFormat", "an object");
            Error::invalid("response_format", format!("response_format: {text}"))
        })
    }

    /// The schema that the answer has to satisfy, if it has to be JSON.
    pub(super) fn schema(self) -> Result<Option<Box<RawValue>>> {
        const PARAM: &str = "response_format/json_schema";
        match (self.kind, self.json_schema) {
            (FormatKind::Text, _) => Ok(None),
            (FormatKind::JsonObject, _) => {
                let object = RawValue::from_string(r#"{"type":"object"}"#.to_owned());
                object.map(Some).map_err(Error::internal)
            }
            (FormatKind::JsonSchema, Some(NamedSchema { name, schema: Some(schema), .. })) => {
                checks::bytes(&format!("{PARAM}/name"), &name, 64)?;
                if schema.get().starts_with('{') {
                    return Ok(Some(schema));
                }
                let param = format!("{PARAM}/schema");
                let message = format!("{param} must be an object that holds a JSON Schema");
                Err(Error::new(ErrorKind::InvalidSchema, message).with_param(param))
            }
            (FormatKind::JsonSchema, _) => {
                let message = format!(
                    "{PARAM} must hold the schema; for some JSON object use type json_object"
                );
                Err(Error::invalid(PARAM, message))
            }
        }
    }
}
