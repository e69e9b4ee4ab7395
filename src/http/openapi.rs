//! The OpenAPI 3.1 document, from the same table that requests are routed by.

use std::collections::BTreeSet;

use hyper::{Method, StatusCode};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    error::{ErrorBody, status_of},
    routes::{Access, BodyKind, QueryParam, Route, SchemaOf},
};
use crate::domain::ErrorKind;

/// Where the document keeps its schemas.
const SCHEMAS: &str = "#/components/schemas/";
/// Where the schemas of requests are until all are known.
const REQUESTS: &str = "#/requests/";

/// Every header that answers have: name, type, meaning.
const HEADERS: [(&str, &str, &str); 13] = [
    ("X-Request-Id", "string", "The request's name; in logs, events and webhooks too."),
    ("RateLimit-Limit", "integer", "Requests that the budget allows at once."),
    ("RateLimit-Remaining", "integer", "Requests that the budget allows now."),
    ("RateLimit-Reset", "integer", "Seconds until the budget is whole again."),
    ("RateLimit-Policy", "string", "The budget: name, quota, window in seconds."),
    ("RateLimit", "string", "The budget: name, what remains, seconds until it is whole again."),
    ("Retry-After", "integer", "Seconds, 1–60, after which a retry can help."),
    ("WWW-Authenticate", "string", "Always `Bearer`."),
    ("Idempotent-Replayed", "string", "`true` where the same Idempotency-Key was answered before."),
    ("Strict-Transport-Security", "string", "Only where the request came by HTTPS."),
    ("Cache-Control", "string", "`no-store` on API answers."),
    ("Location", "string", "The path of what was made."),
    ("Link", "string", "Where a CSV file goes on (`rel=\"next\"`), where it does."),
];
const ALWAYS: [&str; 3] = ["X-Request-Id", "Strict-Transport-Security", "Cache-Control"];
const BUDGET: [&str; 5] =
    ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "RateLimit"];

/// Describes a table of routes.
pub(crate) fn document(table: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Map<String, Value> = Map::new();
    for route in table {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = operation(route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[method] = operation;
    }
    let error = schemas.answer(SchemaGenerator::subschema_for::<ErrorBody<'static>>);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "skai-server",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A self-hosted AI job platform.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": bearer("An API key of a tenant: `sk_live_…` or `sk_test_…`."),
                "operator": bearer("The operator's token."),
            },
            "headers": headers(),
            "schemas": {"Error": error},
        },
    });
    let definitions = schemas.finish(&mut document);
    document["components"]["schemas"] = Value::Object(definitions);
    document
}

fn bearer(description: &str) -> Value {
    json!({"type": "http", "scheme": "bearer", "description": description})
}

fn headers() -> Map<String, Value> {
    let describe = |(name, kind, description): (&str, &str, &str)| {
        let header = json!({"description": description, "schema": {"type": kind}});
        (name.to_owned(), header)
    };
    HEADERS.into_iter().map(describe).collect()
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": route.operation,
        "tags": [tag(route.path)],
        "summary": route.summary,
        "security": security(route.access),
        "parameters": parameters(route, schemas),
        "responses": responses(route, schemas),
    });
    if let Some(body) = request_body(route, schemas) {
        operation["requestBody"] = body;
    }
    operation
}

/// The resource that a path belongs to.
fn tag(path: &str) -> &str {
    let mut segments = path.split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some("v1"), Some(resource)) => resource,
        (Some("admin"), _) => "admin",
        _ => "server",
    }
}

fn security(access: Access) -> Value {
    match access {
        Access::Open => json!([]),
        Access::Tenant(scope) => json!([{"apiKey": [scope.as_str()]}]),
        Access::AnyKey => json!([{"apiKey": []}]),
        Access::Operator => json!([{"operator": []}]),
        Access::Metrics => json!([{}, {"operator": []}]),
    }
}

fn parameters(route: &Route, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters: Vec<Value> = path_names(route.path).map(path_parameter).collect();
    for QueryParam { name, description, schema } in &route.query {
        let schema = schemas.request(*schema);
        parameters.push(json!({
            "name": name, "in": "query", "description": description, "schema": schema,
        }));
    }
    let header = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "header", "description": description, "schema": schema});
    let description = "A name for the request: up to 128 characters of printable ASCII. Where it is \
                       missing or another text, one is made.";
    parameters.push(header("X-Request-Id", description, json!({"type": "string"})));
    if route.is_idempotent() {
        let description = "The request is executed once, however often it is sent within 24 h.";
        let schema = json!({
            "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$",
        });
        parameters.push(header("Idempotency-Key", description, schema));
    }
    parameters
}

/// The names in a template such as `/v1/jobs/{id}`.
fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let schema = match name {
        "id" => json!({"type": "string", "format": "uuid"}),
        _ => json!({"type": "string", "minLength": 1}),
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

fn request_body(route: &Route, schemas: &mut Schemas) -> Option<Value> {
    match route.body {
        BodyKind::None => None,
        BodyKind::Raw => Some(json!({
            "required": true, "content": {"application/json": {"schema": {}}},
        })),
        BodyKind::Empty => {
            let schema = json!({"type": "object", "additionalProperties": false});
            Some(json!({"required": false, "content": {"application/json": {"schema": schema}}}))
        }
        BodyKind::Json | BodyKind::OptionalJson => {
            let schema = route.request.map(|of| schemas.request(of));
            Some(json!({
                "required": route.body == BodyKind::Json,
                "content": {"application/json": {"schema": schema.unwrap_or_default()}},
            }))
        }
    }
}

fn responses(route: &Route, schemas: &mut Schemas) -> Map<String, Value> {
    let mut responses = Map::new();
    let status = route.success.as_str().to_owned();
    responses.insert(status, success(route, schemas));
    let mut codes: Vec<(StatusCode, Vec<&'static str>)> = Vec::new();
    for kind in errors_of(route) {
        let status = status_of(kind).0;
        match codes.iter_mut().find(|(known, _)| *known == status) {
            Some((_, known)) => known.push(kind.code()),
            None => codes.push((status, vec![kind.code()])),
        }
    }
    codes.sort_by_key(|(status, _)| *status);
    for (status, codes) in codes {
        let response = json!({
            "description": format!("`{}`", codes.join("`, `")),
            "headers": header_refs(route, status),
            "content": {"application/json": {"schema": {"$ref": format!("{SCHEMAS}Error")}}},
        });
        responses.insert(status.as_str().to_owned(), response);
    }
    responses
}

fn success(route: &Route, schemas: &mut Schemas) -> Value {
    let mut content = Map::new();
    if let Some(of) = route.response {
        let schema = schemas.answer(of);
        content.insert("application/json".to_owned(), json!({"schema": schema}));
    }
    for media_type in route.media_types {
        let schema = json!({"schema": {"type": "string"}});
        content.insert((*media_type).to_owned(), schema);
    }
    let reason = route.success.canonical_reason().unwrap_or_default();
    let headers = header_refs(route, route.success);
    let mut response = json!({"description": reason, "headers": headers});
    if !content.is_empty() {
        response["content"] = Value::Object(content);
    }
    response
}

/// What may go wrong: what the route says, and what its access, body and method bring.
fn errors_of(route: &Route) -> Vec<ErrorKind> {
    use ErrorKind as Kind;
    let mut kinds = vec![Kind::ServerError, Kind::Unavailable, Kind::InvalidRequest];
    match route.access {
        Access::Open => {}
        Access::Metrics | Access::Operator => {
            kinds.extend([Kind::Unauthenticated, Kind::RateLimit]);
        }
        Access::AnyKey | Access::Tenant(_) => {
            kinds.extend([Kind::Unauthenticated, Kind::RateLimit, Kind::AccountSuspended]);
        }
    }
    if matches!(route.access, Access::Tenant(_)) {
        kinds.push(Kind::InsufficientScope);
    }
    match route.body {
        BodyKind::None => {}
        BodyKind::Raw => kinds.push(Kind::BodyTooLarge),
        BodyKind::Empty | BodyKind::Json | BodyKind::OptionalJson => {
            kinds.extend([Kind::InvalidJson, Kind::BodyTooLarge, Kind::UnsupportedMediaType]);
        }
    }
    if route.path.contains('{') {
        kinds.push(Kind::NotFound);
    }
    if route.is_idempotent() {
        kinds.extend([Kind::IdempotencyKeyConflict, Kind::IdempotencyInProgress]);
    }
    for kind in route.errors {
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    kinds
}

fn header_refs(route: &Route, status: StatusCode) -> Map<String, Value> {
    let mut names: Vec<&str> = ALWAYS.to_vec();
    if route.access != Access::Open && status != StatusCode::UNAUTHORIZED {
        names.extend(BUDGET);
    }
    match status {
        StatusCode::UNAUTHORIZED => names.push("WWW-Authenticate"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT => {
            names.push("Retry-After");
        }
        _ if status.is_success() && route.method == Method::POST && route.is_idempotent() => {
            names.push("Idempotent-Replayed");
        }
        _ => {}
    }
    if status == route.success {
        names.extend(route.headers);
    }
    let reference = |name: &str| json!({"$ref": format!("#/components/headers/{name}")});
    let entries = names.into_iter().map(|name| (name.to_owned(), reference(name)));
    entries.collect()
}

/// Collects schemas. A type may read otherwise than it is written (defaults make fields optional in
/// requests alone), so there is a generator for each, and a type that differs gets a second name.
struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let at = |path: &str| {
            let path = path.trim_start_matches('#').trim_end_matches('/').to_owned();
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = path.into();
                settings.meta_schema = None;
            })
        };
        Self {
            requests: at(REQUESTS).for_deserialize().into_generator(),
            answers: at(SCHEMAS).for_serialize().into_generator(),
        }
    }

    fn request(&mut self, of: SchemaOf) -> Value {
        of(&mut self.requests).to_value()
    }

    fn answer(&mut self, of: SchemaOf) -> Value {
        of(&mut self.answers).to_value()
    }

    /// All definitions; references in the document to those of requests are set right.
    fn finish(mut self, document: &mut Value) -> Map<String, Value> {
        let requests = self.requests.take_definitions(true);
        let mut definitions = self.answers.take_definitions(true);
        let mut differing = BTreeSet::new();
        // Whoever refers to a type that differs differs too, so this goes on until nothing is new.
        while let Some(name) = requests.iter().find_map(|(name, schema)| {
            let answer = definitions.get(name).filter(|_| !differing.contains(name))?;
            let mut schema = schema.clone();
            refer(&mut schema, &differing);
            (schema != *answer).then(|| name.clone())
        }) {
            differing.insert(name);
        }
        for (name, mut schema) in requests {
            refer(&mut schema, &differing);
            definitions.insert(name_of(&name, &differing), schema);
        }
        refer(document, &differing);
        definitions.sort_keys();
        definitions
    }
}

fn name_of(name: &str, differing: &BTreeSet<String>) -> String {
    let suffix = if differing.contains(name) { "Input" } else { "" };
    format!("{name}{suffix}")
}

/// Points references to schemas of requests to where these are in the end.
fn refer(value: &mut Value, differing: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                let target = field.as_str().filter(|_| key == "$ref");
                let target = target.and_then(|target| target.strip_prefix(REQUESTS));
                if let Some(name) = target {
                    *field = Value::String(format!("{SCHEMAS}{}", name_of(name, differing)));
                } else {
                    refer(field, differing);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, differing)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
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
                .errors(&[ErrorKind::InsufficientCredits]),
            Route::get("/v1/things", "listThings", handler!(nothing))
                .scope(Scope::JobsRead)
                .query::<JobStatus>("status", "Only of this status.")
                .paged()
                .answers::<Page<Thing>>(StatusCode::OK),
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
        let expected =
            ["201", "400", "401", "402", "403", "409", "413", "415", "429", "500", "503"];
        assert_eq!(statuses, expected);
        assert_eq!(create["security"], json!([{"apiKey": ["jobs:write"]}]));
        assert!(create["responses"]["201"]["headers"]["Idempotent-Replayed"].is_object());
        assert!(create["responses"]["401"]["headers"]["WWW-Authenticate"].is_object());
        let delete = &document["paths"]["/v1/things/{id}"]["delete"];
        assert_eq!(delete["parameters"][0]["schema"]["format"], "uuid");
        assert!(delete["responses"]["204"].get("content").is_none());
        assert!(delete.get("requestBody").is_none());
    }
}
