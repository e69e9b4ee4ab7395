//! The conversation: from OpenAI's messages to Anthropic's turns.

use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    bad_request,
    blocks::{self, text},
    request::append,
    untold,
};
use crate::{
    domain::{ChatMessage, ChatRole, Content},
    providers::ProviderError,
};

/// What the user says where a conversation does not begin with the user, as it has to.
const NOTHING_SAID: &str = ".";

/// All that one side says until the other speaks.
#[derive(Serialize)]
pub(super) struct Turn {
    role: &'static str,
    content: Vec<Value>,
}

/// The system's instructions, and the turns.
pub(super) fn conversation(messages: &[ChatMessage]) -> Result<(String, Vec<Turn>), ProviderError> {
    let (mut system, mut turns) = (String::new(), Vec::new());
    for (at, message) in messages.iter().enumerate() {
        match message.role {
            ChatRole::System | ChatRole::Developer => {
                let said = message.text();
                if !said.trim().is_empty() {
                    append(&mut system, &said);
                }
            }
            ChatRole::User => add(&mut turns, "user", content(message, at)?),
            ChatRole::Assistant => add(&mut turns, "assistant", said_and_called(message, at)?),
            ChatRole::Function => return Err(untold(&format!("messages/{at}"))),
            ChatRole::Tool => add(&mut turns, "user", vec![result(message, at)?]),
        }
    }
    if turns.first().is_none_or(|turn: &Turn| turn.role != "user") {
        turns.insert(0, Turn { role: "user", content: text(NOTHING_SAID) });
    }
    trim_beginning_of_answer(&mut turns);
    Ok((system, turns))
}

/// Adds to the last turn if the same side spoke.
fn add(turns: &mut Vec<Turn>, role: &'static str, mut content: Vec<Value>) {
    match turns.last_mut() {
        _ if content.is_empty() => {}
        Some(last) if last.role == role => last.content.append(&mut content),
        _ => turns.push(Turn { role, content }),
    }
}

/// Where the assistant speaks last its words are the beginning of the answer, and those must not end in
/// white space.
fn trim_beginning_of_answer(turns: &mut [Turn]) {
    let Some(last) = turns.last_mut().filter(|turn| turn.role == "assistant") else { return };
    let text = last.content.last_mut().and_then(|block| block.get_mut("text"));
    if let Some(Value::String(text)) = text {
        text.truncate(text.trim_end().len());
    }
}

fn content(message: &ChatMessage, at: usize) -> Result<Vec<Value>, ProviderError> {
    match &message.content {
        None => Ok(Vec::new()),
        Some(Content::Text(said)) => Ok(text(said)),
        Some(Content::Parts(_)) => {
            let parts = message.parts();
            let blocks = parts.iter().enumerate().map(|(part, of)| {
                blocks::block(of)
                    .map_err(|why| bad_request(format!("messages/{at}/content/{part} {why}")))
            });
            let blocks: Result<Vec<_>, _> = blocks.collect();
            Ok(blocks?.into_iter().flatten().collect())
        }
    }
}

fn said_and_called(message: &ChatMessage, at: usize) -> Result<Vec<Value>, ProviderError> {
    let fields = [("function_call", &message.function_call), ("audio", &message.audio)];
    if let Some((field, _)) = fields.into_iter().find(|(_, value)| value.is_some()) {
        return Err(untold(&format!("messages/{at}/{field}")));
    }
    let mut blocks = content(message, at)?;
    blocks.extend(message.refusal.as_deref().map(text).unwrap_or_default());
    let calls = message.tool_calls.as_deref().map_or("[]", RawValue::get);
    let calls: Vec<Value> = serde_json::from_str(calls).unwrap_or_default();
    for (call_at, call) in calls.iter().enumerate() {
        blocks.push(tool_use(call).ok_or_else(|| {
            bad_request(format!(
                "messages/{at}/tool_calls/{call_at} must have an id, and a function with a name and \
                 a JSON object in arguments"
            ))
        })?);
    }
    Ok(blocks)
}

fn tool_use(call: &Value) -> Option<Value> {
    let function = call.get("function")?;
    let arguments = function.get("arguments").and_then(Value::as_str).unwrap_or_default();
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    let input: Map<String, Value> = serde_json::from_str(arguments).ok()?;
    let (id, name) = (call.get("id")?.as_str()?, function.get("name")?.as_str()?);
    Some(json!({"type": "tool_use", "id": id, "name": name, "input": input}))
}

fn result(message: &ChatMessage, at: usize) -> Result<Value, ProviderError> {
    let id = message.tool_call_id.as_deref().ok_or_else(|| {
        bad_request(format!("messages/{at}/tool_call_id is missing; it names the call"))
    })?;
    let mut result = json!({"type": "tool_result", "tool_use_id": id});
    let content = content(message, at)?;
    if !content.is_empty() {
        result["content"] = content.into();
    }
    Ok(result)
}
