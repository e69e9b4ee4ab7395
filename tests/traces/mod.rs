//! Traces over real sockets: what is passed on, what a collector is sent, and that nobody waits for it.

mod export;
mod passing;
mod trouble;

use serde_json::{Value, json};
use skai_server::config::Config;

use crate::support::{
    Answer, Provider, Receiver, eventually,
    scripted::Scripted,
    server::{Account, TestServer, job},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENTS: &str = "00f067aa0ba902b7";

/// A `traceparent` of a client that wants its trace recorded.
fn given() -> String {
    format!("00-{TRACE}-{CLIENTS}-01")
}

/// A server, an account with an endpoint, all that they talk to, and a collector of traces.
struct World {
    server: TestServer,
    account: Account,
    receiver: Receiver,
    provider: Provider,
    collector: Scripted,
}

impl World {
    /// Exports what clients want recorded, and `change`s the configuration.
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (receiver, provider) = (Receiver::start(), Provider::start());
        let collector = Scripted::start(|_| Answer::json(200, &json!({})));
        let endpoint = format!("http://{}/v1/traces", collector.address());
        let builder = TestServer::builder().provider(&provider).config(|config| {
            config.traces.endpoint = endpoint;
            config.traces.sample_ratio = 0.0;
        });
        let server = builder.config(change).start();
        let account = server.account();
        account.endpoint(&receiver, "/hook", &json!({}));
        Self { server, account, receiver, provider, collector }
    }

    fn new() -> Self {
        Self::with(|_| ())
    }

    /// Posts as part of the client's trace.
    #[track_caller]
    fn post(&self, path: &str, body: &Value, status: u16) -> Value {
        self.client().post(path, body).expect(status).json()
    }

    fn client(&self) -> crate::support::Client {
        self.account.client.with_header("traceparent", &given())
    }

    /// A job as part of the client's trace.
    #[track_caller]
    fn post_job(&self, more: &Value) -> Value {
        self.post("/v1/jobs/generations", &job(more), 202)
    }

    /// All spans that the collector was sent.
    fn spans(&self) -> Vec<Span> {
        let bodies = self.collector.received().into_iter().map(|request| request.json());
        bodies.flat_map(|body| spans(&body)).collect()
    }

    /// The first span of that name, once it is there.
    #[track_caller]
    fn span(&self, name: &str) -> Span {
        eventually(&format!("there is a span {name}"), || {
            self.spans().into_iter().find(|span| span.name == name)
        })
    }

    /// A counter of the metrics; 0 where it is not there.
    fn counter(&self, name: &str) -> u64 {
        let text = self.server.operator().get("/metrics").expect(200).text().to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |number| number.trim_end_matches(".0").parse().unwrap())
    }
}

/// A span as the collector was sent it.
#[derive(Debug)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    start: u64,
    end: u64,
    has_failed: bool,
    attributes: Value,
}

fn spans(body: &Value) -> Vec<Span> {
    let sent = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    sent.iter().map(Span::read).collect()
}

impl Span {
    fn read(sent: &Value) -> Self {
        let text = |name: &str| sent[name].as_str().unwrap_or_default().to_owned();
        let attributes = sent["attributes"].as_array().unwrap().iter().map(|attribute| {
            let value = attribute["value"].as_object().unwrap().values().next().unwrap();
            (attribute["key"].as_str().unwrap().to_owned(), value.clone())
        });
        Self {
            trace: text("traceId"),
            id: text("spanId"),
            parent: text("parentSpanId"),
            name: text("name"),
            kind: sent["kind"].as_u64().unwrap(),
            start: text("startTimeUnixNano").parse().unwrap(),
            end: text("endTimeUnixNano").parse().unwrap(),
            has_failed: sent["status"]["code"] == 2,
            attributes: Value::Object(attributes.collect()),
        }
    }

    /// The header of a request that this span sent.
    fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.id)
    }
}
