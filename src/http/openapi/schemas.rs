//! The schemas of all types that requests and answers have, each under one name.

use std::collections::BTreeSet;

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::SCHEMAS;
use crate::http::routes::SchemaOf;

/// Where the schemas of requests are until all are known.
const REQUESTS: &str = "#/requests/";

/// Collects schemas. A type may read otherwise than it is written (defaults make fields optional in
/// requests alone), so there is a generator for each, and a type that differs gets a second name.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let at = |path: &str| {
            let path = path.trim_start_matches('#').trim_end_matches('/').to_owned();
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = path.into();
                settings.meta_schema = None;
            })
        };
        Self {
            requests: at(REQUESTS).for_deserialize().into_generator(),
            answers: at(SCHEMAS).for_serialize().into_generator(),
        }
    }

    pub(super) fn request(&mut self, of: SchemaOf) -> Value {
        of(&mut self.requests).to_value()
    }

    pub(super) fn answer(&mut self, of: SchemaOf) -> Value {
        of(&mut self.answers).to_value()
    }

    /// All definitions; references in the document to those of requests are set right.
    pub(super) fn finish(mut self, document: &mut Value) -> Map<String, Value> {
        let requests = self.requests.take_definitions(true);
        let mut definitions = self.answers.take_definitions(true);
        let mut differing = BTreeSet::new();
        // Whoever refers to a type that differs differs too, so this goes on until nothing is new.
        while let Some(name) = requests.iter().find_map(|(name, schema)| {
            let answer = definitions.get(name).filter(|_| !differing.contains(name))?;
            let mut schema = schema.clone();
            refer(&mut schema, &differing);
            (schema != *answer).then(|| name.clone())
        }) {
            differing.insert(name);
        }
        for (name, mut schema) in requests {
            refer(&mut schema, &differing);
            definitions.insert(name_of(&name, &differing), schema);
        }
        refer(document, &differing);
        definitions.sort_keys();
        definitions
    }
}

fn name_of(name: &str, differing: &BTreeSet<String>) -> String {
    let suffix = if differing.contains(name) { "Input" } else { "" };
    format!("{name}{suffix}")
}

/// Points references to schemas of requests to where these are in the end.
fn refer(value: &mut Value, differing: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                let target = field.as_str().filter(|_| key == "$ref");
                let target = target.and_then(|target| target.strip_prefix(REQUESTS));
                if let Some(name) = target {
                    *field = Value::String(format!("{SCHEMAS}{}", name_of(name, differing)));
                } else {
                    refer(field, differing);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, differing)),
        _ => {}
    }
}
