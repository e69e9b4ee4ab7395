//! The server's description of itself: what tests read from it, and that it is the reviewed one.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::support::{client::Reply, server::TestServer};

/// A route as the document describes it.
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) access: Access,
    pub(super) takes_body: bool,
    pub(super) success: u16,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Access {
    Open,
    /// With the scope, or with any key.
    Tenant(Option<String>),
    /// Who signed in on the dashboard.
    SignedIn,
    Operator,
}

/// The server's own description of itself.
pub(super) struct Document(Value);

impl Document {
    pub(super) fn of(server: &TestServer) -> Self {
        Self(server.client().get("/openapi.json").expect(200).json())
    }

    pub(super) fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods.iter().map(|(method, operation)| Operation::read(path, method, operation))
        });
        all.collect()
    }

    /// Fails unless the document has this answer with exactly these fields.
    pub(super) fn check(&self, operation: &Operation, reply: &Reply) {
        let Operation { id, method, path, .. } = operation;
        let method = method.to_ascii_lowercase();
        let answer = &self.0["paths"][path][method]["responses"][reply.status.to_string()];
        assert!(answer.is_object(), "{id} answers {}, which it does not document", reply.status);
        Self::check_headers(operation, answer, reply);
        let media_type = reply.header("content-type").unwrap_or_default();
        if media_type != "application/json" {
            return;
        }
        match &answer["content"][media_type]["schema"] {
            Value::Object(schema) => self.validate(id, schema, &reply.json()),
            // Any JSON: the document itself.
            Value::Bool(true) if id == "getOpenApi" => {}
            _ => panic!("{id} documents no JSON"),
        }
    }

    fn check_headers(operation: &Operation, answer: &Value, reply: &Reply) {
        let headers = answer["headers"].as_object().unwrap();
        let documented: BTreeSet<_> =
            headers.keys().map(|name| name.to_ascii_lowercase()).collect();
        // OpenAPI has places of its own for what a body is; the rest is HTTP's, or for proxies.
        let of_http =
            ["content-type", "content-length", "transfer-encoding", "date", "x-accel-buffering"];
        let given = reply.headers.iter().map(|(name, _)| name);
        for name in given.filter(|name| !of_http.contains(&name.as_str())) {
            let id = &operation.id;
            assert!(documented.contains(name), "{id} answers with {name}, which it hides");
        }
    }

    fn validate(&self, id: &str, schema: &Map<String, Value>, body: &Value) {
        let mut whole = json!({"components": {"schemas": self.0["components"]["schemas"]}});
        for (key, value) in schema {
            whole[key] = value.clone();
        }
        close(&mut whole);
        let validator = jsonschema::validator_for(&whole).unwrap();
        let faults: Vec<_> = validator
            .iter_errors(body)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{id} answers {body:#}, but {faults:#?}");
    }
}

/// Allows no field that is not named.
fn close(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(close),
        Value::Object(map) => {
            map.values_mut().for_each(close);
            if map.get("properties").is_some_and(Value::is_object) {
                map.entry("additionalProperties").or_insert(json!(false));
            }
        }
        _ => {}
    }
}

impl Operation {
    fn read(path: &str, method: &str, operation: &Value) -> Self {
        let security = operation["security"].as_array().unwrap();
        let open = security.is_empty() || security.contains(&json!({}));
        let access = if open {
            Access::Open
        } else if security[0]["operator"].is_array() {
            Access::Operator
        } else if security[0]["session"].is_array() {
            Access::SignedIn
        } else {
            let scopes = security[0]["apiKey"].as_array().expect("a key or the operator");
            Access::Tenant(scopes.first().map(|scope| scope.as_str().unwrap().to_owned()))
        };
        let responses = operation["responses"].as_object().unwrap().keys();
        let mut successes = responses.filter(|status| status.starts_with('2'));
        Self {
            id: operation["operationId"].as_str().unwrap().to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            access,
            takes_body: operation["requestBody"]["required"] == true,
            success: successes.next().unwrap().parse().unwrap(),
        }
    }

    /// The path with these names, divided by slashes, in their places; the last stands for those that
    /// are left.
    pub(super) fn at(&self, names: &str) -> String {
        let (mut names, mut name) = (names.split('/'), "");
        let parts = self.path.split('/').map(|part| {
            if !part.starts_with('{') {
                return part;
            }
            name = names.next().unwrap_or(name);
            name
        });
        parts.collect::<Vec<_>>().join("/")
    }

    pub(super) fn is_for_one(&self) -> bool {
        self.path.contains('{')
    }
}

#[test]
fn the_document_is_the_reviewed_one() {
    let server = TestServer::start();
    let mut document = Document::of(&server).0;
    document["info"]["version"] = json!("[version]");
    shorten(&mut document);
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document).unwrap());
}

/// Writes references and answers in a line each, since there are hundreds of them.
fn shorten(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(shorten),
        Value::Object(map) => {
            map.values_mut().for_each(shorten);
            if let Some(Value::Object(headers)) = map.get("headers")
                && headers.values().all(Value::is_string)
            {
                let names: Vec<_> = headers.keys().map(String::as_str).collect();
                map["headers"] = json!(names.join(", "));
            }
            let only = |name: &str| map.get(name).filter(|_| map.len() == 1).cloned();
            let wrapped =
                only("$ref").or_else(|| only("schema")).or_else(|| only("application/json"));
            let text = |name: &str| map.get(name).and_then(Value::as_str);
            let answer = (text("description"), text("headers"), text("content"));
            if let Some(wrapped) = wrapped {
                *value = wrapped;
            } else if let (Some(description), Some(headers), Some(content)) = answer {
                *value = json!(format!("{description}: {content} with {headers}"));
            } else if map.get("in") == Some(&json!("header")) {
                *value = json!(format!("header {}", map["name"]));
            }
        }
        _ => {}
    }
}

#[test]
fn the_document_says_what_is_true_of_all_paths() {
    let server = TestServer::start();
    let document = Document::of(&server).0;
    let description = document["info"]["description"].as_str().unwrap();
    for said in ["`HEAD`", "405", "`Allow`", "`METHOD_NOT_ALLOWED`", "`NOT_FOUND`", "`DELETE`"] {
        assert!(description.contains(said), "{said}");
    }
    let events = &document["paths"]["/v1/jobs/{id}/events"]["get"]["parameters"];
    let events = events.as_array().unwrap();
    let resume = events.iter().find(|parameter| parameter["name"] == "Last-Event-ID").unwrap();
    assert_eq!((&resume["in"], &resume["schema"]["type"]), (&json!("header"), &json!("integer")));
}

#[test]
fn the_document_names_what_it_refers_to() {
    let server = TestServer::start();
    let document = Document::of(&server).0;
    let mut ids = BTreeSet::new();
    for operation in Document(document.clone()).operations() {
        assert!(ids.insert(operation.id.clone()), "{} is there twice", operation.id);
    }
    let mut todo = vec![&document];
    while let Some(value) = todo.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let found = document.pointer(reference.trim_start_matches('#'));
            assert!(found.is_some(), "{reference} leads nowhere");
        }
        match value {
            Value::Array(all) => todo.extend(all),
            Value::Object(all) => todo.extend(all.values()),
            _ => {}
        }
    }
}
