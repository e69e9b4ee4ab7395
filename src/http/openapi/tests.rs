use hyper::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    domain::{Credits, JobStatus, Message, Page, Result, Scope},
    http::{reply::Reply, request::Request, routes::handler},
};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Thing")]
struct Thing {
    messages: Vec<Message>,
    #[serde(default)]
    options: Options,
    credits: Credits,
}

#[derive(Serialize, Deserialize, JsonSchema, Default)]
struct Options {
    #[serde(default)]
    loud: bool,
}

async fn nothing(_: Request) -> Result<Reply> {
    Ok(Reply::no_content())
}

fn example() -> Value {
    let table = [
        Route::post("/v1/things", "createThing", handler!(nothing))
            .scope(Scope::JobsWrite)
            .takes::<Thing>()
            .answers::<Thing>(StatusCode::CREATED)
            .spends(),
        Route::get("/v1/things", "listThings", handler!(nothing))
            .scope(Scope::JobsRead)
            .query::<JobStatus>("status", "Only of this status.")
            .paged()
            .answers::<Page<Thing>>(StatusCode::OK),
        Route::get("/v1/owner", "getOwner", handler!(nothing))
            .access(Access::AnyKey)
            .answers::<Thing>(StatusCode::OK),
        Route::delete("/v1/things/{id}", "deleteThing", handler!(nothing))
            .access(Access::Operator)
            .answers_nothing(),
    ];
    document(&table)
}

#[test]
fn every_reference_leads_somewhere() {
    let document = example();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, field)| match field.as_str() {
            Some(target) if key == "$ref" => found.push(target.to_owned()),
            _ => collect(field, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[test]
fn types_that_read_otherwise_than_they_are_written_have_two_names() {
    let document = example();
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Options"]["required"], json!(["loud"]));
    assert!(schemas["OptionsInput"].get("required").is_none());
    let options = &schemas["ThingInput"]["properties"]["options"];
    assert_eq!(options["$ref"], json!("#/components/schemas/OptionsInput"));
    assert!(schemas.get("MessageInput").is_none());
}

#[test]
fn statuses_headers_and_security_come_from_the_row() {
    let document = example();
    let create = &document["paths"]["/v1/things"]["post"];
    let statuses: Vec<_> = create["responses"].as_object().unwrap().keys().collect();
    let expected = ["201", "400", "401", "402", "403", "409", "413", "415", "429", "500", "503"];
    assert_eq!(statuses, expected);
    assert_eq!(create["security"], json!([{"apiKey": ["jobs:write"]}]));
    assert!(create["responses"]["201"]["headers"]["Idempotent-Replayed"].is_object());
    assert!(create["responses"]["401"]["headers"]["WWW-Authenticate"].is_object());
    let refused = |status: &str| create["responses"][status]["description"].as_str();
    assert_eq!(refused("402"), Some("`INSUFFICIENT_CREDITS`, `BUDGET_EXCEEDED`"));
    assert_eq!(refused("429"), Some("`RATE_LIMIT`, `QUEUE_FULL`, `DAILY_TOKEN_CAP`"));
    let owner = &document["paths"]["/v1/owner"]["get"]["responses"];
    assert_eq!(owner["403"]["description"], "`ACCOUNT_SUSPENDED`, `INSUFFICIENT_SCOPE`");
    let delete = &document["paths"]["/v1/things/{id}"]["delete"];
    assert_eq!(delete["parameters"][0]["schema"]["format"], "uuid");
    assert!(delete["responses"]["204"].get("content").is_none());
    assert!(delete.get("requestBody").is_none());
}
