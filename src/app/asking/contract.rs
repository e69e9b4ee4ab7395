//! An answer held against its contract, and what a model is told that broke it.

use serde_json::{Value, value::RawValue};

use crate::{
    domain::{ChatMessage, ChatRole, Contract, JobError, JobErrorCode, Violation, json},
    providers::Completion,
};

/// How much of an answer is quoted back to the model, in bytes.
const ANSWER_QUOTED: usize = 16 << 10;
/// How much is said about what is wrong with it, in bytes.
const VIOLATIONS_QUOTED: usize = 4 << 10;
/// The same in the job's error, and how much of the answer is shown beside it.
const VIOLATIONS_TOLD: usize = 1_000;

/// Why there is no text, where the model was asked and declined.
pub(super) fn declined(completion: &Completion) -> Option<JobError> {
    let filtered = completion.finish_reason.as_deref() == Some("content_filter");
    let silent = completion.text.is_empty() && !completion.calls_tools();
    if !silent || !(filtered || completion.refusal.is_some()) {
        return None;
    }
    let said = completion.refusal.as_deref().unwrap_or("its content filter stopped it");
    let message = format!("the model declined to answer: {}", cut(said, VIOLATIONS_TOLD));
    Some(JobError { code: JobErrorCode::BadRequest, message })
}

/// Whether the model declined to answer, or was stopped before its answer was whole.
pub(super) fn is_unfinished(completion: &Completion) -> bool {
    let cut = matches!(completion.finish_reason.as_deref(), Some("length" | "content_filter"));
    cut || (completion.refusal.is_some() && completion.text.is_empty())
}

/// The JSON that the answer is, if there is a contract and it keeps it; else what is wrong with it.
pub(super) fn output(
    contract: Option<&Contract>,
    completion: &Completion,
) -> Result<Option<Box<RawValue>>, Vec<String>> {
    match contract {
        // A model that calls tools has not answered yet.
        Some(contract) if !completion.calls_tools() => json(contract, &completion.text).map(Some),
        _ => Ok(None),
    }
}

fn json(contract: &Contract, text: &str) -> Result<Box<RawValue>, Vec<String>> {
    let text = unfenced(text);
    let parsed = json::check(text.as_bytes()).map_err(|fault| fault.to_string());
    let parsed = parsed.and_then(|checked| {
        let raw = RawValue::from_string(checked.text().to_owned());
        let value = serde_json::from_str::<Value>(checked.text());
        raw.and_then(|raw| value.map(|value| (raw, value))).map_err(|error| error.to_string())
    });
    let (raw, value) = parsed.map_err(|fault| {
        vec![format!("the answer must be one JSON value and nothing else: {fault}")]
    })?;
    let violations = |found: Vec<Violation>| found.iter().map(in_words).collect();
    contract.check(&value).map(|()| raw).map_err(violations)
}

/// The text without white space around it, and without the one code fence that models like to put
/// around JSON. Nothing else is forgiven.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((tag, body)) if matches!(tag.trim(), "" | "json" | "JSON") => body.trim(),
        _ => text,
    }
}

fn in_words(violation: &Violation) -> String {
    let Violation { path, schema_path, message } = violation;
    let place = if path.is_empty() { "the whole value" } else { path };
    format!("{place}: {message} (schema: {schema_path})")
}

/// Its answer, and what the model is told of it, so that it can do better.
pub(super) fn repair(answer: &str, wrong: &[String]) -> [ChatMessage; 2] {
    let list = cut(&wrong.join("\n- "), VIOLATIONS_QUOTED);
    let content = format!(
        "Your answer does not satisfy the JSON Schema that was asked for:\n- {list}\n\
         Answer again with the corrected JSON value alone: no other text, no code fence."
    );
    [
        ChatMessage::text_of(ChatRole::Assistant, cut(answer, ANSWER_QUOTED)),
        ChatMessage::text_of(ChatRole::User, content),
    ]
}

/// The error where no repair helped.
pub(super) fn mismatch(wrong: &[String], repairs: u32) -> JobError {
    let list = cut(&wrong.join("; "), VIOLATIONS_TOLD);
    let message =
        format!("the output does not satisfy output_schema after {repairs} repairs: {list}");
    JobError { code: JobErrorCode::OutputSchemaMismatch, message }
}

/// The beginning of an answer, for whoever wants to see what was wrong with it.
pub(super) fn excerpt(answer: &str) -> String {
    cut(answer, VIOLATIONS_TOLD)
}

/// The text, cut to a number of bytes.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(limit)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<String, Vec<String>> {
        let contract = Contract::compile(&json!({
            "type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}},
        }));
        let completion = Completion { text: text.to_owned(), ..Completion::default() };
        let output = output(Some(&contract.unwrap()), &completion)?;
        Ok(output.unwrap().get().to_owned())
    }

    #[test]
    fn one_surrounding_fence_is_forgiven_and_nothing_else() {
        for good in [
            "{\"a\":1}",
            " \n{\"a\":1}\t",
            "```json\n{\"a\":1}\n```",
            "```\n{\"a\":1}```\n",
            "```JSON \r\n\n{\"a\":1}\n\n```",
        ] {
            assert_eq!(read(good).unwrap(), "{\"a\":1}", "{good:?}");
        }
        for bad in [
            "",
            "Here you are: {\"a\":1}",
            "{\"a\":1} I hope that helps.",
            "```json\n{\"a\":1}\n``` Done.",
            "```json\n```json\n{\"a\":1}\n```\n```",
            "```yaml\n{\"a\":1}\n```",
            "```{\"a\":1}```",
            "{\"a\":1}{\"a\":1}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":NaN}",
        ] {
            let wrong = read(bad).unwrap_err();
            assert!(
                wrong[0].starts_with("the answer must be one JSON value"),
                "{bad:?}: {wrong:?}"
            );
        }
    }

    #[test]
    fn what_breaks_the_contract_is_told_with_its_place() {
        let wrong = read("{\"a\":\"x\"}").unwrap_err();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].starts_with("/a: must be of type integer (schema: "), "{wrong:?}");
    }

    #[test]
    fn what_is_quoted_is_bounded() {
        let wrong = vec!["é".repeat(10_000); 20];
        let [assistant, user] = repair(&"ü".repeat(100_000), &wrong);
        assert!(assistant.text().len() < ANSWER_QUOTED + 10);
        assert!(user.text().len() < VIOLATIONS_QUOTED + 300);
        assert!(mismatch(&wrong, 1).message.len() < VIOLATIONS_TOLD + 100);
    }
}
