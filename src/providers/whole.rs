//! A whole answer as a stream of one piece.

use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{Completion, Delta, Sink};

#[derive(Serialize)]
struct Piece<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<Value>>,
}

/// Hands the answer to `sink` as one delta, in which calls of tools carry their index.
pub fn hand_over(completion: &Completion, sink: &mut Sink<'_>) -> ControlFlow<()> {
    let calls = completion.tool_calls.as_deref().map(numbered);
    let silent = calls.is_some() && completion.text.is_empty();
    let piece = Piece {
        role: "assistant",
        content: (!silent).then_some(completion.text.as_str()),
        refusal: completion.refusal.as_deref(),
        tool_calls: calls,
    };
    let Ok(delta) = serde_json::value::to_raw_value(&piece) else {
        return ControlFlow::Continue(());
    };
    sink(Delta { delta, finish_reason: completion.finish_reason.clone(), logprobs: None })
}

fn numbered(calls: &RawValue) -> Vec<Value> {
    let mut calls: Vec<Value> = serde_json::from_str(calls.get()).unwrap_or_default();
    for (index, call) in calls.iter_mut().enumerate() {
        if let Some(call) = call.as_object_mut() {
            call.insert("index".to_owned(), index.into());
        }
    }
    calls
}
