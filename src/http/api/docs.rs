//! `/docs`: the reference as a page, made from the OpenAPI document. It loads nothing and runs no script.

use std::sync::OnceLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{body::Bytes, header::HeaderValue};
use minijinja::{Environment, value::Serde};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    domain::{Error, Result},
    http::{openapi::document, reply::Reply, request::Request},
};

const TEMPLATE: &str = include_str!("docs.html");
const STYLE: &str = include_str!("docs.css");

/// What the template shows.
#[derive(Serialize)]
struct Reference<'a> {
    version: &'static str,
    style: &'static str,
    sections: Vec<Section<'a>>,
    schemas: Vec<SchemaView<'a>>,
}

/// The operations of one resource.
#[derive(Serialize)]
struct Section<'a> {
    title: &'a str,
    operations: Vec<Operation<'a>>,
}

/// A method on a path.
#[derive(Serialize)]
struct Operation<'a> {
    id: &'a str,
    method: String,
    path: &'a str,
    summary: &'a str,
    access: String,
    parameters: Vec<Field<'a>>,
    body: Vec<Part<'a>>,
    answers: Vec<Answer<'a>>,
}

/// A parameter or a field.
#[derive(Serialize)]
struct Field<'a> {
    name: &'a str,
    kind: Vec<Part<'a>>,
    required: bool,
    description: &'a str,
}

/// What an operation may answer.
#[derive(Serialize)]
struct Answer<'a> {
    status: &'a str,
    description: &'a str,
    kind: Vec<Part<'a>>,
}

/// A named type.
#[derive(Serialize)]
struct SchemaView<'a> {
    name: &'a str,
    description: &'a str,
    kind: Vec<Part<'a>>,
    fields: Vec<Field<'a>>,
}

/// A piece of a type's name; some are names of schemas on the same page.
#[derive(Serialize, PartialEq, Debug)]
struct Part<'a> {
    text: &'a str,
    is_schema: bool,
}

/// `GET /docs`
pub(super) async fn page(_: Request) -> Result<Reply> {
    static PAGE: OnceLock<Bytes> = OnceLock::new();
    if PAGE.get().is_none() {
        let page = render(&document(&super::table()))?;
        PAGE.get_or_init(|| page.into());
    }
    let page = PAGE.get().cloned().unwrap_or_default();
    let policy = HeaderValue::try_from(policy()).map_err(Error::internal)?;
    Ok(Reply::text("text/html; charset=utf-8", page).header("content-security-policy", policy))
}

/// Nothing may be loaded, run or framed but the page's own style and icon (CSP Level 3).
fn policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

fn render(document: &Value) -> Result<String> {
    let mut environment = Environment::new();
    environment.add_template("docs.html", TEMPLATE).map_err(Error::internal)?;
    let template = environment.get_template("docs.html").map_err(Error::internal)?;
    let reference = Reference {
        version: env!("CARGO_PKG_VERSION"),
        style: STYLE,
        sections: sections(document),
        schemas: entries(&document["components"]["schemas"]).map(schema_view).collect(),
    };
    template.render(Serde(reference)).map_err(Error::internal)
}

fn sections(document: &Value) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (path, methods) in entries(&document["paths"]) {
        for (method, described) in entries(methods) {
            let title = text(&described["tags"][0]);
            let operation = operation(path, method, described);
            match sections.iter_mut().find(|section| section.title == title) {
                Some(section) => section.operations.push(operation),
                None => sections.push(Section { title, operations: vec![operation] }),
            }
        }
    }
    sections
}

fn operation<'a>(path: &'a str, method: &str, described: &'a Value) -> Operation<'a> {
    // Many routes read these headers; the page says so once.
    let common = |name: &Value| name == "X-Request-Id" || name == "Idempotency-Key";
    let parameters = items(&described["parameters"]).filter(|given| !common(&given["name"]));
    Operation {
        id: text(&described["operationId"]),
        method: method.to_ascii_uppercase(),
        path,
        summary: text(&described["summary"]),
        access: access(&described["security"]),
        parameters: parameters.map(parameter).collect(),
        body: content(&described["requestBody"]),
        answers: entries(&described["responses"]).map(answer).collect(),
    }
}

fn access(security: &Value) -> String {
    match items(security).last() {
        None => "open".to_owned(),
        Some(way) if way.get("operator").is_some() => "operator".to_owned(),
        Some(way) => match way["apiKey"][0].as_str() {
            Some(scope) => format!("scope {scope}"),
            None => "any API key".to_owned(),
        },
    }
}

fn parameter(given: &Value) -> Field<'_> {
    Field {
        name: text(&given["name"]),
        kind: kind(&given["schema"]),
        required: given["required"] == true,
        description: text(&given["description"]),
    }
}

fn answer<'a>((status, described): (&'a str, &'a Value)) -> Answer<'a> {
    Answer { status, description: text(&described["description"]), kind: content(described) }
}

/// The type of a body; of several media types, JSON's.
fn content(body: &Value) -> Vec<Part<'_>> {
    match &body["content"]["application/json"] {
        Value::Null => joined(entries(&body["content"]).map(|(name, _)| vec![plain(name)])),
        json => kind(&json["schema"]),
    }
}

fn schema_view<'a>((name, schema): (&'a str, &'a Value)) -> SchemaView<'a> {
    let required = |name: &str| items(&schema["required"]).any(|field| field == name);
    let field = |(name, field): (&'a str, &'a Value)| Field {
        name,
        kind: kind(field),
        required: required(name),
        description: text(&field["description"]),
    };
    SchemaView {
        name,
        description: text(&schema["description"]),
        kind: kind(schema),
        fields: entries(&schema["properties"]).map(field).collect(),
    }
}

/// A type in words.
fn kind(schema: &Value) -> Vec<Part<'_>> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return vec![Part { text: name, is_schema: true }];
    }
    if let Some(only) = schema["const"].as_str() {
        return vec![plain(only)];
    }
    for several in [&schema["anyOf"], &schema["oneOf"]] {
        if several.is_array() {
            return joined(items(several).map(kind));
        }
    }
    if schema["enum"].is_array() {
        return joined(items(&schema["enum"]).map(|one| vec![plain(text(one))]));
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => {
            let mut parts = vec![plain("list of ")];
            parts.extend(kind(&schema["items"]));
            parts
        }
        Value::String(name) => vec![plain(schema["format"].as_str().unwrap_or(name))],
        names => joined(items(names).map(|name| vec![plain(text(name))])),
    }
}

fn joined<'a>(kinds: impl Iterator<Item = Vec<Part<'a>>>) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for kind in kinds {
        if !parts.is_empty() {
            parts.push(plain(" | "));
        }
        parts.extend(kind);
    }
    parts
}

const fn plain(text: &str) -> Part<'_> {
    Part { text, is_schema: false }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_shows_every_operation_and_loads_nothing() {
        let document = document(&super::super::table());
        let page = render(&document).unwrap().replace("&#x2f;", "/");
        for (path, methods) in entries(&document["paths"]) {
            for (_, described) in entries(methods) {
                let id = format!("id=\"{}\"", text(&described["operationId"]));
                assert!(page.contains(&id) && page.contains(path), "{path}");
            }
        }
        for (name, _) in entries(&document["components"]["schemas"]) {
            assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
        }
        assert!(page.contains("<code>INVALID_REQUEST</code>") && page.contains("#schema-JobList"));
        assert!(page.contains(&format!("<style>{STYLE}</style>")));
        for forbidden in ["<script", "http://", "https://", " style=", "src=", "@import", "url("] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn types_are_said_in_words() {
        let said =
            |schema: &Value| -> String { kind(schema).iter().map(|part| part.text).collect() };
        assert_eq!(said(&json!({"type": ["string", "null"]})), "string | null");
        assert_eq!(said(&json!({"type": "string", "format": "uuid"})), "uuid");
        assert_eq!(said(&json!({"enum": ["a", "b"]})), "a | b");
        let nullable = json!({"anyOf": [{"$ref": "#/components/schemas/Job"}, {"type": "null"}]});
        assert_eq!(said(&nullable), "Job | null");
        let listed = json!({"type": "array", "items": {"$ref": "#/components/schemas/Job"}});
        assert_eq!(kind(&listed)[1], Part { text: "Job", is_schema: true });
        assert_eq!(access(&json!([{"apiKey": ["jobs:read"]}])), "scope jobs:read");
        assert_eq!(access(&json!([{}, {"operator": []}])), "operator");
    }
}
