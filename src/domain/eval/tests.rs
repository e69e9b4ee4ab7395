//! What may be expected, and when it holds.

use std::sync::Arc;

use serde_json::{Value, json, value::RawValue};

use super::{CaseOutcome, EvalCase, EvalRequest};
use crate::domain::{
    Contract, Credits, Error, ErrorKind, JobError, JobErrorCode, JobStatus, Result,
};

fn case(expect: &Value) -> EvalCase {
    serde_json::from_str(&json!({"input": {}, "expect": expect}).to_string()).unwrap()
}

fn compile(schema: &RawValue) -> Result<Arc<Contract>> {
    let schema = serde_json::from_str(schema.get()).unwrap();
    let refused = |_| Error::new(ErrorKind::InvalidSchema, "no").with_param("schema");
    Contract::compile(&schema).map(Arc::new).map_err(refused)
}

fn outcome<'a>(output: Option<&'a RawValue>, text: &'a str) -> CaseOutcome<'a> {
    CaseOutcome {
        status: JobStatus::Succeeded,
        output,
        text: Some(text),
        error: None,
        latency_ms: Some(100),
        charged: Credits::from_micros(2_500_000),
    }
}

/// The reasons against an output that is also the text.
fn reasons(expect: &Value, output: &Value) -> Vec<String> {
    let text = output.to_string();
    let raw = RawValue::from_string(text.clone()).unwrap();
    case(expect).score(&outcome(Some(&raw), &text), &compile).unwrap()
}

#[test]
fn all_that_is_given_must_hold() {
    let output = json!({"a": [1, {"b": "text"}, 3], "n": 1.0, "o": {"p": 1, "q": 2}, "z": null});
    for good in [
        json!({"equals": output}),
        json!({"contains": "text"}),
        json!({"contains": {"n": 1, "o": {"q": 2}}}),
        json!({"contains": {"a": [3, {"b": "text"}]}}),
        json!({"schema": {"required": ["a"]}}),
        json!({"json_path": {"path": "$.a[1].b", "equals": "text"}}),
        json!({"json_path": {"path": "$.a[1].b", "contains": "ex"}}),
        json!({"json_path": {"path": "$.a", "contains": [1]}}),
        json!({"json_path": {"path": "$.a", "schema": {"minItems": 3}}}),
        json!({"json_path": {"path": "$.z", "equals": null, "exists": true}}),
        json!({"json_path": {"path": "$.y", "exists": false}}),
        json!({"status": "succeeded", "max_latency_ms": 100, "max_credits": 2.5}),
    ] {
        assert_eq!(reasons(&good, &output), Vec::<String>::new(), "{good}");
    }
    for (bad, told) in [
        (json!({"equals": null}), "equals: it is {"),
        (json!({"contains": "other"}), "contains: output_text does not have \"other\""),
        (json!({"contains": {"o": {"p": 2}}}), "contains: it does not have"),
        (json!({"contains": [1]}), "contains: it does not have [1]"),
        (json!({"schema": {"required": ["x"]}}), "schema: : the property \"x\" is missing"),
        (
            json!({"json_path": {"path": "$.a[1].b", "equals": 1}}),
            "json_path $.a[1].b, equals: it is \"text\", not 1",
        ),
        (json!({"json_path": {"path": "$.y", "equals": 1}}), "json_path: $.y does not exist"),
        (json!({"json_path": {"path": "$.a", "exists": false}}), "json_path: $.a exists"),
        (json!({"status": "failed"}), "status: the job is succeeded, not failed"),
        (json!({"max_latency_ms": 99}), "max_latency_ms: it took 100 ms, more than 99"),
        (json!({"max_credits": "2.499999"}), "max_credits: it cost 2.5, more than 2.499999"),
    ] {
        let found = reasons(&bad, &output);
        assert!(found.len() == 1 && found[0].starts_with(told), "{bad}: {found:?}");
    }
    let both = json!({"equals": 1, "max_latency_ms": 1, "contains": "no"});
    assert_eq!(reasons(&both, &output).len(), 3);
}

#[test]
fn without_a_contract_the_text_is_the_output() {
    for (expect, text, holds) in [
        (json!({"equals": "5"}), "5", true),
        (json!({"equals": 5}), "5", true),
        (json!({"equals": {"a": 1}}), " {\"a\": 1.0} ", true),
        (json!({"equals": "hello"}), "hello", true),
        (json!({"json_path": {"path": "$.a", "equals": 1}}), "{\"a\": 1}", true),
        (json!({"json_path": {"path": "$.a", "exists": true}}), "no JSON", false),
        (json!({"schema": {"type": "string"}}), "hello", true),
        (json!({"contains": "ell"}), "hello", true),
    ] {
        let reasons = case(&expect).score(&outcome(None, text), &compile).unwrap();
        assert_eq!(reasons.is_empty(), holds, "{expect} {text}: {reasons:?}");
    }
}

#[test]
fn a_job_that_failed_fails_unless_that_is_expected() {
    let error = JobError { code: JobErrorCode::OutputSchemaMismatch, message: "no".to_owned() };
    let failed = CaseOutcome {
        status: JobStatus::Failed,
        error: Some(&error),
        ..outcome(None, "a broken answer")
    };
    let score = |expect: Value| case(&expect).score(&failed, &compile).unwrap();
    let told = "status: the job is failed (OUTPUT_SCHEMA_MISMATCH: no), not succeeded";
    assert_eq!(score(json!({"contains": "answer"})), [told]);
    assert!(score(json!({"status": "failed", "contains": "answer"})).is_empty());
    let canceled = CaseOutcome { status: JobStatus::Canceled, ..failed.clone() };
    assert_eq!(case(&json!({"status": "failed"})).score(&canceled, &compile).unwrap().len(), 1);
}

#[test]
fn what_takes_too_long_to_compare_fails() {
    let many: Vec<_> = (0..20_000).collect();
    let output = json!(many);
    let part: Vec<_> = (0..20_000).rev().collect();
    let told = reasons(&json!({"contains": part}), &output);
    assert!(told[0].contains("too large"), "{told:?}");
}

#[test]
fn what_cannot_be_expected_is_named() {
    let check = |cases: Value| {
        let body = json!({"name": "e", "cases": cases}).to_string();
        serde_json::from_str::<EvalRequest>(&body).unwrap().check(&compile)
    };
    let one = |expect: Value| check(json!([{"input": 1, "expect": expect}]));
    one(json!({"equals": null})).unwrap();
    for (bad, param) in [
        (json!({}), "cases/0/expect"),
        (json!({"contains": 1}), "cases/0/expect/contains"),
        (json!({"schema": {"type": "x"}}), "cases/0/expect/schema"),
        (json!({"json_path": {"path": "$..a", "exists": true}}), "cases/0/expect/json_path/path"),
        (json!({"json_path": {"path": "$.a"}}), "cases/0/expect/json_path"),
        (
            json!({"json_path": {"path": "$.a", "equals": 1, "exists": false}}),
            "cases/0/expect/json_path",
        ),
        (json!({"json_path": {"path": "$.a", "schema": 5}}), "cases/0/expect/json_path/schema"),
    ] {
        assert_eq!(one(bad.clone()).unwrap_err().param(), Some(param), "{bad}");
    }
    assert_eq!(
        one(json!({"schema": {"$ref": "http://x"}})).unwrap_err().kind(),
        ErrorKind::InvalidSchema
    );
    assert_eq!(check(json!([])).unwrap_err().param(), Some("cases"));
    let named = json!([{"name": "", "input": 1, "expect": {"equals": 1}}]);
    assert_eq!(check(named).unwrap_err().param(), Some("cases/0/name"));
}
