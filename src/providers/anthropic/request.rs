//! The body of a call.

use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    bad_request,
    messages::{Turn, conversation},
    tools::{self, Output},
    untold,
};
use crate::providers::{Call, ProviderError};

#[derive(Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    messages: Vec<Turn>,
    #[serde(skip_serializing_if = "String::is_empty")]
    system: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip)]
    output: Output,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

impl<'a> Request<'a> {
    /// Refuses what Anthropic cannot be told.
    pub(super) fn new(call: &Call<'a>, streams: bool) -> Result<Self, ProviderError> {
        refuse_untold(call)?;
        let (mut system, messages) = conversation(call.messages)?;
        let mut tools = tools::tools(extra(call, "tools")?.as_ref())?;
        let parallel = extra(call, "parallel_tool_calls")?;
        let choice = extra(call, "tool_choice")?;
        let mut tool_choice = tools::choice(choice.as_ref(), parallel.as_ref(), !tools.is_empty())?;
        let output =
            Output::wanted(extra(call, "response_format")?.as_ref(), call.output_schema, &tools)?;
        match &output {
            Output::Free => {}
            Output::Told(instruction) => append(&mut system, instruction),
            Output::Tool(schema) => {
                tools.push(tools::output_tool(schema));
                tool_choice = Some(json!({
                    "type": "tool", "name": tools::OUTPUT, "disable_parallel_tool_use": true,
                }));
            }
        }
        Ok(Self {
            model: call.model,
            max_tokens: call.max_tokens(),
            messages,
            system,
            temperature: call.temperature.map(|temperature| temperature.clamp(0.0, 1.0)),
            top_p: call.top_p.filter(|_| call.temperature.is_none()),
            stop_sequences: call.stop,
            metadata: call.user.map(|user_id| Metadata { user_id }),
            tools,
            tool_choice,
            stream: streams.then_some(true),
            output,
        })
    }

    /// True where the answer comes as the input of a tool.
    pub(super) const fn has_output_tool(&self) -> bool {
        matches!(self.output, Output::Tool(_))
    }
}

/// Refuses fields without which the answer would be another than the one asked for.
fn refuse_untold(call: &Call<'_>) -> Result<(), ProviderError> {
    for (field, harmless) in [
        ("functions", json!([])),
        ("function_call", json!("none")),
        ("audio", Value::Null),
        ("modalities", json!(["text"])),
        ("logprobs", json!(false)),
    ] {
        if extra(call, field)?.is_some_and(|value| value != harmless) {
            return Err(untold(field));
        }
    }
    Ok(())
}

pub(super) fn append(system: &mut String, paragraph: &str) {
    if !system.is_empty() {
        system.push_str("\n\n");
    }
    system.push_str(paragraph);
}

/// A field of OpenAI's form that is not null.
fn extra(call: &Call<'_>, name: &str) -> Result<Option<Value>, ProviderError> {
    let read = |raw: &RawValue| serde_json::from_str::<Value>(raw.get());
    let value = call.extras.get(name).map(|raw| read(raw)).transpose();
    let value = value.map_err(|_| bad_request(format!("{name} is not valid JSON")))?;
    Ok(value.filter(|value| !value.is_null()))
}
