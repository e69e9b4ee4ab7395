//! What an execution was asked and what it answered, without secrets, and never longer than it may be.

use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::{
    InvocationPolicy,
    skill::{Skill, latency_ms, user_uid},
};
use crate::{
    app::jobs::ending::{Outcome, Success},
    domain::{InvocationId, Timestamp},
    observe::redact,
    store::{AccountScope, jobs::Job, telemetry::invocations::Invocation},
};

/// The record of a job that ended with an attempt.
pub(super) fn of(
    policy: &InvocationPolicy,
    scope: AccountScope,
    (id, at): (InvocationId, Timestamp),
    job: &Job,
    outcome: &Outcome,
) -> Invocation {
    let skill = Skill::of(job);
    let (skill_uid, original_skill) = skill.uid();
    let (user_uid, original_user) = user_uid(scope, job.user.as_deref());
    let mut meta = Map::new();
    meta.extend(original_skill.map(|skill| ("original_skill".to_owned(), skill.into())));
    meta.extend(original_user.map(|user| ("original_user".to_owned(), user.into())));
    Invocation {
        id,
        job: job.id,
        skill_uid,
        user_uid,
        is_success: matches!(outcome, Outcome::Succeeded(_)),
        input_payload: payload(policy, asked(job), meta),
        output_payload: payload(policy, answered(outcome), Map::new()),
        duration_ms: latency_ms(job.started_at, at),
        created_at: at,
    }
}

fn asked(job: &Job) -> Map<String, Value> {
    let request = &job.request;
    let mut asked = Map::new();
    let mut put = |name: &str, json: Option<&str>| {
        let value = json.and_then(|json| serde_json::from_str(json).ok());
        asked.extend(value.map(|value: Value| (name.to_owned(), value)));
    };
    put("messages", Some(request.messages.get()));
    put("parameters", Some(&request.parameters));
    put("output_schema", request.output_schema.as_deref().map(RawValue::get));
    put("metadata", request.metadata.as_deref().map(RawValue::get));
    asked.insert("model".to_owned(), job.model.as_str().into());
    asked
}

fn answered(outcome: &Outcome) -> Map<String, Value> {
    let mut answered = Map::new();
    match outcome {
        Outcome::Succeeded(Success { output, text, model, .. }) => {
            let output = output.as_deref().and_then(|json| serde_json::from_str(json.get()).ok());
            say(&mut answered, output, text);
            answered.insert("model".to_owned(), model.as_str().into());
        }
        Outcome::Failed { error, answer, .. } => {
            let mut told = Map::new();
            told.insert("code".to_owned(), error.code.as_str().into());
            told.insert("message".to_owned(), error.message.as_str().into());
            answered.insert("error".to_owned(), told.into());
            if let Some(broken) = answer {
                say(&mut answered, serde_json::from_str(&broken.text).ok(), &broken.text);
            }
        }
        Outcome::Left => {}
    }
    answered
}

/// What the model said: JSON, or else the text. Not both, as the text says the same past what is to be left out.
fn say(answered: &mut Map<String, Value>, output: Option<Value>, text: &str) {
    match output {
        Some(output) => answered.insert("output".to_owned(), output),
        None => answered.insert("output_text".to_owned(), text.into()),
    };
}

/// The payload as it is kept, with `meta` where there is something in it.
fn payload(
    policy: &InvocationPolicy,
    content: Map<String, Value>,
    meta: Map<String, Value>,
) -> Box<RawValue> {
    let mut content = Value::Object(content);
    policy.redact.iter().for_each(|places| places.cover(&mut content, redact::REDACTED));
    redact::json(&mut content);
    let whole = content.to_string();
    let mut kept = match content {
        _ if whole.len() > policy.max_payload => truncated(&whole, policy.max_payload),
        Value::Object(content) => content,
        all_left_out => [("_redacted".to_owned(), all_left_out)].into_iter().collect(),
    };
    if !meta.is_empty() {
        let mut meta = Value::Object(meta);
        // A user may be an address, and is kept as it was given.
        redact::json_credentials(&mut meta);
        kept.insert("_meta".to_owned(), meta);
    }
    to_raw_value(&kept).unwrap_or_default()
}

/// The beginning of a payload that is too long, marked as such.
fn truncated(whole: &str, most: usize) -> Map<String, Value> {
    let beginning = &whole[..whole.floor_char_boundary(most)];
    let mut mark = Map::new();
    mark.insert("bytes".to_owned(), whole.len().into());
    mark.insert("beginning".to_owned(), beginning.into());
    let mut kept = Map::new();
    kept.insert("_truncated".to_owned(), mark.into());
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::json::Places;

    fn kept(max_payload: usize, content: Value, meta: Value) -> Value {
        let redact = vec![Places::parse("$.messages[*].content").unwrap()];
        let policy = InvocationPolicy { enabled: true, max_payload, redact };
        let (Value::Object(content), Value::Object(meta)) = (content, meta) else { panic!() };
        serde_json::from_str(payload(&policy, content, meta).get()).unwrap()
    }

    #[test]
    fn a_payload_is_kept_without_what_is_left_out() {
        let content = json!({"messages": [{"role": "user", "content": "hush"}], "metadata": {"password": "hush", "n": 1}});
        let kept = kept(1_000, content, json!({"original_user": "ada"}));
        assert_eq!(
            kept,
            json!({"messages": [{"role": "user", "content": "[redacted]"}],
                   "metadata": {"password": "[redacted]", "n": 1}, "_meta": {"original_user": "ada"}})
        );
    }

    #[test]
    fn of_a_long_one_the_beginning_is_kept_with_a_mark() {
        let kept = kept(17, json!({"text": "ä".repeat(100)}), json!({"original_skill": "m"}));
        assert_eq!(
            kept,
            json!({"_truncated": {"bytes": 211, "beginning": "{\"text\":\"ääää"}, "_meta": {"original_skill": "m"}})
        );
    }
}
