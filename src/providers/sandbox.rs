//! The embedded provider: no network, no key, and the same answer to the same call.
//!
//! It answers with a value that satisfies the call's `output_schema`, or else with a sentence that
//! quotes the start of the last user message. Usage is counted by the rule of
//! [`estimate_tokens`](crate::domain::estimate_tokens).
//!
//! So that failures can be tried without a provider, the last user message may hold directives:
//!
//! | Directive | Effect |
//! |---|---|
//! | `[sandbox:fail=RATE_LIMIT]` | fails so; also `TIMEOUT`, `SERVER_ERROR`, `BAD_REQUEST` |
//! | `[sandbox:delay=500ms]` | waits first; when the call's timeout is shorter: `TIMEOUT` after that |
//! | `[sandbox:text=…]` | answers with this text, whatever the schema says. It reaches to the last `]` of the message, so it comes last |

use std::{thread, time::Duration};

use serde_json::value::RawValue;

use super::{Call, Completion, Provider, ProviderError, Sink, whole};
use crate::domain::{
    ChatRole, JobErrorCode, Usage, estimate_prompt_tokens, estimate_tokens, schema,
};

/// How long a call may be delayed where it names no timeout.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Characters of the user's message that the answer quotes.
const QUOTED_CHARS: usize = 80;

const OPENING: &str = "[sandbox:";

pub(super) struct Sandbox;

impl Provider for Sandbox {
    fn complete(&self, call: &Call<'_>) -> Result<Completion, ProviderError> {
        let last = call.messages.iter().rev().find(|m| m.role == ChatRole::User);
        let text = last.map(|message| message.text()).unwrap_or_default();
        let directives = Directives::parse(&text)?;
        wait(directives.delay, call.time(TIMEOUT))?;
        if let Some(code) = directives.fail {
            return Err(ProviderError::new(code, "the sandbox failed as it was told"));
        }
        let text = answer(call, &directives)?;
        Ok(completion(call, text))
    }

    fn stream(&self, call: &Call<'_>, sink: &mut Sink<'_>) -> Result<Completion, ProviderError> {
        let completion = self.complete(call)?;
        let _broken = whole::hand_over(&completion, sink);
        Ok(completion)
    }
}

fn answer(call: &Call<'_>, directives: &Directives<'_>) -> Result<String, ProviderError> {
    match (directives.text, call.output_schema) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, Some(schema)) => json(schema),
        (None, None) => Ok(sentence(&directives.rest)),
    }
}

fn json(schema: &RawValue) -> Result<String, ProviderError> {
    let schema = serde_json::from_str(schema.get()).ok();
    let value = schema.and_then(|schema| schema::sample(&schema));
    value.map(|value| value.to_string()).ok_or_else(|| {
        let message = "the sandbox cannot make up a value for this output_schema; \
                       give it one with [sandbox:text=…] in the last user message";
        ProviderError::new(JobErrorCode::BadRequest, message)
    })
}

/// Directives in the last user message, and the message without them.
#[derive(Default)]
struct Directives<'a> {
    fail: Option<JobErrorCode>,
    delay: Duration,
    text: Option<&'a str>,
    rest: String,
}

impl<'a> Directives<'a> {
    fn parse(mut content: &'a str) -> Result<Self, ProviderError> {
        let mut found = Self::default();
        while let Some((before, after)) = content.split_once(OPENING) {
            let closing =
                if after.starts_with("text=") { after.rfind(']') } else { after.find(']') };
            let Some(end) = closing else { break };
            found.rest.push_str(before);
            found.obey(&after[..end])?;
            content = &after[end + 1..];
        }
        found.rest.push_str(content);
        Ok(found)
    }

    fn obey(&mut self, directive: &'a str) -> Result<(), ProviderError> {
        let understood = match directive.split_once('=') {
            Some(("fail", code)) => {
                self.fail = failure(code);
                self.fail.is_some()
            }
            Some(("delay", delay)) => {
                humantime::parse_duration(delay).map(|delay| self.delay = delay).is_ok()
            }
            Some(("text", text)) => {
                self.text = Some(text);
                true
            }
            _ => false,
        };
        if understood {
            return Ok(());
        }
        let message = "a [sandbox:…] directive is not understood; there are fail=RATE_LIMIT, \
                       TIMEOUT, SERVER_ERROR or BAD_REQUEST, delay=500ms, and text=…";
        Err(ProviderError::new(JobErrorCode::BadRequest, message))
    }
}

fn failure(code: &str) -> Option<JobErrorCode> {
    use JobErrorCode::{BadRequest, RateLimit, ServerError, Timeout};
    [RateLimit, Timeout, ServerError, BadRequest].into_iter().find(|known| known.as_str() == code)
}

fn wait(delay: Duration, timeout: Duration) -> Result<(), ProviderError> {
    thread::sleep(delay.min(timeout));
    if delay < timeout {
        return Ok(());
    }
    let message = "the sandbox was told to take longer than the timeout";
    Err(ProviderError::new(JobErrorCode::Timeout, message))
}

fn sentence(message: &str) -> String {
    let words: Vec<_> = message.split_whitespace().collect();
    let start: String = words.join(" ").chars().take(QUOTED_CHARS).collect();
    format!("The sandbox has read: {start}")
}

/// Text is cut to `max_tokens` as a model would; JSON stays whole, since half of it is of no use.
fn completion(call: &Call<'_>, mut text: String) -> Completion {
    let limit = call.max_tokens.map_or(u64::MAX, u64::from);
    let too_long = estimate_tokens(&text) > limit && call.output_schema.is_none();
    if too_long {
        let bytes = usize::try_from(limit.saturating_mul(4)).unwrap_or(usize::MAX);
        text.truncate(text.floor_char_boundary(bytes));
    }
    let written = estimate_tokens(&text).min(limit);
    Completion {
        model: call.model.to_owned(),
        usage: Usage::new(estimate_prompt_tokens(call.messages), written),
        estimated: false,
        cached_tokens: None,
        reasoning_tokens: None,
        tool_calls: None,
        finish_reason: Some(if too_long { "length" } else { "stop" }.to_owned()),
        refusal: None,
        text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::ChatMessage;

    fn ask_with(
        content: &str,
        change: impl FnOnce(&mut Call<'_>),
    ) -> Result<Completion, ProviderError> {
        let messages = [(ChatRole::System, "Be brief."), (ChatRole::User, content)]
            .map(|(role, content)| ChatMessage::text_of(role, content));
        let extras = BTreeMap::new();
        let mut call = Call {
            model: "sandbox",
            messages: &messages,
            temperature: None,
            max_tokens: None,
            default_max_tokens: 100,
            top_p: None,
            stop: &[],
            seed: None,
            output_schema: None,
            extras: &extras,
            user: None,
            request_id: "r",
            timeout: Some(Duration::from_secs(1)),
            at_most: Duration::MAX,
        };
        change(&mut call);
        Sandbox.complete(&call)
    }

    fn ask(content: &str) -> Result<Completion, ProviderError> {
        ask_with(content, |_| ())
    }

    #[test]
    fn answers_the_same_every_time() {
        let answer = ask("Say\n hello").unwrap();
        assert_eq!(answer.text, "The sandbox has read: Say hello");
        assert_eq!(answer.usage, Usage::new(6, 8));
        assert_eq!(answer.finish_reason.as_deref(), Some("stop"));
        assert!(!answer.estimated);
        let again = ask("Say\n hello").unwrap();
        assert_eq!(format!("{again:?}"), format!("{answer:?}"));
    }

    #[test]
    fn answers_with_json_for_a_schema() {
        let schema: Box<RawValue> = serde_json::from_str(r#"{"const": {"title": "a"}}"#).unwrap();
        let answer = ask_with("x", |call| {
            call.output_schema = Some(Box::leak(schema));
            call.max_tokens = Some(1);
        });
        let answer = answer.unwrap();
        assert_eq!(answer.text, r#"{"title":"a"}"#);
        assert_eq!(answer.usage.completion_tokens, 1);
    }

    #[test]
    fn says_when_no_value_can_be_made_up() {
        let schema: Box<RawValue> = serde_json::from_str("false").unwrap();
        let error = ask_with("x", |call| call.output_schema = Some(Box::leak(schema)));
        assert_eq!(error.unwrap_err().code, JobErrorCode::BadRequest);
    }

    #[test]
    fn cuts_text_at_max_tokens() {
        let answer = ask_with("naïve question", |call| call.max_tokens = Some(6)).unwrap();
        assert_eq!(answer.text, "The sandbox has read: na");
        assert_eq!(answer.finish_reason.as_deref(), Some("length"));
        assert_eq!(answer.usage.completion_tokens, 6);
    }

    #[test]
    fn fails_as_told() {
        for code in ["RATE_LIMIT", "TIMEOUT", "SERVER_ERROR", "BAD_REQUEST"] {
            let error = ask(&format!("Hello [sandbox:fail={code}]")).unwrap_err();
            assert_eq!(error.code.as_str(), code);
            assert_eq!(error.retryable, code != "BAD_REQUEST");
        }
    }

    #[test]
    fn waits_as_told_but_not_beyond_the_timeout() {
        assert_eq!(ask("[sandbox:delay=1ms] Hello").unwrap().text, "The sandbox has read: Hello");
        let timeout = Some(Duration::from_millis(5));
        let error = ask_with("[sandbox:delay=1h]", |call| call.timeout = timeout).unwrap_err();
        assert_eq!(error.code, JobErrorCode::Timeout);
    }

    #[test]
    fn repeats_the_text_that_it_is_given() {
        let answer = ask(r#"x [sandbox:delay=0s] [sandbox:text={"a":[1,[2]]}]"#).unwrap();
        assert_eq!(answer.text, r#"{"a":[1,[2]]}"#);
    }

    #[test]
    fn explains_directives_that_it_does_not_know() {
        for bad in ["fail=OOPS", "delay=soon", "jump", ""] {
            let error = ask(&format!("[sandbox:{bad}]")).unwrap_err();
            assert_eq!(error.code, JobErrorCode::BadRequest, "{bad}");
        }
        assert!(ask("an open [sandbox:fail=RATE_LIMIT").is_ok());
    }
}
