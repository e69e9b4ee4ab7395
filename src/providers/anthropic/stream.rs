//! Answers in pieces: Anthropic's events, handed on as OpenAI's deltas.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};

use super::{
    answer::{Reported, finish_reason},
    tools::OUTPUT,
};
use crate::{
    domain::JobErrorCode,
    providers::{
        Call, Completion, Delta, ProviderError, Sink,
        gather::{Gathered, Unusable},
        openai,
        transport::{self, Events},
    },
    wire,
};

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        index: u64,
        content_block: Block,
    },
    ContentBlockDelta {
        index: u64,
        delta: Piece,
    },
    ContentBlockStop {
        index: u64,
    },
    MessageDelta {
        delta: End,
        usage: Option<Value>,
    },
    MessageStop,
    Error {
        error: Value,
    },
    /// Pings, and what other kinds there may come to be.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Start {
    model: Option<String>,
    usage: Option<Value>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Piece {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    /// Thoughts and their signatures.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct End {
    stop_reason: Option<String>,
}

/// A call of a tool that is being written.
struct Open {
    /// Which call of the answer it is; `None` for the output.
    number: Option<usize>,
    /// Whether any of its input came.
    begun: bool,
}

/// What the pieces have in common.
struct Reader {
    gathered: Gathered,
    reported: Reported,
    has_output_tool: bool,
    open: HashMap<u64, Open>,
    calls: usize,
    /// Whether the first delta was made, which says the role.
    begun: bool,
}

/// Reads the stream to its end, or as far as it is wanted.
pub(super) fn read(
    call: &Call<'_>,
    mut events: Events,
    has_output_tool: bool,
    key: &str,
    sink: &mut Sink<'_>,
) -> Result<Completion, ProviderError> {
    let mut reader = Reader::new(has_output_tool);
    loop {
        let event = match events.next() {
            Ok(Some(event)) => event,
            // The answer is whole.
            _ if reader.gathered.finish_reason.is_some() => {
                return Ok(reader.gathered.completion(call));
            }
            Ok(None) => return Err(server_error("the stream broke off")),
            Err(_) if reader.has_cost() && wire::is_cut() => {
                return Ok(reader.gathered.given_up(call));
            }
            Err(error) => return Err(error),
        };
        let delta = match serde_json::from_slice(&event.data) {
            Ok(Event::MessageStop) => {
                events.finish();
                return Ok(reader.gathered.completion(call));
            }
            Ok(Event::Error { error }) => return Err(failure(&error, key)),
            Ok(Event::Other) => continue,
            Ok(event) => reader.take(event)?,
            Err(_) => return Err(server_error("the provider's answer is not a stream of events")),
        };
        if delta.is_some_and(|delta| sink(delta).is_break()) {
            return Ok(reader.gathered.given_up(call));
        }
        events.heard();
    }
}

impl Reader {
    fn new(has_output_tool: bool) -> Self {
        Self {
            gathered: Gathered::default(),
            reported: Reported::default(),
            has_output_tool,
            open: HashMap::new(),
            calls: 0,
            begun: false,
        }
    }

    /// True where the provider has something to bill: the prompt is read before the first word, and thoughts
    /// may come between.
    const fn has_cost(&self) -> bool {
        self.begun || self.gathered.prompt_tokens.is_some()
    }

    /// Adds an event to what there is, and gives what is new in it.
    fn take(&mut self, event: Event) -> Result<Option<Delta>, ProviderError> {
        match event {
            Event::MessageStart { message } => {
                self.gathered.model = message.model.map(openai::cut);
                self.note(message.usage.as_ref());
                // Not yet a piece of the answer: another model may be asked if this one fails now.
                self.gathered.usage = None;
                Ok(None)
            }
            Event::ContentBlockStart { index, content_block } => self.open(index, content_block),
            Event::ContentBlockDelta { index, delta } => match delta {
                Piece::TextDelta { text } => self.say(&text),
                Piece::InputJsonDelta { partial_json } => self.input(index, &partial_json),
                Piece::Other => Ok(None),
            },
            Event::ContentBlockStop { index } => self.close(index),
            Event::MessageDelta { delta, usage } => {
                self.note(usage.as_ref());
                let Some(reason) = delta.stop_reason else { return Ok(None) };
                let reason = finish_reason(&reason, self.calls > 0);
                self.gathered.finish_reason = Some(reason.clone());
                self.delta(json!({}), Some(reason))
            }
            Event::MessageStop | Event::Error { .. } | Event::Other => Ok(None),
        }
    }

    fn note(&mut self, usage: Option<&Value>) {
        self.reported.update(usage.map(Reported::read).unwrap_or_default());
        self.gathered.prompt_tokens = self.reported.prompt_tokens();
        self.gathered.cached_tokens = self.reported.cached;
        self.gathered.usage = self.reported.usage();
    }

    fn open(&mut self, index: u64, block: Block) -> Result<Option<Delta>, ProviderError> {
        match block {
            Block::Text { text } => self.say(&text),
            Block::ToolUse { name, .. } if self.has_output_tool && name == OUTPUT => {
                self.open.insert(index, Open { number: None, begun: false });
                Ok(None)
            }
            Block::ToolUse { id, name } => {
                let number = self.calls;
                self.calls += 1;
                self.open.insert(index, Open { number: Some(number), begun: false });
                let function = json!({"name": name, "arguments": ""});
                let call =
                    json!({"index": number, "id": id, "type": "function", "function": function});
                self.delta(json!({ "tool_calls": [call] }), None)
            }
            Block::Other => Ok(None),
        }
    }

    fn input(&mut self, index: u64, json: &str) -> Result<Option<Delta>, ProviderError> {
        let Some(open) = self.open.get_mut(&index).filter(|_| !json.is_empty()) else {
            return Ok(None);
        };
        open.begun = true;
        match open.number {
            Some(number) => self.arguments(number, json),
            None => self.say(json),
        }
    }

    /// A tool without input is called with an empty object.
    fn close(&mut self, index: u64) -> Result<Option<Delta>, ProviderError> {
        match self.open.remove(&index) {
            Some(Open { number: Some(number), begun: false }) => self.arguments(number, "{}"),
            Some(Open { number: None, begun: false }) => self.say("{}"),
            _ => Ok(None),
        }
    }

    fn arguments(&mut self, number: usize, json: &str) -> Result<Option<Delta>, ProviderError> {
        let call = json!({"index": number, "function": {"arguments": json}});
        self.delta(json!({ "tool_calls": [call] }), None)
    }

    fn say(&mut self, text: &str) -> Result<Option<Delta>, ProviderError> {
        if text.is_empty() {
            return Ok(None);
        }
        self.delta(json!({ "content": text }), None)
    }

    fn delta(
        &mut self,
        mut delta: Value,
        finish_reason: Option<String>,
    ) -> Result<Option<Delta>, ProviderError> {
        if !std::mem::replace(&mut self.begun, true) {
            delta["role"] = "assistant".into();
        }
        let delta = to_raw_value(&delta)
            .map_err(|_| server_error("the provider's answer cannot be read"))?;
        self.gathered.add(&delta).map_err(|why| match why {
            Unusable::TooLarge => ProviderError::too_large(),
            Unusable::Nonsense => server_error("the provider's answer cannot be read"),
        })?;
        Ok(Some(Delta { delta, finish_reason, logprobs: None }))
    }
}

/// What an error within a stream would have been as a status.
fn failure(error: &Value, key: &str) -> ProviderError {
    let status = match error.get("type").and_then(Value::as_str).unwrap_or_default() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    let words = error.get("message").and_then(Value::as_str).unwrap_or_default();
    transport::refused(status, &transport::clean(words, key))
}

fn server_error(message: &str) -> ProviderError {
    ProviderError::new(JobErrorCode::ServerError, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_cost_after(event: Value) -> bool {
        let mut reader = Reader::new(false);
        let delta = reader.take(serde_json::from_value(event).unwrap()).unwrap();
        assert!(delta.is_none());
        reader.has_cost()
    }

    #[test]
    fn a_prompt_that_was_read_has_a_cost() {
        let started = |usage: Value| json!({"type": "message_start", "message": {"usage": usage}});
        assert!(has_cost_after(started(json!({"input_tokens": 10, "output_tokens": 1}))));
        assert!(!has_cost_after(started(Value::Null)));
        assert!(!has_cost_after(json!({"type": "ping"})));
    }
}
