//! Answers in pieces: `chat.completion.chunk`.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::answer::{Reported, cut, inner_error};
use crate::{
    domain::JobErrorCode,
    providers::{
        Call, Completion, Delta, ProviderError, Sink,
        gather::{Gathered, Unusable},
        transport::{END, Events},
    },
    wire,
};

#[derive(Deserialize)]
struct Chunk {
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    delta: Option<Box<RawValue>>,
    finish_reason: Option<String>,
    logprobs: Option<Box<RawValue>>,
}

/// Reads the stream to its end, or as far as it is wanted.
pub(super) fn read(
    call: &Call<'_>,
    mut events: Events,
    key: &str,
    sink: &mut Sink<'_>,
) -> Result<Completion, ProviderError> {
    let mut gathered = Gathered::default();
    let mut begun = false;
    loop {
        let event = match events.next() {
            Ok(Some(event)) => event,
            // The answer is whole; where the stream did not end well only its usage is not known.
            _ if gathered.finish_reason.is_some() => return Ok(gathered.completion(call)),
            Ok(None) => return Err(broke_off()),
            Err(_) if begun && wire::is_cut() => return Ok(gathered.given_up(call)),
            Err(error) => return Err(error),
        };
        if event.data.trim_ascii() == END {
            events.finish();
            if !begun {
                return Err(server_error("the provider's answer is empty"));
            }
            return Ok(gathered.completion(call));
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk>(&event.data) else {
            return Err(nonsense());
        };
        if let Some(delta) = take(&mut gathered, chunk, key)? {
            begun = true;
            if sink(delta).is_break() {
                return Ok(gathered.given_up(call));
            }
            events.heard();
        }
    }
}

/// Adds a chunk to what there is, and gives what is new in it.
fn take(gathered: &mut Gathered, chunk: Chunk, key: &str) -> Result<Option<Delta>, ProviderError> {
    if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
        return Err(inner_error(&error, key));
    }
    if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
        gathered.model = Some(cut(model));
    }
    if let Some(reported) = chunk.usage.as_ref().and_then(Reported::read) {
        gathered.usage = Some(reported.usage);
        gathered.cached_tokens = reported.cached;
        gathered.reasoning_tokens = reported.reasoning;
    }
    let choices = chunk.choices.unwrap_or_default();
    let Some(choice) = choices.into_iter().find(|choice| choice.index == 0) else {
        return Ok(None);
    };
    let finish_reason = choice.finish_reason.filter(|reason| !reason.is_empty()).map(cut);
    let delta = match choice.delta {
        Some(delta) => delta,
        None if finish_reason.is_some() => empty()?,
        None => return Ok(None),
    };
    gathered.add(&delta).map_err(|why| match why {
        Unusable::Nonsense => nonsense(),
        Unusable::TooLarge => ProviderError::too_large(),
    })?;
    if finish_reason.is_some() {
        gathered.finish_reason.clone_from(&finish_reason);
    }
    let logprobs = choice.logprobs.filter(|logprobs| logprobs.get() != "null");
    Ok(Some(Delta { delta, finish_reason, logprobs }))
}

fn empty() -> Result<Box<RawValue>, ProviderError> {
    RawValue::from_string("{}".to_owned()).map_err(|_| nonsense())
}

fn nonsense() -> ProviderError {
    server_error("the provider's answer is not a stream of chat completion chunks")
}

fn broke_off() -> ProviderError {
    server_error("the stream broke off")
}

fn server_error(message: &str) -> ProviderError {
    ProviderError::new(JobErrorCode::ServerError, message)
}
