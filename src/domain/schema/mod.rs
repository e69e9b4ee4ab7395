//! JSON Schema contracts (draft 2020-12 and draft-07), safe for schemas that a tenant writes.
//!
//! `jsonschema` decides. Around it stand limits, because a schema is a program: references can
//! unfold exponentially, patterns can backtrack, and collecting errors can take gigabytes. So a
//! schema is measured before it is compiled ([`graph`]), an instance is measured against it before
//! it is checked ([`cost`]), and violations come from an own walker with a step budget ([`explain`]).

mod cost;
mod explain;
mod graph;
mod lint;
mod pattern;
mod sample;
mod size;
#[cfg(test)]
mod tests;
mod unique;

use std::{fmt, panic};

use jsonschema::{Draft, PatternOptions, ValidationOptions, Validator, error::ValidationErrorKind};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use self::graph::{Graph, push_token};
pub use self::lint::{Warning, lint};
pub use self::sample::sample;
use self::size::Size;
use super::json::JsonFault;

/// How many violations one answer lists.
const MAX_VIOLATIONS: usize = 20;
/// How long a message or path may be, in characters.
const MAX_TEXT: usize = 200;
/// How much of a value that stands in the schema a message repeats, in characters.
const MAX_ECHO: usize = 100;

/// What is said of an instance that would take too long to check.
pub const TOO_LARGE: &str = "the instance is too large for a schema of this complexity";

/// Why a schema is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaFault {
    /// What is wrong and what would be accepted, for the client.
    pub message: String,
    /// JSON Pointer (RFC 6901) into the schema, where there is a place to name.
    pub path: Option<String>,
}

impl From<JsonFault> for SchemaFault {
    fn from(fault: JsonFault) -> Self {
        Self::new(fault.problem)
    }
}

impl SchemaFault {
    fn new(message: impl Into<String>) -> Self {
        Self { message: clip(&message.into(), MAX_TEXT), path: None }
    }

    fn at(path: &str, message: impl Into<String>) -> Self {
        Self { path: Some(clip(path, MAX_TEXT)), ..Self::new(message) }
    }
}

/// One way in which an instance breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) of the value in the instance; empty for the whole of it.
    pub path: String,
    /// JSON Pointer of the keyword in the schema.
    pub schema_path: String,
    /// What was expected.
    pub message: String,
}

/// A compiled schema.
pub struct Contract {
    graph: Graph,
    validator: Validator,
    bytes: usize,
}

impl fmt::Debug for Contract {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Contract").finish_non_exhaustive()
    }
}

impl Contract {
    /// Compiles a schema. Nothing is fetched: a `$ref` may lead within the schema or to the
    /// meta-schemas of the two drafts.
    ///
    /// # Errors
    ///
    /// No valid schema, another draft, an outside reference, a pattern that the linear-time engine
    /// does not know, or more work than one schema may ask for.
    pub fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        let size = Size::of(schema)?;
        let draft = graph::draft(schema)?;
        let graph = Graph::build(schema, draft)?;
        let validator = build(draft, schema)?;
        let bytes = size.bytes() + graph.bytes();
        Ok(Self { graph, validator, bytes })
    }

    /// About how many bytes of memory it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Checks an instance.
    ///
    /// # Errors
    ///
    /// At least one and at most 20 violations. The list need not be complete. An instance that would
    /// take too long to check has one violation that says so.
    pub fn check(&self, instance: &Value) -> Result<(), Vec<Violation>> {
        let too_large = || Violation {
            path: String::new(),
            schema_path: String::new(),
            message: TOO_LARGE.to_owned(),
        };
        let violations = self.violations(instance).unwrap_or_else(|| vec![too_large()]);
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }

    /// Lists how an instance breaks the schema: nothing if it does not, else 20 violations at most,
    /// and not necessarily all. `None` for an instance that would take too long to check.
    pub fn violations(&self, instance: &Value) -> Option<Vec<Violation>> {
        if !cost::affordable(&self.graph, instance) {
            return None;
        }
        if self.validator.is_valid(instance) {
            return Some(Vec::new());
        }
        Some(explain::violations(&self.graph, instance))
    }
}

/// Offline, and patterns by the engine that is linear in the text.
fn options(draft: Draft) -> ValidationOptions<'static> {
    let patterns =
        PatternOptions::regex().size_limit(pattern::MAX_PROGRAM).dfa_size_limit(pattern::MAX_CACHE);
    let options = jsonschema::options().with_draft(draft).offline();
    unique::install(options.with_pattern_options(patterns))
}

fn build(draft: Draft, schema: &Value) -> Result<Validator, SchemaFault> {
    // The crate itself recovers from panics of the regex engine, by unwinding; this is the second net.
    let built = panic::catch_unwind(|| options(draft).build(schema));
    match built {
        Ok(Ok(validator)) => Ok(validator),
        Ok(Err(error)) => Err(SchemaFault::at(
            error.instance_path().as_str(),
            format!("not a valid JSON Schema: {}", describe(error.kind())),
        )),
        Err(_) => Err(SchemaFault::new("the schema cannot be compiled; simplify its patterns")),
    }
}

/// What a kind of error means. Unlike the crate's own texts it never repeats the instance.
fn describe(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    let text = match kind {
        Kind::Type { kind } => match kind {
            jsonschema::error::TypeKind::Single(name) => format!("must be of type {name}"),
            jsonschema::error::TypeKind::Multiple(names) => {
                let names: Vec<_> = names.iter().map(|name| name.to_string()).collect();
                format!("must be of type {}", names.join(" or "))
            }
        },
        Kind::Enum { options } => format!("must be one of {}", echo(options)),
        Kind::Constant { expected_value } => format!("must be {}", echo(expected_value)),
        Kind::Required { property } => format!("the property {} is missing", echo(property)),
        Kind::Pattern { pattern } => format!("must match the pattern {}", clip(pattern, MAX_ECHO)),
        Kind::Format { format } => format!("must be a valid {}", clip(format, MAX_ECHO)),
        Kind::Minimum { limit } => format!("must be at least {}", echo(limit)),
        Kind::Maximum { limit } => format!("must be at most {}", echo(limit)),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {}", echo(limit)),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {}", echo(limit)),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit } => format!("must have at least {limit} properties"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} properties"),
        // The only keyword that is not the crate's own.
        Kind::UniqueItems | Kind::Custom { .. } => "must not have equal items".into(),
        Kind::FalseSchema => "no value is allowed here".into(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "matches none of the allowed forms".into()
        }
        Kind::OneOfMultipleValid { .. } => "matches more than one of the forms".into(),
        Kind::Referencing(_) => "a $ref does not lead to a schema in this document".into(),
        other => format!("does not satisfy {}", other.keyword()),
    };
    clip(&text, MAX_TEXT)
}

fn echo(value: &Value) -> String {
    clip(&value.to_string(), MAX_ECHO)
}

/// Cuts a text to a number of characters.
fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
