//! What the strict modes of providers refuse in a schema that is good otherwise.
//!
//! The rules are those that `OpenAI` documents for structured outputs with `strict` (limits as of
//! 2025: 10 levels, 5,000 properties, 1,000 enum values, 120,000 characters) and Anthropic for
//! `output_config.format` and strict tools. A schema that breaks them still works here: the server
//! checks outputs itself. But the provider may refuse the request, or help less to keep it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{MAX_TEXT, clip, echo, push_token};

/// How many warnings one schema gets.
const MAX_WARNINGS: usize = 20;
/// Levels of objects within objects.
const MAX_LEVELS: usize = 10;
/// Properties of all objects together.
const MAX_PROPERTIES: usize = 5_000;
/// Values of all enums together.
const MAX_ENUM_VALUES: usize = 1_000;
/// From this many texts on an enum's length counts.
const LONG_ENUM: usize = 250;
/// The texts of one such enum together, in characters.
const MAX_ENUM_TEXT: usize = 15_000;
/// Names of properties and definitions, and texts in enums and consts, together, in characters.
const MAX_NAMES: usize = 120_000;

/// Keywords that a strict mode refuses, and what to do instead.
const REFUSED: [(&[&str], &str); 4] = [
    (&["allOf"], "OpenAI's strict mode refuses it: merge its schemas into this one"),
    (&["oneOf"], "strict modes refuse it: use \"anyOf\" with forms that exclude each other"),
    (
        &[
            "not",
            "if",
            "then",
            "else",
            "dependentRequired",
            "dependentSchemas",
            "dependencies",
            "patternProperties",
            "propertyNames",
            "unevaluatedProperties",
            "unevaluatedItems",
            "minProperties",
            "maxProperties",
            "contains",
            "minContains",
            "maxContains",
            "uniqueItems",
            "prefixItems",
            "additionalItems",
            "$dynamicRef",
        ],
        "strict modes refuse it: leave it out and say in \"description\" what is meant",
    ),
    (
        &[
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "maxItems",
        ],
        "Anthropic's strict mode refuses it: leave it out and say in \"description\" what is meant",
    ),
];

/// Keywords beside which a subschema needs no `type`.
const INSTEAD_OF_TYPE: [&str; 6] = ["$ref", "anyOf", "enum", "const", "allOf", "oneOf"];

/// A place where a schema asks for more than strict modes give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Warning {
    /// JSON Pointer (RFC 6901) into the schema; empty for the whole of it.
    pub path: String,
    /// What is refused there, and what to write instead.
    pub message: String,
}

/// Lists what strict modes would refuse, in the order of the document; 20 at most. Takes time in
/// proportion to the schema, which [`super::Contract::compile`] has accepted.
pub fn lint(schema: &Value) -> Vec<Warning> {
    let mut linter = Linter::default();
    linter.root(schema);
    let mut open = vec![Place { schema, path: String::new(), level: 0 }];
    while let Some(place) = open.pop() {
        if linter.warnings.len() == MAX_WARNINGS {
            break;
        }
        linter.visit(&place);
        let mut below = place.below();
        below.reverse();
        open.append(&mut below);
    }
    linter.warnings
}

/// A subschema that is to be looked at.
struct Place<'a> {
    schema: &'a Value,
    path: String,
    /// How many objects it lies in.
    level: usize,
}

impl<'a> Place<'a> {
    /// The subschemas within, as far as strict modes accept the keywords.
    fn below(&self) -> Vec<Place<'a>> {
        let mut below = Vec::new();
        for (keyword, value) in self.schema.as_object().into_iter().flatten() {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(all)) => {
                    let level = self.level + 1;
                    below.extend(
                        all.iter().map(|(name, schema)| self.at(keyword, name, schema, level)),
                    );
                }
                ("$defs" | "definitions", Value::Object(all)) => {
                    below
                        .extend(all.iter().map(|(name, schema)| self.at(keyword, name, schema, 0)));
                }
                ("anyOf" | "items", Value::Array(all)) => {
                    let all = all.iter().enumerate();
                    below.extend(all.map(|(index, schema)| {
                        self.at(keyword, &index.to_string(), schema, self.level)
                    }));
                }
                ("items", schema) => {
                    let path = format!("{}/items", self.path);
                    below.push(Place { schema, path, level: self.level });
                }
                _ => {}
            }
        }
        below
    }

    fn at(&self, keyword: &str, name: &str, schema: &'a Value, level: usize) -> Place<'a> {
        let mut path = format!("{}/{keyword}", self.path);
        push_token(&mut path, name);
        // What is told is cut anyway, and what is below a long name would copy it.
        Place { schema, path: clip(&path, 2 * MAX_TEXT), level }
    }
}

#[derive(Default)]
struct Linter {
    warnings: Vec<Warning>,
    properties: usize,
    enum_values: usize,
    names: usize,
    is_too_deep: bool,
}

impl Linter {
    fn warn(&mut self, path: &str, message: impl Into<String>) {
        if self.warnings.len() < MAX_WARNINGS {
            let (path, message) = (clip(path, MAX_TEXT), clip(&message.into(), MAX_TEXT));
            self.warnings.push(Warning { path, message });
        }
    }

    fn root(&mut self, schema: &Value) {
        if schema.get("anyOf").is_some() {
            self.warn("/anyOf", "the root must not be a choice: wrap it in an object's property");
        } else if schema.get("type") != Some(&"object".into()) && schema.get("$ref").is_none() {
            self.warn("", "the root must be an object: set \"type\": \"object\" and wrap other values in a property");
        }
    }

    fn visit(&mut self, place: &Place<'_>) {
        let Some(members) = place.schema.as_object() else {
            self.warn(
                &place.path,
                "strict modes need to know the type: write a schema with \"type\" instead of true and false",
            );
            return;
        };
        self.keywords(&place.path, members);
        self.reference(&place.path, members);
        if is_object(members) {
            self.object(place, members);
        }
        self.values(&place.path, members);
        let typed = members.contains_key("type");
        if !typed && !INSTEAD_OF_TYPE.iter().any(|keyword| members.contains_key(*keyword)) {
            let is_root = place.path.is_empty();
            if !is_root {
                self.warn(&place.path, "strict modes need to know the type: add \"type\"");
            }
        }
        for definitions in ["$defs", "definitions"] {
            if let Some(Value::Object(all)) = members.get(definitions) {
                self.count_names(&place.path, all.keys().map(|name| name.chars().count()).sum());
            }
        }
    }

    /// Keywords that are refused wherever they stand.
    fn keywords(&mut self, path: &str, members: &Map<String, Value>) {
        for keyword in members.keys() {
            let rule = REFUSED.iter().find(|(keywords, _)| keywords.contains(&keyword.as_str()));
            if let Some((_, instead)) = rule {
                self.warn(&format!("{path}/{keyword}"), format!("\"{keyword}\": {instead}"));
            }
        }
        if members.get("minItems").and_then(Value::as_u64).is_some_and(|least| least > 1) {
            self.warn(
                &format!("{path}/minItems"),
                "Anthropic's strict mode takes 0 and 1 alone: say the number in \"description\"",
            );
        }
    }

    fn reference(&mut self, path: &str, members: &Map<String, Value>) {
        let Some(target) = members.get("$ref").and_then(Value::as_str) else { return };
        let defines =
            |keyword: &&String| !matches!(keyword.as_str(), "$defs" | "definitions" | "$schema");
        if members.keys().filter(defines).count() > 1 {
            self.warn(
                &format!("{path}/$ref"),
                "OpenAI's strict mode refuses keywords beside \"$ref\": move them into the definition",
            );
        }
        let is_around = |target: &str| {
            path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if target.strip_prefix('#').is_some_and(is_around) {
            self.warn(
                &format!("{path}/$ref"),
                "Anthropic's strict mode refuses recursion: write out as many levels as are needed",
            );
        }
    }

    fn object(&mut self, place: &Place<'_>, members: &Map<String, Value>) {
        let path = &place.path;
        if members.get("additionalProperties") != Some(&Value::Bool(false)) {
            self.warn(
                path,
                "every object must close its properties: add \"additionalProperties\": false",
            );
        }
        if place.level >= MAX_LEVELS && !self.is_too_deep {
            self.is_too_deep = true;
            self.warn(
                path,
                format!("OpenAI takes {MAX_LEVELS} levels of objects: make it flatter"),
            );
        }
        let Some(Value::Object(properties)) = members.get("properties") else { return };
        let required = members.get("required").and_then(Value::as_array);
        let required: std::collections::HashSet<_> =
            required.into_iter().flatten().filter_map(Value::as_str).collect();
        for name in properties.keys().filter(|name| !required.contains(name.as_str())) {
            let mut path = format!("{path}/properties");
            push_token(&mut path, name);
            let name = echo(&name.as_str().into());
            self.warn(&path, format!("every property must be required: add {name} to \"required\", and let it be null where it may be missing"));
        }
        let before = self.properties;
        self.properties += properties.len();
        if before <= MAX_PROPERTIES && self.properties > MAX_PROPERTIES {
            self.warn(
                path,
                format!("OpenAI takes {MAX_PROPERTIES} properties in all: leave some out"),
            );
        }
        self.count_names(path, properties.keys().map(|name| name.chars().count()).sum());
    }

    /// Enums and consts.
    fn values(&mut self, path: &str, members: &Map<String, Value>) {
        if let Some(Value::String(text)) = members.get("const") {
            self.count_names(path, text.chars().count());
        }
        let Some(Value::Array(options)) = members.get("enum") else { return };
        let path = format!("{path}/enum");
        if options.iter().any(|option| option.is_array() || option.is_object()) {
            self.warn(
                &path,
                "Anthropic's strict mode takes no arrays and objects in \"enum\": use \"anyOf\"",
            );
        }
        let texts: usize =
            options.iter().filter_map(Value::as_str).map(|text| text.chars().count()).sum();
        if options.len() > LONG_ENUM && texts > MAX_ENUM_TEXT {
            self.warn(&path, format!("OpenAI takes {MAX_ENUM_TEXT} characters in an \"enum\" of more than {LONG_ENUM} texts: shorten them"));
        }
        let before = self.enum_values;
        self.enum_values += options.len();
        if before <= MAX_ENUM_VALUES && self.enum_values > MAX_ENUM_VALUES {
            self.warn(
                &path,
                format!("OpenAI takes {MAX_ENUM_VALUES} values in all enums: leave some out"),
            );
        }
        self.count_names(&path, texts);
    }

    fn count_names(&mut self, path: &str, characters: usize) {
        let before = self.names;
        self.names += characters;
        if before <= MAX_NAMES && self.names > MAX_NAMES {
            self.warn(
                path,
                format!(
                    "OpenAI takes {MAX_NAMES} characters in names, enums and consts: shorten them"
                ),
            );
        }
    }
}

fn is_object(members: &Map<String, Value>) -> bool {
    let named = match members.get("type") {
        Some(Value::String(name)) => name == "object",
        Some(Value::Array(names)) => names.contains(&"object".into()),
        _ => false,
    };
    named || members.contains_key("properties")
}

#[cfg(test)]
mod tests;
