//! The OpenAPI 3.1 document, from the same table that requests are routed by.

mod responses;
mod schemas;
#[cfg(test)]
mod tests;

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::{
    cookie,
    error::ErrorBody,
    routes::{Access, Audience, BodyKind, Param, Route},
};
use responses::{headers, responses};
use schemas::Schemas;

/// What is true of all paths, so that it is not said at each.
const DESCRIPTION: &str = "A self-hosted AI job platform.

Where a path takes `GET` it takes `HEAD` too, which answers the same status and headers without a \
body. To a method that it does not take, a path of this document answers 405 \
`METHOD_NOT_ALLOWED` with the header `Allow`, which names the methods that it takes. `/` and \
what is below `/dashboard` are a page for people. Any other path answers 404 `NOT_FOUND`.

`DELETE` answers 404 where `GET` would: to what is gone. What can still be shown, such as a \
revoked key, takes another `DELETE`, which changes nothing and answers 204.

Where a key or the operator's token lets in, so does the cookie of somebody who signed in on the dashboard and \
sends no `Authorization`: with the scopes of their role, in the project that the header `Skai-Project` names (else \
in the first that they have; 404 where it is of no account of theirs). What changes something must then say by \
`Sec-Fetch-Site` or `Origin` that the dashboard's own page asks for it.";

/// Where the document keeps its schemas.
const SCHEMAS: &str = "#/components/schemas/";

/// Describes a table of routes.
pub(crate) fn document(table: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Map<String, Value> = Map::new();
    for route in table.iter().filter(|route| route.audience == Audience::Programs) {
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
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": bearer("An API key of a tenant: `sk_live_…` or `sk_test_…`."),
                "operator": bearer("The operator's token."),
                "session": {
                    "type": "apiKey", "in": "cookie", "name": cookie::NAME,
                    "description": "Somebody who signed in on the dashboard; by HTTPS `__Host-skai_session`.",
                },
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
        (Some("dashboard"), _) => "dashboard",
        _ => "server",
    }
}

fn security(access: Access) -> Value {
    match access {
        Access::Open => json!([]),
        Access::Tenant(scope) => json!([{"apiKey": [scope.as_str()]}]),
        Access::AnyKey => json!([{"apiKey": []}]),
        Access::SignedIn => json!([{"session": []}]),
        Access::Operator => json!([{"operator": []}]),
        Access::Metrics => json!([{}, {"operator": []}]),
    }
}

fn parameters(route: &Route, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters: Vec<Value> = path_names(route.path).map(path_parameter).collect();
    let mut add = |place: &str, given: &[Param]| {
        for Param { name, description, schema } in given {
            let schema = schemas.request(*schema);
            parameters.push(json!({
                "name": name, "in": place, "description": description, "schema": schema,
            }));
        }
    };
    add("query", &route.query);
    add("header", &route.reads);
    parameters.push(request_id());
    if route.is_idempotent() {
        parameters.push(idempotency_key());
    }
    parameters
}

fn request_id() -> Value {
    let description = "A name for the request: up to 128 characters of printable ASCII. Where it is \
                       missing or another text, one is made.";
    json!({
        "name": "X-Request-Id", "in": "header", "description": description,
        "schema": {"type": "string"},
    })
}

fn idempotency_key() -> Value {
    let schema = json!({
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$",
    });
    json!({
        "name": "Idempotency-Key", "in": "header",
        "description": "The request is executed once, however often it is sent within 24 h.",
        "schema": schema,
    })
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
