//! The whole of an answer that comes in pieces.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{Asides, Call, Completion};
use crate::domain::Usage;

/// The most that an answer may say in all, in bytes.
const MAX_BYTES: usize = 4 << 20;
/// The most calls of tools in one answer.
const MAX_CALLS: usize = 512;

/// What has come so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) model: Option<String>,
    pub(super) finish_reason: Option<String>,
    /// As it was reported, if it was.
    pub(super) usage: Option<Usage>,
    /// The tokens read, where only they were reported so far.
    pub(super) prompt_tokens: Option<u64>,
    pub(super) cached_tokens: Option<u64>,
    pub(super) reasoning_tokens: Option<u64>,
    text: String,
    refusal: String,
    /// What the model thought, as far as it is told.
    thoughts: String,
    /// The older form of a call of a tool.
    function_call: Option<Function>,
    calls: BTreeMap<u64, ToolCall>,
    bytes: usize,
}

/// Why a piece cannot be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unusable {
    /// It is not a delta.
    Nonsense,
    /// The answer would become too large.
    TooLarge,
}

/// A call of a tool, as OpenAI writes it.
#[derive(Default, Serialize)]
struct ToolCall {
    id: String,
    r#type: String,
    function: Function,
}

#[derive(Default, Serialize)]
struct Function {
    name: String,
    arguments: String,
}

/// What is used of a delta.
#[derive(Deserialize)]
struct Piece {
    content: Option<String>,
    refusal: Option<String>,
    /// The thoughts, under either name; some servers use both.
    reasoning_content: Option<Value>,
    reasoning: Option<Value>,
    function_call: Option<FunctionPiece>,
    tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Deserialize)]
struct CallPiece {
    index: Option<u64>,
    id: Option<String>,
    r#type: Option<String>,
    function: Option<FunctionPiece>,
}

#[derive(Deserialize)]
struct FunctionPiece {
    name: Option<String>,
    arguments: Option<String>,
}

impl Function {
    fn add(&mut self, piece: &FunctionPiece) {
        self.name.push_str(piece.name.as_deref().unwrap_or_default());
        self.arguments.push_str(piece.arguments.as_deref().unwrap_or_default());
    }
}

impl Gathered {
    /// Adds an object of OpenAI's form `choices[0].delta`.
    pub(super) fn add(&mut self, delta: &RawValue) -> Result<(), Unusable> {
        self.bytes += delta.get().len();
        if self.bytes > MAX_BYTES {
            return Err(Unusable::TooLarge);
        }
        if !delta.get().starts_with('{') {
            return Err(Unusable::Nonsense);
        }
        let piece: Piece = serde_json::from_str(delta.get()).map_err(|_| Unusable::Nonsense)?;
        self.text.push_str(piece.content.as_deref().unwrap_or_default());
        self.refusal.push_str(piece.refusal.as_deref().unwrap_or_default());
        let thoughts = piece.reasoning_content.or(piece.reasoning);
        self.thoughts.push_str(thoughts.as_ref().and_then(Value::as_str).unwrap_or_default());
        if let Some(function) = piece.function_call {
            self.function_call.get_or_insert_default().add(&function);
        }
        piece.tool_calls.into_iter().flatten().try_for_each(|call| self.add_call(call))
    }

    fn add_call(&mut self, piece: CallPiece) -> Result<(), Unusable> {
        let last = self.calls.keys().next_back().copied();
        // Some servers number nothing: then an id begins a call, and what has none goes on with the last.
        let index = piece.index.unwrap_or_else(|| match (&piece.id, last) {
            (Some(_), Some(last)) => last.saturating_add(1),
            (_, last) => last.unwrap_or(0),
        });
        if !self.calls.contains_key(&index) && self.calls.len() >= MAX_CALLS {
            return Err(Unusable::TooLarge);
        }
        let call = self.calls.entry(index).or_default();
        call.id = piece.id.filter(|id| !id.is_empty()).unwrap_or_else(|| call.id.clone());
        let kind = piece.r#type.unwrap_or_else(|| call.r#type.clone());
        call.r#type = if kind.is_empty() { "function".to_owned() } else { kind };
        if let Some(function) = piece.function {
            call.function.add(&function);
        }
        Ok(())
    }

    /// The answer as far as it came. Usage that was not reported is estimated.
    pub(super) fn completion(self, call: &Call<'_>) -> Completion {
        let calls: Vec<_> = self.calls.into_values().collect();
        let tool_calls = to_raw_value(&calls).ok().filter(|_| !calls.is_empty());
        let thoughts = Some(self.thoughts).filter(|thoughts| !thoughts.is_empty());
        let asides = Asides {
            function_call: self.function_call.and_then(|function| to_raw_value(&function).ok()),
            reasoning_content: thoughts.and_then(|thoughts| to_raw_value(&thoughts).ok()),
            ..Asides::default()
        };
        let completion = Completion {
            cached_tokens: self.cached_tokens,
            reasoning_tokens: self.reasoning_tokens,
            model: self.model.unwrap_or_else(|| call.model.to_owned()),
            finish_reason: self.finish_reason,
            refusal: Some(self.refusal).filter(|refusal| !refusal.is_empty()),
            tool_calls,
            text: self.text,
            asides: Box::new(asides),
            ..Completion::default()
        };
        completion.counted(call, self.usage, self.prompt_tokens)
    }

    /// The answer of a call that was given up: without a reason for its end.
    pub(super) fn given_up(self, call: &Call<'_>) -> Completion {
        Self { finish_reason: None, ..self }.completion(call)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls(deltas: &[Value]) -> Value {
        let mut gathered = Gathered::default();
        for delta in deltas {
            gathered.add(&to_raw_value(delta).unwrap()).unwrap();
        }
        let calls: Vec<_> = gathered.calls.into_values().collect();
        serde_json::to_value(calls).unwrap()
    }

    fn call(id: &str, arguments: &str) -> Value {
        json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}})
    }

    #[test]
    fn calls_of_tools_are_put_together_by_their_index() {
        let begin = |index: u64, id: &str| {
            let mut call = call(id, "");
            call["index"] = json!(index);
            json!({"tool_calls": [call]})
        };
        let more = |index: u64, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
        let got =
            calls(&[begin(1, "b"), begin(0, "a"), more(0, "{"), more(1, "[1]"), more(0, "}")]);
        assert_eq!(got, json!([call("a", "{}"), call("b", "[1]")]));
    }

    #[test]
    fn calls_without_an_index_follow_each_other() {
        let more = json!({"tool_calls": [{"function": {"arguments": "1}"}}]});
        let got = calls(&[
            json!({"tool_calls": [call("a", "{")]}),
            more,
            json!({"tool_calls": [call("b", "{}")]}),
        ]);
        assert_eq!(got, json!([call("a", "{1}"), call("b", "{}")]));
    }

    #[test]
    fn nonsense_and_floods_are_refused() {
        let add = |delta: &Value| Gathered::default().add(&to_raw_value(delta).unwrap());
        for nonsense in
            [json!(1), json!([]), json!(null), json!({"content": 7}), json!({"tool_calls": {}})]
        {
            assert_eq!(add(&nonsense), Err(Unusable::Nonsense), "{nonsense}");
        }
        assert_eq!(add(&json!({"content": "x".repeat(MAX_BYTES)})), Err(Unusable::TooLarge));
        let many: Vec<_> = (0..1_000).map(|index| json!({ "index": index })).collect();
        assert_eq!(add(&json!({ "tool_calls": many })), Err(Unusable::TooLarge));
    }
}
