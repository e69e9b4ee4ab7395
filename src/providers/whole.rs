//! A whole answer as a short stream.

use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{Asides, Completion, Delta, Sink};

#[derive(Serialize)]
struct Piece<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<Value>>,
    #[serde(flatten)]
    asides: &'a Asides,
}

/// Hands the answer to `sink` as one delta, in which calls of tools carry their index, and its end by itself:
/// clients take what came before the reason for whole.
pub fn hand_over(completion: &Completion, sink: &mut Sink<'_>) -> ControlFlow<()> {
    let piece = Piece {
        role: "assistant",
        content: completion.content(),
        refusal: completion.refusal.as_deref(),
        tool_calls: completion.tool_calls.as_deref().map(numbered),
        asides: &completion.asides,
    };
    let Ok(delta) = serde_json::value::to_raw_value(&piece) else {
        return ControlFlow::Continue(());
    };
    let logprobs = completion.logprobs.clone();
    sink(Delta { delta, finish_reason: None, logprobs })?;
    let Some(reason) = completion.finish_reason.clone() else { return ControlFlow::Continue(()) };
    let Ok(delta) = RawValue::from_string("{}".to_owned()) else {
        return ControlFlow::Continue(());
    };
    sink(Delta { delta, finish_reason: Some(reason), logprobs: None })
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
