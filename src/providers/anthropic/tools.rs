//! Tools, and the one tool through which an output that has to satisfy a schema comes.

use serde_json::{Map, Value, json, value::RawValue};

use super::bad_request;
use crate::providers::ProviderError;

/// The tool whose input is the output.
pub(super) const OUTPUT: &str = "output";

/// How the answer is to be JSON.
pub(super) enum Output {
    /// Not at all.
    Free,
    /// By a tool with this schema, which the model has to call.
    Tool(Value),
    /// By this instruction.
    Told(String),
}

impl Output {
    /// What `response_format`, or else `output_schema`, asks for. A tool is surer than an instruction, but
    /// its input is an object, and it must not stand in the way of the caller's own tools.
    pub(super) fn wanted(
        format: Option<&Value>,
        output_schema: Option<&RawValue>,
        tools: &[Value],
    ) -> Result<Self, ProviderError> {
        let schema = match format {
            None => output_schema.map(|schema| serde_json::from_str(schema.get())).transpose(),
            Some(format) => match format.get("type").and_then(Value::as_str) {
                Some("json_schema") => Ok(format.pointer("/json_schema/schema").cloned()),
                Some("json_object") => {
                    let told = "Answer with one JSON object and nothing else: no other text, no code fence.";
                    return Ok(Self::Told(told.to_owned()));
                }
                _ => Ok(None),
            },
        };
        let schema: Option<Value> =
            schema.map_err(|_| bad_request("output_schema is not valid JSON"))?;
        Ok(match schema {
            None => Self::Free,
            Some(schema) if tools.is_empty() && can_be_input(&schema) => Self::Tool(schema),
            Some(schema) => Self::Told(format!(
                "When you give your final answer, answer with one JSON value and nothing else: no other \
                 text, no code fence. It must satisfy this JSON Schema:\n{schema}"
            )),
        })
    }
}

/// Anthropic takes schemas of objects, of the newest draft, without alternatives at the root.
fn can_be_input(schema: &Value) -> bool {
    let is_object = schema.get("type").and_then(Value::as_str) == Some("object");
    let draft = schema.get("$schema").and_then(Value::as_str);
    let newest = draft.is_none_or(|draft| draft.contains("2020-12"));
    let plain = ["$ref", "oneOf", "anyOf", "allOf"].iter().all(|key| schema.get(key).is_none());
    is_object && newest && plain
}

/// The tool for an output of this schema.
pub(super) fn output_tool(schema: &Value) -> Value {
    json!({
        "name": OUTPUT,
        "description": "Gives the answer. Call it once, with the whole answer.",
        "input_schema": schema,
    })
}

/// OpenAI's `tools` as Anthropic's.
pub(super) fn tools(given: Option<&Value>) -> Result<Vec<Value>, ProviderError> {
    let Some(given) = given else { return Ok(Vec::new()) };
    let given = given.as_array().ok_or_else(|| bad_request("tools must be an array"))?;
    let tools = given.iter().enumerate().map(|(at, given)| {
        let why = "must be a function with a name; this model can be given no other tools";
        tool(given).ok_or_else(|| bad_request(format!("tools/{at} {why}")))
    });
    tools.collect()
}

fn tool(given: &Value) -> Option<Value> {
    let function = given.get("function")?;
    let name = function.get("name")?.as_str()?;
    let mut tool = Map::from_iter([("name".to_owned(), name.into())]);
    if let Some(description) = function.get("description").and_then(Value::as_str) {
        tool.insert("description".to_owned(), description.into());
    }
    let parameters = function.get("parameters").and_then(Value::as_object).cloned();
    tool.insert("input_schema".to_owned(), input_schema(parameters.unwrap_or_default()).into());
    Some(tool.into())
}

/// The schema as far as Anthropic takes it: a call that it allows too much is the caller's to check.
fn input_schema(mut schema: Map<String, Value>) -> Map<String, Value> {
    for alternatives in ["oneOf", "anyOf", "allOf"] {
        schema.shift_remove(alternatives);
    }
    schema.insert("type".to_owned(), "object".into());
    schema
}

/// OpenAI's `tool_choice` and `parallel_tool_calls` as Anthropic's `tool_choice`.
pub(super) fn choice(
    given: Option<&Value>,
    parallel: Option<&Value>,
    any_tools: bool,
) -> Result<Option<Value>, ProviderError> {
    let one_by_one = parallel.and_then(Value::as_bool) == Some(false);
    let named = |given: &Value| {
        let name = given.pointer("/function/name")?.as_str()?;
        Some(json!({"type": "tool", "name": name}))
    };
    let mut choice = match given {
        _ if !any_tools => return Ok(None),
        None if one_by_one => json!({"type": "auto"}),
        None => return Ok(None),
        Some(given) => match given.as_str() {
            Some("none") => return Ok(Some(json!({"type": "none"}))),
            Some("auto") => json!({"type": "auto"}),
            Some("required") => json!({"type": "any"}),
            _ => named(given).ok_or_else(|| {
                bad_request("tool_choice must be none, auto, required or one function's name")
            })?,
        },
    };
    if one_by_one {
        choice["disable_parallel_tool_use"] = true.into();
    }
    Ok(Some(choice))
}
