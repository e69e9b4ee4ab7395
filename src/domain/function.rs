//! A function: what a scheduled task can run, by name.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{Builtin, EndpointUrl, Error, Result, Secret, check_payload, checks, names};

/// Headers of a request.
const HEADERS_MAX: usize = 32;
/// Bytes of a header's value.
const HEADER_BYTES: usize = 4 * 1024;
/// Milliseconds that a request may take, where nothing is said.
const TIMEOUT_DEFAULT: u64 = 30_000;
/// The same at most.
const TIMEOUT_MAX: u64 = 600_000;
/// Headers that the server sets itself. Others' would change where a message ends, who is asked, or who signed it.
const OWN_HEADERS: [&str; 14] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-webhook-signature",
];

/// What kind of function it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunctionKind {
    /// A request to the account's own server.
    Http,
    /// A run of an agent.
    Agent,
    /// A function of this server's own.
    Builtin,
}

impl FunctionKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Http, Self::Agent, Self::Builtin];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Agent => "agent",
            Self::Builtin => "builtin",
        }
    }
}

/// The method of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Without a body.
    Get,
    /// With a JSON body, as the next two.
    #[default]
    Post,
    /// See above.
    Put,
    /// See above.
    Patch,
    /// Without a body.
    Delete,
}

impl HttpMethod {
    /// Every method.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The method of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// Whether its requests have a body.
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

macro_rules! named {
    ($($name:ident)+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                names::read(deserializer, |name| {
                    let known = Self::ALL.into_iter().find(|known| known.as_str() == name);
                    known.ok_or_else(|| names::unknown(name, &Self::ALL.map(Self::as_str)))
                })
            }
        }
    )+};
}

named! { FunctionKind HttpMethod }

/// `PUT /v1/functions/{name}`: what the function is from now on. Which members belong to it depends on `kind`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionRequest {
    /// `http`, `agent`, or `builtin`, which is named by the path.
    pub kind: FunctionKind,
    /// Where an `http` function's request goes: an `http` or `https` URL.
    #[schemars(url, length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// Its method; `POST` where nothing is said.
    pub method: Option<HttpMethod>,
    /// Its headers beside those that sign it, at most 32. Values are kept sealed and never shown again: null stands
    /// for the value that is kept, as long as the URL leads to the same server.
    #[schemars(with = "Option<BTreeMap<String, Option<String>>>")]
    pub headers: Option<BTreeMap<String, Option<Secret<String>>>>,
    /// How long its request may take, in milliseconds; 30000 where nothing is said.
    #[schemars(range(min = 1, max = 600_000))]
    pub timeout_ms: Option<u64>,
    /// The agent that an `agent` function runs, by name.
    pub agent: Option<String>,
    /// What the agent is given where a task has no payload: any JSON value up to 64 KiB.
    #[schemars(with = "Option<serde_json::Value>")]
    pub input: Option<Box<RawValue>>,
}

/// What a function is, everything checked that needs no database.
#[derive(Clone, Debug)]
pub enum FunctionTarget {
    /// A request to the account's own server.
    Http(HttpTarget),
    /// A run of an agent.
    Agent {
        /// The agent's name.
        agent: String,
        /// What it is given where a task has no payload.
        input: Option<Box<RawValue>>,
    },
    /// A function of the server's own.
    Builtin(Builtin),
}

/// A request to the account's own server.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// Where it goes.
    pub url: EndpointUrl,
    /// Its method.
    pub method: HttpMethod,
    /// Its headers, by names in lower case; `None` stands for a value that is kept already.
    pub headers: BTreeMap<String, Option<Secret<String>>>,
    /// How long it may take.
    pub timeout_ms: u64,
}

impl FunctionRequest {
    /// Checks every field; the error names the first that is wrong.
    pub fn target(self, name: &str) -> Result<FunctionTarget> {
        checks::slug(name)?;
        self.refuse_foreign()?;
        let builtin = Builtin::parse(name);
        match (self.kind, builtin) {
            (FunctionKind::Builtin, Some(builtin)) => Ok(FunctionTarget::Builtin(builtin)),
            (FunctionKind::Builtin, None) => {
                let known = Builtin::ALL.map(Builtin::as_str).join(", ");
                Err(Error::invalid("name", format!("there are these builtin functions: {known}")))
            }
            (_, Some(_)) => {
                let message =
                    "this name is a builtin function's; choose another, or {\"kind\": \"builtin\"}";
                Err(Error::invalid("name", message))
            }
            (FunctionKind::Http, None) => self.http().map(FunctionTarget::Http),
            (FunctionKind::Agent, None) => self.run(),
        }
    }

    /// Refuses members that have no meaning for this kind.
    fn refuse_foreign(&self) -> Result<()> {
        let http = [
            ("url", self.url.is_some()),
            ("method", self.method.is_some()),
            ("headers", self.headers.is_some()),
            ("timeout_ms", self.timeout_ms.is_some()),
        ];
        let agent = [("agent", self.agent.is_some()), ("input", self.input.is_some())];
        let of_http = http.map(|it| (FunctionKind::Http, it));
        let of_agent = agent.map(|it| (FunctionKind::Agent, it));
        for (kind, (member, is_given)) in of_http.into_iter().chain(of_agent) {
            if is_given && kind != self.kind {
                let message =
                    format!("{member} belongs to functions of the kind `{}`", kind.as_str());
                return Err(Error::invalid(member, message));
            }
        }
        Ok(())
    }

    fn http(self) -> Result<HttpTarget> {
        let url = self.url.ok_or_else(|| missing("url", "where the request goes"))?;
        checks::whole("timeout_ms", self.timeout_ms, 1, TIMEOUT_MAX)?;
        Ok(HttpTarget {
            url: EndpointUrl::parse(&url)?,
            method: self.method.unwrap_or_default(),
            headers: check_headers(self.headers.unwrap_or_default())?,
            timeout_ms: self.timeout_ms.unwrap_or(TIMEOUT_DEFAULT),
        })
    }

    fn run(self) -> Result<FunctionTarget> {
        let agent = self.agent.ok_or_else(|| missing("agent", "the name of the agent to run"))?;
        checks::slug(&agent).map_err(|error| error.with_param("agent"))?;
        check_payload(self.input.as_deref()).map_err(|error| error.with_param("input"))?;
        Ok(FunctionTarget::Agent { agent, input: self.input })
    }
}

fn missing(member: &str, what: &str) -> Error {
    Error::invalid(member, format!("{member} is missing: {what}"))
}

/// The headers by names in lower case.
fn check_headers(
    headers: BTreeMap<String, Option<Secret<String>>>,
) -> Result<BTreeMap<String, Option<Secret<String>>>> {
    checks::entries("headers", headers.len(), 0..=HEADERS_MAX)?;
    let mut checked = BTreeMap::new();
    for (given, value) in headers {
        let refuse = |what: &str| {
            let given: String = given.chars().take(HEADER_BYTES).collect();
            Error::invalid(format!("headers/{given}"), format!("the header {what}"))
        };
        let name = HeaderName::try_from(given.as_str());
        let name = name.map_err(|_| refuse("has a name that HTTP does not allow"))?;
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(refuse("is set by the server itself; leave it out"));
        }
        if let Some(value) = &value {
            let value = value.expose();
            if value.len() > HEADER_BYTES || HeaderValue::try_from(value.as_str()).is_err() {
                return Err(refuse("must have a value of at most 4096 bytes of visible text"));
            }
        }
        if checked.insert(name.as_str().to_owned(), value).is_some() {
            return Err(refuse("is given more than once; names do not differ by their case"));
        }
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn target(name: &str, body: Value) -> Result<FunctionTarget> {
        serde_json::from_value::<FunctionRequest>(body).unwrap().target(name)
    }

    #[test]
    fn each_kind_has_its_own_members() {
        let http = target("report", json!({"kind": "http", "url": "https://a.example/run"}));
        let FunctionTarget::Http(http) = http.unwrap() else { panic!("no http") };
        assert_eq!((http.method, http.timeout_ms), (HttpMethod::Post, 30_000));
        let agent =
            target("nightly", json!({"kind": "agent", "agent": "writer", "input": {"a": 1}}));
        assert!(matches!(agent.unwrap(), FunctionTarget::Agent { agent, .. } if agent == "writer"));
        let builtin = target("streak-updater", json!({"kind": "builtin"})).unwrap();
        assert!(matches!(builtin, FunctionTarget::Builtin(Builtin::StreakUpdater)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, body, param) in [
            ("A b", json!({"kind": "builtin"}), "name"),
            ("x", json!({"kind": "builtin"}), "name"),
            ("streak-updater", json!({"kind": "agent", "agent": "x"}), "name"),
            ("x", json!({"kind": "http"}), "url"),
            ("x", json!({"kind": "http", "url": "ftp://a.example"}), "url"),
            ("x", json!({"kind": "http", "url": "http://a.example", "agent": "b"}), "agent"),
            (
                "x",
                json!({"kind": "http", "url": "http://a.example", "timeout_ms": 0}),
                "timeout_ms",
            ),
            ("x", json!({"kind": "agent"}), "agent"),
            ("x", json!({"kind": "agent", "agent": "a", "url": "http://a.example"}), "url"),
            ("streak-updater", json!({"kind": "builtin", "method": "GET"}), "method"),
        ] {
            let error = target(name, body.clone()).unwrap_err();
            assert_eq!(error.param(), Some(param), "{body}");
        }
    }

    #[test]
    fn headers_are_checked_and_never_shown() {
        let with = |headers: Value| {
            target("x", json!({"kind": "http", "url": "http://a.example", "headers": headers}))
        };
        let FunctionTarget::Http(http) =
            with(json!({"Authorization": "Bearer s3cret", "X-A": null})).unwrap()
        else {
            panic!("no http")
        };
        assert_eq!(http.headers.keys().collect::<Vec<_>>(), ["authorization", "x-a"]);
        assert!(!format!("{http:?}").contains("s3cret"));
        for (headers, param) in [
            (json!({"Host": "b.example"}), "headers/Host"),
            (json!({"webhook-id": "1"}), "headers/webhook-id"),
            (json!({"a b": "1"}), "headers/a b"),
            (json!({"x": "a\nb"}), "headers/x"),
            (json!({"x": "a".repeat(4097)}), "headers/x"),
            (json!({"X-A": "1", "x-a": "2"}), "headers/x-a"),
        ] {
            assert_eq!(with(headers.clone()).unwrap_err().param(), Some(param), "{headers}");
        }
    }
}
