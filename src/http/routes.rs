//! The kind of table that all routes are in: everything that is known about a route is in its row.

use std::{borrow::Cow, net::IpAddr, pin::Pin};

use hyper::{HeaderMap, Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{error::Dialect, reply::Reply, request::Request};
use crate::{
    app::{App, RateClass},
    domain::{ErrorKind, Result, Scope},
};

/// What a handler gives back at once.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Reply>> + Send>>;

/// Answers a request that passed all checks.
pub(crate) type Handler = fn(Request) -> Answering;

/// Judges the headers of a request, and the client's address, before its body is read.
pub(crate) type Gate = fn(&App, &HeaderMap, IpAddr) -> Result<()>;

/// Makes a schema.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A handler of the table, from an `async fn`.
macro_rules! handler {
    ($function:path) => {
        |request| Box::pin($function(request))
    };
}
pub(crate) use handler;

/// Who may use a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Everyone.
    Open,
    /// API keys with the scope, and people who signed in and whose role has it.
    Tenant(Scope),
    /// Every API key.
    AnyKey,
    /// People who signed in to the dashboard, for what is their own.
    SignedIn,
    /// The operator, and operators who signed in.
    Operator,
    /// The operator and programs on the same machine; everyone where it is configured so.
    Metrics,
}

/// Who asks for a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Audience {
    /// Programs, which read the OpenAPI document.
    Programs,
    /// People, who look at a page.
    People,
}

/// Which body a route takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyKind {
    /// None; what is sent is not read.
    None,
    /// A JSON object without fields, or nothing.
    Empty,
    /// JSON.
    Json,
    /// JSON or nothing, which stands for an empty object.
    OptionalJson,
    /// Bytes that the handler verifies itself, whatever their content type.
    Raw,
}

/// Which pages may make a browser ask for a route that needs no cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asker {
    /// Any.
    AnyPage,
    /// The dashboard's own.
    OwnPage,
}

/// The longest body that a route takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyLimit {
    /// What is configured for all routes.
    Usual,
    /// What is configured for batches.
    Batch,
    /// So many bytes.
    Bytes(usize),
}

/// A parameter in the query or a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) schema: SchemaOf,
}

/// The schema of a whole number within limits.
pub(crate) struct Whole<const LEAST: u64, const MOST: u64>;

impl<const LEAST: u64, const MOST: u64> JsonSchema for Whole<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Whole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": LEAST, "maximum": MOST})
    }
}

/// One row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) operation: &'static str,
    pub(super) handler: Handler,
    pub(super) access: Access,
    pub(super) rate: RateClass,
    pub(super) body: BodyKind,
    pub(super) body_limit: BodyLimit,
    pub(super) gate: Option<Gate>,
    pub(super) summary: &'static str,
    pub(super) query: Vec<Param>,
    /// Headers that this route reads beyond those that many do.
    pub(super) reads: Vec<Param>,
    /// Whether an `Idempotency-Key` has a meaning, though the path does not say so.
    pub(super) is_once: bool,
    pub(super) request: Option<SchemaOf>,
    pub(super) success: StatusCode,
    pub(super) response: Option<SchemaOf>,
    pub(super) media_types: &'static [&'static str],
    pub(super) errors: &'static [ErrorKind],
    /// Whether it sets credits aside for jobs, and so is refused where there are none left.
    pub(super) spends: bool,
    /// Headers of its success beyond those that every answer has.
    pub(super) headers: &'static [&'static str],
    /// Whose words its errors use.
    pub(super) dialect: Dialect,
    /// Whether the log of requests shows who asked for it.
    pub(super) is_logged: bool,
    /// Who asks for it.
    pub(super) audience: Audience,
    /// Who may make a browser ask for it.
    pub(super) asker: Asker,
}

impl Route {
    /// A route that reads. `operation` is its name in the OpenAPI document.
    pub(crate) fn get(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self::new(Method::GET, path, operation, handler)
    }

    /// A route that makes or does something. Without more, it takes an empty object or nothing.
    pub(crate) fn post(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        let route = Self::new(Method::POST, path, operation, handler);
        Self { body: BodyKind::Empty, ..route }
    }

    /// A route that changes something.
    pub(crate) fn patch(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self::new(Method::PATCH, path, operation, handler)
    }

    /// A route that makes something of this name, or replaces it.
    pub(crate) fn put(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self::new(Method::PUT, path, operation, handler)
    }

    /// A route that takes something away.
    pub(crate) fn delete(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self::new(Method::DELETE, path, operation, handler)
    }

    fn new(method: Method, path: &'static str, operation: &'static str, handler: Handler) -> Self {
        let rate = match method {
            Method::GET => RateClass::Read,
            _ => RateClass::Write,
        };
        Self {
            method,
            path,
            operation,
            handler,
            rate,
            access: Access::Open,
            body: BodyKind::None,
            body_limit: BodyLimit::Usual,
            gate: None,
            summary: "",
            query: Vec::new(),
            reads: Vec::new(),
            is_once: false,
            request: None,
            success: StatusCode::OK,
            response: None,
            media_types: &[],
            errors: &[],
            spends: false,
            headers: &[],
            dialect: Dialect::Own,
            is_logged: true,
            audience: Audience::Programs,
            asker: Asker::AnyPage,
        }
    }

    /// Asked every few seconds by programs that watch: the log of requests leaves it out.
    pub(crate) fn unlogged(mut self) -> Self {
        self.is_logged = false;
        self
    }

    /// A page: the OpenAPI document says nothing of it, and it takes any query, which its own code reads.
    pub(crate) fn for_people(mut self) -> Self {
        self.audience = Audience::People;
        self
    }

    /// Must be asked for by the dashboard's own page, as what a cookie allows must.
    pub(crate) fn own_page(mut self) -> Self {
        self.asker = Asker::OwnPage;
        self
    }

    /// Speaks as OpenAI's API does: its clients read the errors and the headers of limits.
    pub(crate) fn like_openai(mut self) -> Self {
        self.dialect = Dialect::OpenAi;
        self
    }

    /// One sentence for the reference.
    pub(crate) fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Who may use it. Without this, everyone.
    pub(crate) fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// API keys with this scope may use it.
    pub(crate) fn scope(self, scope: Scope) -> Self {
        self.access(Access::Tenant(scope))
    }

    /// Draws on another budget than the method says.
    pub(crate) fn rate(mut self, rate: RateClass) -> Self {
        self.rate = rate;
        self
    }

    /// Takes a JSON body of this type.
    pub(crate) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = BodyKind::Json;
        self.request = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Takes a JSON body of this type, or none, which stands for an empty object.
    pub(crate) fn may_take<T: JsonSchema>(self) -> Self {
        let mut route = self.takes::<T>();
        route.body = BodyKind::OptionalJson;
        route
    }

    /// Takes any bytes; the handler verifies them.
    pub(crate) fn takes_raw(mut self) -> Self {
        self.body = BodyKind::Raw;
        self
    }

    /// Takes bodies up to this limit instead of the usual one.
    pub(crate) fn body_limit(mut self, limit: BodyLimit) -> Self {
        self.body_limit = limit;
        self
    }

    /// Takes bodies of anybody whose headers pass the gate; few of them at the same time.
    pub(crate) fn gate(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    /// Takes this parameter in the query.
    pub(crate) fn query<T: JsonSchema>(
        mut self,
        name: &'static str,
        description: &'static str,
    ) -> Self {
        self.query.push(Param { name, description, schema: SchemaGenerator::subschema_for::<T> });
        self
    }

    /// Reads this header of the request.
    pub(crate) fn reads<T: JsonSchema>(
        mut self,
        name: &'static str,
        description: &'static str,
    ) -> Self {
        self.reads.push(Param { name, description, schema: SchemaGenerator::subschema_for::<T> });
        self
    }

    /// Heeds an `Idempotency-Key`, as every POST under `/v1` does without this.
    pub(crate) fn once(mut self) -> Self {
        self.is_once = true;
        self
    }

    /// Takes `limit` and `cursor`.
    pub(crate) fn paged(self) -> Self {
        self.query::<Whole<1, 100>>("limit", "Rows on the page at most; 20 by default.")
            .query::<String>("cursor", "`next_cursor` of the page before.")
    }

    /// Answers a success with this status and type.
    pub(crate) fn answers<T: JsonSchema>(mut self, status: StatusCode) -> Self {
        self.success = status;
        self.response = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Answers a success with no body.
    pub(crate) fn answers_nothing(mut self) -> Self {
        self.success = StatusCode::NO_CONTENT;
        self
    }

    /// Answers in these media types besides JSON, or instead of it where no type was given.
    pub(crate) fn media_types(mut self, media_types: &'static [&'static str]) -> Self {
        self.media_types = media_types;
        self
    }

    /// Errors of this route beyond those that its access and body bring.
    pub(crate) fn errors(mut self, errors: &'static [ErrorKind]) -> Self {
        self.errors = errors;
        self
    }

    /// Queues jobs, for which it sets credits and tokens aside: it fails where a limit leaves none.
    pub(crate) fn spends(mut self) -> Self {
        self.spends = true;
        self
    }

    /// Headers of its success beyond those that every answer has; the OpenAPI document knows them.
    pub(crate) fn headers(mut self, headers: &'static [&'static str]) -> Self {
        self.headers = headers;
        self
    }

    /// True where an `Idempotency-Key` has a meaning: every POST under `/v1`, and where the row says so.
    pub(super) fn is_idempotent(&self) -> bool {
        self.method == Method::POST && (self.is_once || self.path.starts_with("/v1/"))
    }
}
