//! Every route of the table, by the document that the server gives of it: who may use it, what it
//! answers, and that no account reaches another's objects. A route that is not known here fails.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::conventions::refused;
use crate::support::{
    Client, Provider, Receiver,
    client::Reply,
    provider::error,
    server::{Account, Endpoint, OPERATOR, TestServer},
};

/// A route as the document describes it.
pub(super) struct Operation {
    pub(super) id: String,
    method: String,
    path: String,
    access: Access,
    takes_body: bool,
    success: u16,
}

#[derive(Clone, PartialEq, Debug)]
enum Access {
    Open,
    /// With the scope, or with any key.
    Tenant(Option<String>),
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
        let headers = answer["headers"].as_object().unwrap();
        let documented: BTreeSet<_> =
            headers.keys().map(|name| name.to_ascii_lowercase()).collect();
        let given = reply.headers.iter().map(|(name, _)| name.clone());
        let of_every_answer =
            ["content-type", "content-length", "date", "x-content-type-options", "referrer-policy"];
        for name in given.filter(|name| !of_every_answer.contains(&name.as_str())) {
            let known = documented.contains(&name) || ["location", "link"].contains(&&*name);
            assert!(known, "{id} answers with {name}, which it does not document");
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

    /// The path with this in its place.
    fn at(&self, name: &str) -> String {
        match self.path.split_once('{') {
            None => self.path.clone(),
            Some((before, rest)) => format!("{before}{name}{}", rest.split_once('}').unwrap().1),
        }
    }

    fn is_for_one(&self) -> bool {
        self.path.contains('{')
    }

    fn call(&self, client: &Client, path: &str, world: &World) -> Reply {
        match body(&self.id, world) {
            Some(body) => client.send_json(&self.method, path, &[], &body),
            None => {
                assert!(!self.takes_body, "the tests have no body for {}", self.id);
                client.send(&self.method, path, &[], None)
            }
        }
    }
}

/// A good body for each route that takes one.
fn body(operation: &str, world: &World) -> Option<Value> {
    Some(match operation {
        "createGeneration" => crate::support::server::job(&json!({"model": "sandbox"})),
        "createWebhookEndpoint" => json!({"url": "https://example.com/hook", "events": ["ping"]}),
        "updateWebhookEndpoint" => json!({"description": "changed"}),
        "createApiKey" => json!({"name": "made", "scopes": ["keys:write"]}),
        "createAccount" => json!({"name": "made"}),
        "updateAccount" => json!({"name": "changed"}),
        "grantCredits" | "adjustCredits" => json!({"amount": "0.5"}),
        "issueApiKey" => {
            json!({"account_id": world.account.id, "name": "made", "scopes": ["jobs:read"]})
        }
        _ => return None,
    })
}

/// A server with an account that has one object of each kind.
struct World {
    server: TestServer,
    account: Account,
    provider: Provider,
    receiver: Receiver,
    endpoint: Endpoint,
}

impl World {
    fn new() -> Self {
        let (provider, receiver) = (Provider::start(), Receiver::start());
        let server = TestServer::builder()
            .provider(&provider)
            .config(|config| {
                config.queues.generation_create.backoff.clear();
                config.queues.webhook_delivery.backoff.clear();
            })
            .start();
        let account = server.account();
        let endpoint = account.endpoint(&receiver, "/", &json!({"events": ["ping"]}));
        Self { server, account, provider, receiver, endpoint }
    }

    /// The path of an object for which the operation succeeds.
    fn path(&self, operation: &Operation) -> String {
        let path = &operation.path;
        let name = match () {
            () if !operation.is_for_one() => String::new(),
            () if path.starts_with("/v1/jobs/{id}") => self.job(&operation.id),
            () if path.starts_with("/v1/webhooks/endpoints/{id}") => self.endpoint.id.clone(),
            () if path.starts_with("/v1/webhooks/deliveries/{id}") => self.failed_delivery(),
            () if path.starts_with("/v1/dlq/{id}") => self.dead_letter(),
            () if path.starts_with("/v1/api-keys/{id}") => self.key(),
            () if path.starts_with("/admin/v1/keys/{id}") => self.key(),
            () if path.starts_with("/admin/v1/accounts/{id}") => self.account.id.clone(),
            () if path.starts_with("/admin/v1/queues/{name}") => "task.run".to_owned(),
            () => panic!("the tests know no object for {path}; add it here"),
        };
        let query = match operation.id.as_str() {
            "listKeysOfAccount" => format!("?account_id={}", self.account.id),
            _ => String::new(),
        };
        operation.at(&name) + &query
    }

    /// A job: one that waits for `cancelJob`, else one that failed.
    fn job(&self, operation: &str) -> String {
        let job = if operation == "cancelJob" {
            let ahead = std::time::Duration::from_hours(1);
            let later = skai_server::ambient::Ambient::system().now().plus(ahead);
            self.account.post_job(&json!({"run_at": later}))
        } else {
            self.provider.queue(error(500, "oops"));
            self.account.run_job(&json!({}))
        };
        job["id"].as_str().unwrap().to_owned()
    }

    fn dead_letter(&self) -> String {
        let job = self.job("");
        let letters = self.account.list("/v1/dlq?limit=100");
        let letter = letters.iter().find(|letter| letter["job_id"] == job).unwrap();
        letter["id"].as_str().unwrap().to_owned()
    }

    fn failed_delivery(&self) -> String {
        self.receiver.queue(crate::support::Answer::new(500, ""));
        let sent = self.account.client.send("POST", &self.endpoint.path("/test"), &[], None);
        let id = sent.expect(202).json()["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/webhooks/deliveries/{id}");
        let deadline = std::time::Instant::now() + crate::support::LIMIT;
        while self.account.client.get(&path).expect(200).json()["status"] != "failed" {
            assert!(std::time::Instant::now() < deadline, "the delivery does not fail");
            std::thread::yield_now();
        }
        id
    }

    fn key(&self) -> String {
        let body = json!({"name": "one", "scopes": ["jobs:read"]});
        let made = self.account.client.post("/v1/api-keys", &body).expect(201).json();
        made["id"].as_str().unwrap().to_owned()
    }

    fn may(&self, operation: &Operation) -> Client {
        match operation.access {
            Access::Operator => self.server.operator(),
            Access::Open => self.server.client(),
            Access::Tenant(_) => self.account.client.clone(),
        }
    }
}

#[test]
fn every_route_works_and_answers_as_documented() {
    let world = World::new();
    let document = Document::of(&world.server);
    let mut operations = document.operations();
    // What takes an object away comes last.
    operations.sort_by_key(|operation| operation.method == "DELETE");
    for operation in &operations {
        let path = world.path(operation);
        let reply = operation.call(&world.may(operation), &path, &world);
        let body = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, operation.success, "{}: {body}", operation.id);
        document.check(operation, &reply);
        let missing = world.may(operation).send(&operation.method, &path, &[], Some(b"{"));
        assert!(missing.status < 500, "{}", operation.id);
    }
}

#[test]
fn every_route_wants_its_credentials() {
    let world = World::new();
    let document = Document::of(&world.server);
    let nobody = world.server.client();
    let operator = nobody.with_key(OPERATOR);
    for operation in document.operations() {
        let path = operation.at("01939b2a-7c1e-7000-8000-000000000000");
        let strangers = match operation.access {
            Access::Open => continue,
            Access::Tenant(_) => [&nobody, &operator],
            Access::Operator => [&nobody, &world.account.client],
        };
        for client in strangers {
            let reply = operation.call(client, &path, &world);
            refused(&reply, 401, "UNAUTHENTICATED");
            document.check(&operation, &reply);
        }
    }
}

#[test]
fn every_route_wants_its_scope() {
    let world = World::new();
    let document = Document::of(&world.server);
    let operations = document.operations();
    let scoped = |operation: &Operation| match &operation.access {
        Access::Tenant(scope) => scope.clone(),
        _ => None,
    };
    let scopes: BTreeSet<_> = operations.iter().filter_map(scoped).collect();
    let all: Vec<_> = skai_server::domain::Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let key = |scopes: &[&str]| {
        let key = world.server.key(&world.account.id, &json!(scopes), &json!({}));
        world.server.client().with_key(&key)
    };
    for scope in &scopes {
        let others: Vec<_> = all
            .iter()
            .copied()
            .filter(|other| *other != scope && *other != "credits:write")
            .collect();
        let (with, without) = (key(&[scope]), key(&others));
        for operation in operations.iter().filter(|one| scoped(one).as_ref() == Some(scope)) {
            let path = operation.at("01939b2a-7c1e-7000-8000-000000000000");
            let reply = operation.call(&without, &path, &world);
            refused(&reply, 403, "INSUFFICIENT_SCOPE");
            document.check(operation, &reply);
            let reply = operation.call(&with, &path, &world);
            let expected = if operation.is_for_one() { 404 } else { operation.success };
            assert_eq!(reply.status, expected, "{} with {scope}", operation.id);
            document.check(operation, &reply);
        }
    }
    // The one tenant route without a scope takes any key.
    let any: Vec<_> = operations
        .iter()
        .filter(|one| one.access == Access::Tenant(None))
        .map(|one| &*one.id)
        .collect();
    assert_eq!(any, ["getMe"]);
    // `billing:read` is another name of `credits:read`.
    key(&["billing:read"]).get("/v1/credits/balance").expect(200);
}

#[test]
fn no_account_reaches_anothers_objects() {
    let world = World::new();
    let document = Document::of(&world.server);
    let stranger = world.server.account();
    let own = ["/v1/jobs", "/v1/webhooks/endpoints", "/v1/webhooks/deliveries", "/v1/dlq"];
    let (mut theirs, mut tried) = (Vec::new(), 0);
    for operation in document.operations() {
        let Access::Tenant(_) = operation.access else { continue };
        if !operation.is_for_one() {
            continue;
        }
        let path = world.path(&operation);
        theirs.push(path.split('/').find(|part| part.len() == 36).unwrap().to_owned());
        let before = own.map(|list| world.account.list(&format!("{list}?limit=100")));
        let reply = operation.call(&stranger.client, &path, &world);
        refused(&reply, 404, "NOT_FOUND");
        document.check(&operation, &reply);
        let after = own.map(|list| world.account.list(&format!("{list}?limit=100")));
        assert_eq!(after, before, "{} changed something", operation.id);
        tried += 1;
    }
    assert!(tried >= 15, "only {tried} routes are for one object");
    for operation in document.operations() {
        let (Access::Tenant(_), "GET") = (&operation.access, &*operation.method) else { continue };
        if operation.is_for_one() {
            continue;
        }
        let seen = stranger.client.get(&operation.path).expect(200);
        let leaked = theirs.iter().find(|id| seen.text().contains(*id));
        assert!(leaked.is_none() && !seen.text().contains(&world.account.id), "{}", operation.id);
    }
    for list in own {
        assert!(stranger.list(list).is_empty(), "{list}");
    }
    // Nor does naming another's object in a query or a body.
    let path = format!("/v1/webhooks/deliveries?endpoint_id={}", world.endpoint.id);
    assert!(stranger.list(&path).is_empty());
    let path = format!("/v1/credits/ledger?job_id={}", theirs[0]);
    assert!(stranger.list(&path).is_empty());
    let me = world.account.client.get("/v1/me").expect(200).json();
    let body = json!({"name": "k", "scopes": ["jobs:read"], "project_id": me["project"]["id"]});
    refused(&stranger.client.post("/v1/api-keys", &body), 400, "INVALID_REQUEST");
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
