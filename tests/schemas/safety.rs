//! Schemas and instances that were made to take the server's time and memory. Each is answered soon;
//! the limits here leave room for a slow machine and unoptimised code.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::PATH;
use crate::{
    api::conventions::refused,
    support::{Client, client::Reply, server::TestServer},
};

/// A tenth of a second would do for optimised code.
const SOON: Duration = Duration::from_secs(3);
/// As large as a body may be, but for the schema.
const ROOM: usize = (1 << 20) - 2_000;

/// Sends a schema and an instance as they are written.
#[track_caller]
fn send(client: &Client, schema: &str, instance: &str) -> Reply {
    let body = format!("{{\"schema\":{schema},\"instance\":{instance}}}");
    assert!(body.len() <= 1 << 20, "{} bytes are too large for a body", body.len());
    let start = Instant::now();
    let headers = [("Content-Type", "application/json")];
    let reply = client.send("POST", PATH, &headers, Some(body.as_bytes()));
    let taken = start.elapsed();
    assert!(taken < SOON, "{taken:?} for {}", &schema[..schema.len().min(200)]);
    reply
}

/// An instance that would take too long is refused.
#[track_caller]
fn answered_or_refused(reply: &Reply) {
    if reply.status != 200 {
        refused(reply, 400, "INVALID_REQUEST");
        assert_eq!(reply.json()["error"]["param"], "instance");
    }
}

/// An array of as many of these as a body has room for.
fn many(item: &str) -> String {
    let items = vec![item; ROOM / (item.len() + 1)];
    format!("[{}]", items.join(","))
}

/// An array of that many of these.
fn listed(count: usize, item: impl Fn(usize) -> String) -> String {
    let items: Vec<_> = (0..count).map(item).collect();
    format!("[{}]", items.join(","))
}

fn object(count: usize, member: impl Fn(usize) -> (String, Value)) -> Value {
    Value::Object((0..count).map(member).collect())
}

fn nested(depth: usize, leaf: Value, wrap: impl Fn(Value) -> Value) -> Value {
    (0..depth).fold(leaf, |inner, _| wrap(inner))
}

#[test]
fn schemas_that_would_take_for_ever_are_refused() {
    let server = TestServer::start();
    let client = server.account().client;
    let deep =
        |open: &str, close: &str| format!("{}true{}", open.repeat(10_000), close.repeat(10_000));
    refused(&send(&client, &deep("{\"not\":", "}"), "1"), 400, "INVALID_JSON");
    refused(&send(&client, "true", &deep("[", "]")), 400, "INVALID_JSON");
    let tree = object(14, |level| {
        let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
        let schema = if level == 13 { json!(true) } else { json!({"allOf": [next, next, next]}) };
        (format!("l{level}"), schema)
    });
    let long = "x".repeat(100_000);
    let subschemas = object(3_000, |index| (format!("p{index}"), json!({"type": "string"})));
    let alternatives = vec!["word"; 100_000].join("|");
    let loops = object(8, |one| {
        let others = (0..8).filter(|other| *other != one);
        let others = others.map(|other| json!({"$ref": format!("#/$defs/d{other}")}));
        (format!("d{one}"), json!({"allOf": others.collect::<Vec<_>>()}))
    });
    for schema in [
        json!({"$ref": "#/$defs/l0", "$defs": tree}),
        json!({"$ref": "#/$defs/d0", "$defs": loops}),
        nested(25, json!(true), |inner| json!({"anyOf": [inner], "unevaluatedProperties": false})),
        json!({"pattern": "(((a{1,1000}){1,1000}){1,1000})"}),
        json!({"pattern": "(?=a)b"}),
        json!({"pattern": r"(a)\1"}),
        json!({"pattern": alternatives}),
        json!({"allOf": (0..200).map(|n| json!({"pattern": format!("a{n}")})).collect::<Vec<_>>()}),
        json!({"enum": vec![0; 50_000]}),
        json!({"properties": {(&long): {"properties": subschemas}}}),
        json!({"$id": format!("http://example.com/{long}"), "properties": subschemas}),
    ] {
        let reply = send(&client, &schema.to_string(), "1");
        refused(&reply, 400, "INVALID_SCHEMA");
        assert_eq!(reply.json()["error"]["param"], "schema");
    }
    refused(&send(&client, &many("[[]]"), "1"), 400, "INVALID_SCHEMA");
}

#[test]
fn instances_that_would_fill_the_memory_are_refused() {
    let server = TestServer::start();
    let client = server.account().client;
    for instance in [many("[[[[[]]]]]"), many("[0]"), many("{\"\":0}"), many("0")] {
        let reply = send(&client, "true", &instance);
        refused(&reply, 400, "INVALID_REQUEST");
        assert_eq!(reply.json()["error"]["param"], "instance");
    }
}

#[test]
fn recursion_and_repetition_end_soon() {
    let server = TestServer::start();
    let client = server.account().client;
    let child = json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]});
    let recursive = json!({"anyOf": [child, child, child, {"type": "string"}]}).to_string();
    let dynamic = json!({
        "$dynamicAnchor": "n",
        "anyOf": vec![json!({"properties": {"a": {"$dynamicRef": "#n"}}, "required": ["a"]}); 3],
        "unevaluatedProperties": false,
    });
    let meta = "https://json-schema.org/draft/2020-12/schema";
    let metas = json!({"anyOf": vec![json!({"$ref": meta}); 1_000]});
    for depth in [14, 60] {
        for leaf in [json!("x"), json!(1)] {
            let valid = leaf == "x";
            let instance = nested(depth, leaf, |inner| json!({"a": inner})).to_string();
            assert_eq!(send(&client, &recursive, &instance).expect(200).json()["valid"], valid);
            answered_or_refused(&send(&client, &dynamic.to_string(), &instance));
        }
    }
    let text = format!("\"{}!\"", "a".repeat(900_000));
    for pattern in ["^(a+)+$", "^(a|aa)+$", "(x+x+)+y", "(.*)*c", r"^(\w+\s?)*$"] {
        let schema = json!({ "pattern": pattern }).to_string();
        assert_eq!(send(&client, &schema, &text).expect(200).json()["valid"], false, "{pattern}");
    }
    assert_eq!(
        send(&client, &metas.to_string(), "{\"type\":1}").expect(200).json()["valid"],
        false
    );
}

#[test]
fn large_instances_are_answered_or_refused_soon() {
    let server = TestServer::start();
    let client = server.account().client;
    let old = "http://json-schema.org/draft-07/schema#";
    let key = "k".repeat(300_000);
    let keys = object(60_000, |index| (format!("k{index}"), json!(0))).to_string();
    let numbers = listed(150_000, |index| index.to_string());
    let named =
        |keyword: &str| object(60, |n| (format!("^a{n}+{keyword}$"), json!({"type": "null"})));
    let refs = |schema: Value| json!({"allOf": vec![json!({"$ref": "#/$defs/a"}); 3_000], "$defs": {"a": schema}});
    let consts: Vec<_> = (0..1_000).map(|n| json!({"const": n})).collect();
    for (schema, instance) in [
        (json!({"uniqueItems": true}), numbers.clone()),
        (json!({"uniqueItems": true}), listed(10_000, |n| format!("[{n},{{\"a\":1.0}}]"))),
        (
            json!({"uniqueItems": true}),
            listed(1_900, |n| format!("{{\"{}\":{n}}}", "k".repeat(500))),
        ),
        (json!({"items": {"enum": (0..9_000).collect::<Vec<_>>()}}), numbers.clone()),
        (json!({"items": {"anyOf": consts}}), numbers.clone()),
        (json!({"items": {"oneOf": consts}}), numbers.clone()),
        (json!({"contains": {"const": -1}}), numbers.clone()),
        (json!({"contains": {"minimum": 0}, "minContains": 999_999}), numbers.clone()),
        (json!({"items": {"multipleOf": 1e-300}}), listed(150_000, |_| "1e300".into())),
        (json!({"items": {"multipleOf": 0.1}}), listed(120_000, |n| format!("{n}.3"))),
        (
            json!({"items": {"properties": object(3_000, |n| (format!("p{n}"), json!(true)))}}),
            numbers.clone(),
        ),
        (
            json!({"items": {"dependentSchemas": object(2_000, |n| (format!("p{n}"), json!(false)))}}),
            listed(10_000, |_| "{}".into()),
        ),
        (
            json!({"items": {"$ref": "#"}, "additionalProperties": {"$ref": "#"}}),
            listed(10_000, |_| "[null]".into()),
        ),
        (json!({"patternProperties": named("")}), keys.clone()),
        (json!({"propertyNames": {"pattern": "^[a-z0-9]{1,9}$"}}), keys.clone()),
        (
            json!({"$defs": object(3_000, |n| (format!("d{n}"), json!(true))), "additionalProperties": {"type": "null"}}),
            keys.clone(),
        ),
        (
            json!({"anyOf": [{"patternProperties": named("x")}], "unevaluatedProperties": false}),
            keys,
        ),
        (json!({"anyOf": [{"contains": {"minimum": 5}}], "unevaluatedItems": false}), numbers),
        (refs(json!({"required": [key]})), json!({(&key): 1}).to_string()),
        (refs(json!({"const": key})), json!(key).to_string()),
        (json!({"$schema": old, "format": "regex"}), json!("(".repeat(900_000)).to_string()),
        (
            json!({"$schema": old, "contentMediaType": "application/json"}),
            json!("[[1],".repeat(150_000)).to_string(),
        ),
    ] {
        let reply = send(&client, &schema.to_string(), &instance);
        answered_or_refused(&reply);
    }
}
