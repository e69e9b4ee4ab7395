//! The embedded provider: no network, no key, and the same answer to the same call.
//!
//! It answers with a value that satisfies the call's `output_schema`, or else with a sentence that
//! quotes the start of the last user message. Usage is counted by the rule of
//! [`estimate_tokens`](crate::domain::estimate_tokens). A stream comes word by word.
//!
//! So that failures can be tried without a provider, the last user message may hold directives:
//!
//! | Directive | Effect |
//! |---|---|
//! | `[sandbox:fail=RATE_LIMIT]` | fails so; also `TIMEOUT`, `SERVER_ERROR`, `BAD_REQUEST` |
//! | `[sandbox:delay=500ms]` | waits first; when the call's timeout is shorter: `TIMEOUT` after that |
//! | `[sandbox:chunk_delay=50ms]` | waits between the pieces of a stream, in the same way |
//! | `[sandbox:break]` | breaks off in the middle of the answer |
//! | `[sandbox:usage=none]` | reports no usage, so that it is estimated |
//! | `[sandbox:cached=100]` | reports that so many of the prompt's tokens were cached, at most all |
//! | `[sandbox:tool=NAME]` | calls that tool of the call's `tools`, with arguments that satisfy its parameters |
//! | `[sandbox:text=…]` | answers with this text, whatever the schema says. It reaches to the last `]` of the message, so it comes last |
//!
//! In test mode the delays of a call end after 2 s together, whatever they say.

mod answer;
mod directives;

use std::{ops::ControlFlow, time::Duration};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Call, Completion, Delta, Provider, ProviderError, Sink, gather::Gathered, whole};
use crate::{
    domain::{ChatRole, JobErrorCode},
    wire,
};
use answer::completion;
use directives::Directives;

/// How long a call may be delayed where it names no timeout.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// How long the calls of test mode are delayed at most.
const TEST_PATIENCE: Duration = Duration::from_secs(2);

/// Answers as it is told, and waits as it is told up to a bound.
pub(super) struct Sandbox {
    /// All delays of a call together are no longer: what is above that is left out.
    patience: Duration,
}

impl Sandbox {
    /// One whose calls end by their timeouts alone.
    pub(super) const fn configured() -> Self {
        Self { patience: Duration::MAX }
    }

    /// The one of test mode: whoever plays with its money holds no place of live work for long.
    pub(super) const fn of_test_mode() -> Self {
        Self { patience: TEST_PATIENCE }
    }

    /// What the call says to do, with delays as long as may be.
    fn directives<'a>(&self, text: &'a str) -> Result<Directives<'a>, ProviderError> {
        let told = Directives::parse(text)?;
        Ok(Directives { delay: told.delay.min(self.patience), ..told })
    }
}

impl Provider for Sandbox {
    fn complete(&self, call: &Call<'_>) -> Result<Completion, ProviderError> {
        let text = last_words(call);
        let directives = self.directives(&text)?;
        begin(call, &directives)?;
        if directives.breaks { Err(broke_off()) } else { completion(call, &directives) }
    }

    fn stream(&self, call: &Call<'_>, sink: &mut Sink<'_>) -> Result<Completion, ProviderError> {
        let text = last_words(call);
        let directives = self.directives(&text)?;
        begin(call, &directives)?;
        let whole = completion(call, &directives)?;
        let pieces = pieces(&whole);
        let breaks_at = directives.breaks.then_some(pieces.len() / 2);
        let mut gathered = Gathered::default();
        let mut left = call.at_most.saturating_sub(directives.delay);
        let mut patience = self.patience.saturating_sub(directives.delay);
        for (at, delta) in pieces.into_iter().enumerate() {
            if at > 0 && wire::is_cut() {
                return Ok(gathered.given_up(call));
            }
            if breaks_at == Some(at) {
                return Err(broke_off());
            }
            let delay = directives.chunk_delay.min(patience);
            if at > 0 && !delay.is_zero() {
                match wait(delay, call.time(TIMEOUT).min(left)) {
                    Err(_) if wire::is_cut() => return Ok(gathered.given_up(call)),
                    waited => waited?,
                }
                left = left.saturating_sub(delay);
                patience = patience.saturating_sub(delay);
            }
            // Our own pieces are deltas, and far from too many.
            let _fits = gathered.add(&delta.delta);
            if sink(delta).is_break() {
                return Ok(gathered.given_up(call));
            }
        }
        Ok(whole)
    }
}

/// What the user said last: it may hold directives.
fn last_words(call: &Call<'_>) -> String {
    let last = call.messages.iter().rev().find(|message| message.role == ChatRole::User);
    last.map(|message| message.text().into_owned()).unwrap_or_default()
}

fn begin(call: &Call<'_>, directives: &Directives<'_>) -> Result<(), ProviderError> {
    wait(directives.delay, call.time(TIMEOUT))?;
    match directives.fail {
        Some(code) => Err(ProviderError::new(code, "the sandbox failed as it was told")),
        None => Ok(()),
    }
}

fn wait(delay: Duration, timeout: Duration) -> Result<(), ProviderError> {
    if wire::pause(delay.min(timeout)) {
        return Err(ProviderError::new(JobErrorCode::ServerError, "the call was given up"));
    }
    if delay < timeout {
        return Ok(());
    }
    let message = "the sandbox was told to take longer than the timeout";
    Err(ProviderError::new(JobErrorCode::Timeout, message))
}

fn broke_off() -> ProviderError {
    ProviderError::new(JobErrorCode::ServerError, "the stream broke off")
}

#[derive(Default, Serialize)]
struct Piece<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

/// The answer word by word, as OpenAI begins and ends it; a call of a tool in one piece.
fn pieces(whole: &Completion) -> Vec<Delta> {
    let mut pieces = Vec::new();
    if whole.tool_calls.is_some() {
        // It goes on in any case.
        let _goes_on = whole::hand_over(whole, &mut |delta| {
            pieces.push(delta);
            ControlFlow::Continue(())
        });
        return pieces;
    }
    let words = whole.text.split_inclusive(' ');
    let begin = Piece { role: Some("assistant"), content: Some("") };
    let words = words.map(|word| Piece { role: None, content: Some(word) });
    let bodies = std::iter::once(begin).chain(words).chain([Piece::default()]);
    let deltas: Vec<Box<RawValue>> = bodies.filter_map(|piece| to_raw_value(&piece).ok()).collect();
    let last = deltas.len().saturating_sub(1);
    let finish = |at| whole.finish_reason.clone().filter(|_| at == last);
    let deltas = deltas.into_iter().enumerate();
    deltas.map(|(at, delta)| Delta { delta, finish_reason: finish(at), logprobs: None }).collect()
}

#[cfg(test)]
mod tests;
