//! Whether a job is what a case expects.

use std::borrow::Cow;

use serde_json::{Value, value::RawValue};

use super::{Compile, EvalCase, Expect, ExpectAt, ExpectedStatus};
use crate::domain::{
    Credits, JobError, JobStatus, Result,
    json::{self, Path, same},
};

/// Comparisons of one `contains`, after which it is given up.
const STEPS_MAX: u32 = 1_000_000;
/// How much of a value a reason repeats, in characters.
const ECHO: usize = 200;

/// What became of a case's job.
#[derive(Clone, Debug)]
pub struct CaseOutcome<'a> {
    /// How it ended.
    pub status: JobStatus,
    /// The validated JSON.
    pub output: Option<&'a RawValue>,
    /// What the model said.
    pub text: Option<&'a str>,
    /// Why there is no output.
    pub error: Option<&'a JobError>,
    /// How long the last attempt took.
    pub latency_ms: Option<u64>,
    /// What it cost.
    pub charged: Credits,
}

impl EvalCase {
    /// Why the job is not what is expected; nothing where it is.
    pub fn score(&self, outcome: &CaseOutcome<'_>, compile: &Compile<'_>) -> Result<Vec<String>> {
        let expect = &self.expect;
        let mut reasons = Vec::new();
        if let Some(reason) = wrong_status(expect.status, outcome) {
            return Ok(vec![reason]);
        }
        expect.check_costs(outcome, &mut reasons);
        if let Some(Value::String(part)) = &expect.contains
            && !outcome.text.unwrap_or_default().contains(part.as_str())
        {
            reasons.push(format!("contains: output_text does not have {}", echo_text(part)));
        }
        expect.check_output(outcome, compile, &mut reasons)?;
        Ok(reasons)
    }
}

fn wrong_status(expected: Option<ExpectedStatus>, outcome: &CaseOutcome<'_>) -> Option<String> {
    let expected = match expected {
        None | Some(ExpectedStatus::Succeeded) => JobStatus::Succeeded,
        Some(ExpectedStatus::Failed) => JobStatus::Failed,
    };
    if outcome.status == expected {
        return None;
    }
    let why = outcome.error.map(|error| format!(" ({}: {})", error.code.as_str(), error.message));
    let (is, why) = (outcome.status.as_str(), why.unwrap_or_default());
    Some(clip(&format!("status: the job is {is}{why}, not {}", expected.as_str()), 2 * ECHO))
}

impl Expect {
    fn check_costs(&self, outcome: &CaseOutcome<'_>, reasons: &mut Vec<String>) {
        if let (Some(most), Some(took)) = (self.max_latency_ms, outcome.latency_ms)
            && took > most
        {
            reasons.push(format!("max_latency_ms: it took {took} ms, more than {most}"));
        }
        if let Some(most) = self.max_credits
            && outcome.charged > most
        {
            reasons.push(format!("max_credits: it cost {}, more than {most}", outcome.charged));
        }
    }

    fn check_output(
        &self,
        outcome: &CaseOutcome<'_>,
        compile: &Compile<'_>,
        reasons: &mut Vec<String>,
    ) -> Result<()> {
        let part = self.contains.as_ref().filter(|part| !part.is_string());
        let looks = self.equals.is_some()
            || part.is_some()
            || self.schema.is_some()
            || self.json_path.is_some();
        if !looks {
            return Ok(());
        }
        let output = output(outcome, self.equals.as_ref());
        let (equals, schema) = (self.equals.as_ref(), self.schema.as_deref());
        Wanted { equals, contains: part, schema }.check(&output, "", compile, reasons)?;
        if let Some(at) = &self.json_path {
            at.check_value(&output, compile, reasons)?;
        }
        Ok(())
    }
}

/// The validated output; else the text, as JSON where it is JSON and no string is expected.
fn output<'a>(outcome: &CaseOutcome<'_>, equals: Option<&Value>) -> Cow<'a, Value> {
    let text = outcome.text.unwrap_or_default();
    let parsed = match (outcome.output, equals) {
        (Some(output), _) => json::value(output.get()).ok(),
        (None, Some(Value::String(_))) => None,
        (None, _) => json::value(text).ok(),
    };
    Cow::Owned(parsed.unwrap_or_else(|| Value::from(text)))
}

impl ExpectAt {
    fn check_value(
        &self,
        output: &Value,
        compile: &Compile<'_>,
        reasons: &mut Vec<String>,
    ) -> Result<()> {
        let Self { path, equals, contains, schema, exists } = self;
        let found = Path::parse(path).ok().and_then(|way| way.find(output));
        match (found, exists) {
            (Some(_), Some(false)) => {
                reasons.push(clip(&format!("json_path: {path} exists"), ECHO));
            }
            (None, Some(false)) => {}
            (None, _) => reasons.push(clip(&format!("json_path: {path} does not exist"), ECHO)),
            (Some(found), _) => {
                let place = format!("json_path {}, ", clip(path, ECHO));
                let (equals, contains) = (equals.as_ref(), contains.as_ref());
                let wanted = Wanted { equals, contains, schema: schema.as_deref() };
                wanted.check(found, &place, compile, reasons)?;
            }
        }
        Ok(())
    }
}

/// What must hold of a value.
struct Wanted<'a> {
    equals: Option<&'a Value>,
    contains: Option<&'a Value>,
    schema: Option<&'a RawValue>,
}

impl Wanted<'_> {
    fn check(
        &self,
        value: &Value,
        place: &str,
        compile: &Compile<'_>,
        reasons: &mut Vec<String>,
    ) -> Result<()> {
        if let Some(expected) = self.equals
            && !same(value, expected)
        {
            reasons.push(format!("{place}equals: it is {}, not {}", echo(value), echo(expected)));
        }
        if let Some(part) = self.contains {
            let mut steps = STEPS_MAX;
            match has(value, part, &mut steps) {
                Some(true) => {}
                Some(false) => {
                    reasons.push(format!("{place}contains: it does not have {}", echo(part)));
                }
                None => reasons.push(format!("{place}contains: it is too large to be compared")),
            }
        }
        if let Some(contract) = self.schema.map(compile).transpose()?
            && let Err(violations) = contract.check(value)
        {
            let told = violations.iter().take(3);
            reasons.extend(told.map(|it| format!("{place}schema: {}: {}", it.path, it.message)));
        }
        Ok(())
    }
}

/// Whether the value has all that `part` has; `None` where that takes too long to say.
fn has(value: &Value, part: &Value, steps: &mut u32) -> Option<bool> {
    *steps = steps.checked_sub(1)?;
    match (value, part) {
        (Value::String(value), Value::String(part)) => Some(value.contains(part.as_str())),
        (Value::Object(value), Value::Object(part)) => {
            for (name, part) in part {
                let Some(value) = value.get(name) else { return Some(false) };
                if !matches(value, part, steps)? {
                    return Some(false);
                }
            }
            Some(true)
        }
        (Value::Array(value), Value::Array(part)) => {
            for part in part {
                if !is_among(value, part, steps)? {
                    return Some(false);
                }
            }
            Some(true)
        }
        _ => Some(false),
    }
}

/// Within a part objects and arrays may have more, and all else is equal.
fn matches(value: &Value, part: &Value, steps: &mut u32) -> Option<bool> {
    match part {
        Value::Object(_) | Value::Array(_) => has(value, part, steps),
        _ => {
            *steps = steps.checked_sub(1)?;
            Some(same(value, part))
        }
    }
}

fn is_among(items: &[Value], part: &Value, steps: &mut u32) -> Option<bool> {
    for item in items {
        if matches(item, part, steps)? {
            return Some(true);
        }
    }
    Some(false)
}

fn echo(value: &Value) -> String {
    clip(&value.to_string(), ECHO)
}

fn echo_text(text: &str) -> String {
    clip(&Value::from(text).to_string(), ECHO)
}

fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
