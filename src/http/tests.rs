//! The edge over real sockets, with a small table of its own.

use std::{
    io::{ErrorKind as IoErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::{
    BadTable, ConnectionLimits, Edge, Settings, Shutdown,
    reply::Reply,
    request::Request,
    routes::{Access, Route, handler},
    serve,
};
use crate::{
    ambient::Ambient,
    app::{
        self, App, HashCost, RateLimits, Vault, Watches,
        auth::{AuthSettings, Authenticator},
    },
    domain::{
        AccountId, ApiKey, ApiKeyId, Backoff, Catalog, Environment, Error, JobId, ProjectId,
        RateLimit, Result, Scope, Secret,
    },
    observe::Metrics,
    store::{
        EngineSettings, Store, SystemScope, accounts,
        api_keys::{self, NewApiKey},
    },
};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Echo {
    text: String,
}

async fn echo(request: Request) -> Result<Reply> {
    let body: Echo = request.json()?;
    let replayed = request.idempotency.is_some();
    Ok(Reply::created(&body)?.replayed(replayed))
}

async fn job(request: Request) -> Result<Reply> {
    let id: JobId = request.id("id")?;
    let wait: Option<u32> = request.query("wait", "a whole number")?;
    Reply::ok(&json!({"id": id, "wait": wait}))
}

async fn nothing(_: Request) -> Result<Reply> {
    Ok(Reply::no_content())
}

async fn fail(_: Request) -> Result<Reply> {
    Err(Error::internal("the secret cause"))
}

async fn panics(_: Request) -> Result<Reply> {
    panic!("as asked")
}

async fn stream(_: Request) -> Result<Reply> {
    let (sender, reply) = Reply::stream("text/event-stream");
    tokio::spawn(async move {
        for chunk in ["data: 1\n\n", "data: 2\n\n"] {
            sender.send(chunk).await.unwrap();
        }
    });
    Ok(reply)
}

static ENTERED: Notify = Notify::const_new();
static LEAVE: Notify = Notify::const_new();

/// Answers when it is told to.
async fn slow(_: Request) -> Result<Reply> {
    ENTERED.notify_one();
    LEAVE.notified().await;
    Ok(Reply::text("text/plain", "done"))
}

async fn forever(_: Request) -> Result<Reply> {
    ENTERED.notify_one();
    std::future::pending().await
}

fn table() -> Vec<Route> {
    vec![
        Route::post("/v1/echo", "echo", handler!(echo)).takes::<Echo>(),
        Route::post("/v1/do", "do", handler!(nothing)).body_limit(1_000),
        Route::post("/v1/maybe", "maybe", handler!(nothing)).may_take::<Echo>(),
        Route::get("/v1/jobs/{id}", "job", handler!(job)).query::<u32>("wait", "Seconds."),
        Route::delete("/v1/jobs/{id}", "deleteJob", handler!(nothing)),
        Route::get("/v1/mine", "mine", handler!(nothing)).scope(Scope::JobsRead),
        Route::get("/v1/keys", "keys", handler!(nothing)).scope(Scope::KeysRead),
        Route::get("/admin/v1/all", "all", handler!(nothing)).access(Access::Operator),
        Route::get("/fail", "fail", handler!(fail)),
        Route::get("/panics", "panics", handler!(panics)),
        Route::get("/stream", "stream", handler!(stream)),
        Route::get("/slow", "slow", handler!(slow)),
        Route::get("/forever", "forever", handler!(forever)),
    ]
}

struct Server {
    address: SocketAddr,
    drain: Option<oneshot::Sender<()>>,
    stop: Option<oneshot::Sender<()>>,
    app: Arc<App>,
    thread: Option<JoinHandle<u32>>,
    seen: Arc<Mutex<Vec<(String, u16)>>>,
    key: String,
    folder: tempfile::TempDir,
}

impl Server {
    fn start(settings: Settings, limits: ConnectionLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::system();
        let path = folder.path().join("skai.db");
        let (store, _) = Store::open(&path, &EngineSettings::default(), &ambient).unwrap();
        let key = make_key(&store, &ambient);
        let auth = authenticator(&store, &ambient);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let observer = Box::new(move |served: &super::Served<'_>| {
            log.lock().unwrap().push((served.id.to_owned(), served.status));
        });
        let app = Arc::new(app(store, auth, ambient, folder.path()));
        let edge = Edge::with(Arc::clone(&app), table(), settings, observer).unwrap();
        let ((drain, drained), (stop, stopped)) = (oneshot::channel(), oneshot::channel());
        let shutdown = Shutdown { drain: drained, close: stopped };
        let (sender, address) = mpsc::channel();
        let run = move || run(Arc::new(edge), limits, shutdown, &sender);
        let thread = crate::ambient::thread("edge", run).unwrap();
        let address = address.recv_timeout(PATIENCE).unwrap();
        let (drain, stop, thread) = (Some(drain), Some(stop), Some(thread));
        Self { address, drain, stop, app, thread, seen, key, folder }
    }

    fn usual() -> Self {
        Self::start(Settings::default(), ConnectionLimits::default())
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes, ends the connection's writing side only when the server has answered.
    fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(&mut stream)
    }

    fn get(&self, path: &str, headers: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n{headers}\r\n"))
    }

    fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    fn json(&self, path: &str, body: &str) -> Answer {
        self.post(path, "Content-Type: application/json\r\n", body)
    }

    /// As the server does before its work has ended.
    fn drain(&mut self) {
        self.app.watches.close();
        drop(self.drain.take());
    }

    /// Stops and gives the number of connections that were cut.
    fn stop(&mut self) -> u32 {
        self.drain();
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop((self.drain.take(), self.stop.take()));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        assert!(self.folder.path().exists());
    }
}

fn run(
    edge: Arc<Edge>,
    limits: ConnectionLimits,
    shutdown: Shutdown,
    address: &mpsc::Sender<SocketAddr>,
) -> u32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        address.send(listener.local_addr().unwrap()).unwrap();
        let answer = move |peer, request| Arc::clone(&edge).answer(peer, request);
        serve(listener, answer, limits, shutdown).await
    })
}

fn make_key(store: &Store, ambient: &Ambient) -> String {
    let (id, project) =
        (AccountId::from_uuid(ambient.uuid()), ProjectId::from_uuid(ambient.uuid()));
    let scope = store
        .write(SystemScope::new(), move |tx| accounts::insert(tx, id, project, "tests"))
        .wait()
        .unwrap();
    let key = ApiKey::generate(Environment::Live, &ambient.random());
    let new = NewApiKey {
        id: ApiKeyId::from_uuid(ambient.uuid()),
        project: 1,
        name: "key".to_owned(),
        prefix: key.prefix().to_owned(),
        hash: app::hash_api_key(&key, &ambient.random(), CHEAP).unwrap(),
        scopes: "jobs:read".to_owned(),
        rate_limit: Some("3,1m".to_owned()),
        expires_at: None,
    };
    store.write(scope, move |tx| api_keys::insert(tx, &new)).wait().unwrap();
    key.text().expose().clone()
}

const CHEAP: HashCost = HashCost { memory_kib: 8, passes: 1 };

fn authenticator(store: &Store, ambient: &Ambient) -> Authenticator {
    let limit = RateLimit { limit: 60, window: Duration::from_mins(1) };
    let settings = AuthSettings {
        rate_limits: RateLimits::all(limit),
        operator_rate_limit: limit,
        failed_attempts: limit,
        hash_cost: CHEAP,
        threads: 2,
        cache_ttl: Duration::from_mins(1),
        operator_token: Secret::new("the operator".to_owned()),
    };
    Authenticator::start(ambient.clone(), settings, store.clone()).unwrap()
}

fn app(store: Store, auth: Authenticator, ambient: Ambient, folder: &Path) -> App {
    let minute = Duration::from_mins(1);
    let settings = app::Settings {
        idempotency_ttl: minute,
        job_ttl: minute,
        job_backoff: Backoff::default(),
        max_repairs: 1,
        max_timeout: minute,
        delivery_ttl: minute,
        delivery_backoff: Backoff::default(),
        extended_backoff: Backoff::default(),
        rotation_overlap: minute,
        disable_after: minute,
    };
    let vault = Vault::open(&folder.join("secret.key"), &ambient).unwrap();
    App {
        ambient,
        store,
        auth,
        catalog: Catalog::default(),
        vault,
        watches: Watches::default(),
        guard: crate::webhooks::guard::Guard::new(Vec::new()),
        settings,
        metrics: Metrics::new(),
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// Reads one answer; of `HEAD` only the head, because the body never comes.
    fn read(stream: &mut TcpStream) -> Self {
        Self::read_as(stream, false)
    }

    fn read_as(stream: &mut TcpStream, is_head: bool) -> Self {
        let mut bytes = Vec::new();
        let end = loop {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "cut: {:?}", bytes.escape_ascii());
            bytes.push(byte[0]);
            if bytes.ends_with(b"\r\n\r\n") {
                break bytes.len();
            }
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Self { status, head, body: String::new() };
        if is_head {
            return answer;
        }
        if let Some(length) = answer.header("content-length") {
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            answer.body = String::from_utf8(body).unwrap();
        } else if answer.header("transfer-encoding").is_some() {
            while !answer.body.ends_with("\r\n0\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                answer.body.push(char::from(byte[0]));
            }
        }
        answer
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn code(&self) -> String {
        self.error()["code"].as_str().unwrap().to_owned()
    }

    fn param(&self) -> Value {
        self.error()["param"].clone()
    }

    fn error(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["error"]["request_id"], self.header("x-request-id").unwrap());
        body["error"].clone()
    }
}

/// Blocks until the server has closed the connection; gives how long that took.
fn closed(stream: &mut TcpStream) -> Duration {
    let began = now();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), IoErrorKind::ConnectionReset, "{error}"),
    }
    began.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "measures the server from outside")]
fn now() -> Instant {
    Instant::now()
}

fn wait_for(notify: &Notify) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, notify.notified()).await.unwrap();
    });
}

#[test]
fn every_answer_has_the_headers_of_the_house() {
    let server = Server::usual();
    let id = "0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
    let echo = r#"{"text":"x"}"#;
    for (answer, status) in [
        (server.get(&format!("/v1/jobs/{id}"), ""), 200),
        (server.json("/v1/echo", echo), 201),
        (server.get("/nowhere", ""), 404),
        (server.get("/v1/echo", ""), 405),
        (server.get("/v1/mine", ""), 401),
        (server.post("/v1/echo", "", echo), 415),
        (server.get("/fail", ""), 500),
    ] {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-request-id").unwrap().len(), 36);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("date").is_some());
        assert_eq!(answer.header("strict-transport-security"), None);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let named = server.get("/nowhere", "X-Request-Id: mine\r\n");
    assert_eq!(named.header("x-request-id"), Some("mine"));
    assert_eq!(*server.seen.lock().unwrap().last().unwrap(), ("mine".to_owned(), 404));
}

#[test]
fn paths_and_methods_are_told_apart() {
    let server = Server::usual();
    let id = "0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
    let path = format!("/v1/jobs/{id}");
    let other = server.ask(&format!("PUT {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_eq!((other.status, other.header("allow")), (405, Some("GET, HEAD, DELETE")));
    for odd in ["TRACE", "QUERY", "OPTIONS"] {
        let answer = server.ask(&format!("{odd} {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!((answer.status, answer.code()), (405, "METHOD_NOT_ALLOWED".to_owned()));
    }
    for unknown in ["/", "/v1", "/v1/echo/", "/v1/jobs/", "/v1/jobs/7", "/v1/jobs/%ff", "//"] {
        let answer = server.get(unknown, "");
        assert_eq!((answer.status, answer.code()), (404, "NOT_FOUND".to_owned()), "{unknown}");
    }
    let mut stream = server.connect();
    for _ in 0..2 {
        write!(stream, "HEAD {path}?wait=3 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let head = Answer::read_as(&mut stream, true);
        let length = server.get(&format!("{path}?wait=3"), "").body.len().to_string();
        assert_eq!((head.status, head.header("content-length")), (200, Some(length.as_str())));
    }
}

#[test]
fn queries_are_strict() {
    let server = Server::usual();
    let path = "/v1/jobs/0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
    assert!(server.get(&format!("{path}?wait=%33"), "").body.contains("\"wait\":3"));
    for (query, param) in [("waits=3", "waits"), ("wait=x", "wait"), ("wait=1&wait=2", "wait")] {
        let answer = server.get(&format!("{path}?{query}"), "");
        assert_eq!((answer.status, answer.code()), (400, "INVALID_REQUEST".to_owned()));
        assert_eq!(answer.param(), param);
        assert!(!answer.body.contains("invalid digit"), "{}", answer.body);
    }
    let message = server.get(&format!("{path}?wait=x"), "").error()["message"].clone();
    assert_eq!(message, "wait must be a whole number");
}

#[test]
fn bodies_are_strict() {
    let server = Server::usual();
    let created = server.json("/v1/echo", r#"{"text":"é"}"#);
    assert_eq!((created.status, created.body.as_str()), (201, r#"{"text":"é"}"#));
    for (body, code) in [
        ("", "INVALID_JSON"),
        ("{", "INVALID_JSON"),
        (r#"{"text":"a","text":"b"}"#, "INVALID_JSON"),
        (r#"{"text":"a"} x"#, "INVALID_JSON"),
        (r#"{"text":"a","x":1}"#, "INVALID_REQUEST"),
        (r#"{"text":1}"#, "INVALID_REQUEST"),
        ("{}", "INVALID_REQUEST"),
    ] {
        let answer = server.json("/v1/echo", body);
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{body}");
    }
    let gzip = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    assert_eq!(server.post("/v1/echo", gzip, "{}").code(), "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(server.post("/v1/maybe", "", "").status, 204);
    assert_eq!(server.json("/v1/maybe", "{}").status, 204);
    assert_eq!(server.json("/v1/maybe", "[").status, 400);
}

#[test]
fn a_post_without_fields_takes_an_empty_object_or_nothing() {
    let server = Server::usual();
    assert_eq!(server.post("/v1/do", "", "").status, 204);
    assert_eq!(server.json("/v1/do", " { } ").status, 204);
    for (body, status, code, param) in [
        ("{", 400, "INVALID_JSON", Value::Null),
        ("[]", 400, "INVALID_REQUEST", Value::Null),
        ("null", 400, "INVALID_REQUEST", Value::Null),
        (r#"{"x":1}"#, 400, "INVALID_REQUEST", json!("x")),
        (&" ".repeat(1_001), 413, "BODY_TOO_LARGE", Value::Null),
    ] {
        let answer = server.json("/v1/do", body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
        assert_eq!(answer.param(), param, "{body}");
    }
    assert_eq!(server.post("/v1/do", "Content-Type: text/plain\r\n", "{}").status, 415);
}

#[test]
fn one_host_is_named() {
    let server = Server::usual();
    for head in ["", "Host: a\r\nHost: b\r\n"] {
        let answer = server.ask(&format!("GET /slow HTTP/1.1\r\n{head}\r\n"));
        assert_eq!((answer.status, answer.code()), (400, "INVALID_REQUEST".to_owned()), "{head}");
        assert_eq!(answer.param(), "Host");
    }
    assert_eq!(server.ask("GET /nowhere HTTP/1.0\r\n\r\n").status, 404);
}

#[test]
fn long_bodies_are_refused_and_their_senders_hear_it() {
    let settings = Settings { body_limit: 1_000, ..Settings::default() };
    let server = Server::start(settings, ConnectionLimits::default());
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(3_000_000));
    let announced = server.json("/v1/echo", &long);
    assert_eq!((announced.status, announced.code()), (413, "BODY_TOO_LARGE".to_owned()));
    let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let head = "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    assert_eq!(server.ask(&format!("{head}{chunk}")).status, 413);
    let expecting = "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                     Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(server.ask(expecting).status, 413);
}

#[test]
fn idempotency_keys_are_checked() {
    let server = Server::usual();
    let ask = |key: &str| {
        let headers = format!("Content-Type: application/json\r\n{key}");
        server.post("/v1/echo", &headers, r#"{"text":"x"}"#)
    };
    assert_eq!(ask("").header("idempotent-replayed"), None);
    let given = ask("Idempotency-Key: order 7\r\n");
    assert_eq!(given.header("idempotent-replayed"), Some("true"));
    let long = format!("Idempotency-Key: {}\r\n", "x".repeat(256));
    let twice = "Idempotency-Key: a\r\nIdempotency-Key: b\r\n";
    for bad in ["Idempotency-Key:\r\n", "Idempotency-Key: é\r\n", &long, twice] {
        let answer = ask(bad);
        assert_eq!((answer.status, answer.param()), (400, json!("Idempotency-Key")));
    }
}

#[test]
fn keys_scopes_and_rates_are_enforced() {
    let server = Server::usual();
    let bearer = format!("Authorization: Bearer {}\r\n", server.key);
    let first = server.get("/v1/mine", &bearer);
    assert_eq!(first.status, 204);
    assert_eq!(first.header("ratelimit-limit"), Some("3"));
    assert_eq!(first.header("ratelimit-remaining"), Some("2"));
    assert_eq!(first.header("ratelimit-reset"), Some("20"));
    assert_eq!(first.header("ratelimit-policy"), Some("\"read\";q=3;w=60"));
    assert_eq!(first.header("ratelimit"), Some("\"read\";r=2;t=20"));
    let forbidden = server.get("/v1/keys", &bearer);
    assert_eq!((forbidden.status, forbidden.code()), (403, "INSUFFICIENT_SCOPE".to_owned()));
    assert_eq!(forbidden.header("ratelimit-remaining"), Some("1"));
    assert_eq!(server.get("/v1/mine", &bearer).status, 204);
    let limited = server.get("/v1/mine", &bearer);
    assert_eq!((limited.status, limited.code()), (429, "RATE_LIMIT".to_owned()));
    assert_eq!(limited.header("retry-after"), Some("20"));
    assert_eq!(limited.header("ratelimit-remaining"), Some("0"));
    for bad in ["", "Authorization: Basic x\r\n", "Authorization: Bearer\r\n", &bearer.repeat(2)] {
        let refused = server.get("/v1/mine", bad);
        assert_eq!((refused.status, refused.code()), (401, "UNAUTHENTICATED".to_owned()));
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
}

#[test]
fn the_operators_door_is_another() {
    let server = Server::usual();
    let key = format!("Authorization: Bearer {}\r\n", server.key);
    assert_eq!(server.get("/admin/v1/all", &key).status, 401);
    let token = "Authorization: Bearer the operator\r\n";
    let answer = server.get("/admin/v1/all", token);
    assert_eq!((answer.status, answer.header("ratelimit-limit")), (204, Some("60")));
    assert_eq!(server.get("/v1/mine", token).status, 401);
}

#[test]
fn failures_stay_inside_and_alone() {
    let server = Server::usual();
    let failed = server.get("/fail", "");
    assert_eq!((failed.status, failed.code()), (500, "SERVER_ERROR".to_owned()));
    assert!(!failed.body.contains("secret cause"));
    let mut stream = server.connect();
    for _ in 0..2 {
        stream.write_all(b"GET /panics HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(Answer::read(&mut stream).status, 500);
    }
}

#[test]
fn only_configured_proxies_and_origins_are_believed() {
    let settings = Settings {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        cors_origins: vec!["https://app.example.com".parse().unwrap()],
        ..Settings::default()
    };
    let server = Server::start(settings, ConnectionLimits::default());
    let secure = server.get("/nowhere", "X-Forwarded-Proto: https\r\n");
    let hsts = "max-age=63072000; includeSubDomains; preload";
    assert_eq!(secure.header("strict-transport-security"), Some(hsts));
    let origin = "Origin: https://app.example.com\r\n";
    let allowed = server.get("/nowhere", origin);
    let name = "access-control-allow-origin";
    assert_eq!(allowed.header(name), Some("https://app.example.com"));
    let foreign = server.get("/nowhere", "Origin: https://evil.example.com\r\n");
    assert_eq!((foreign.header(name), foreign.header("vary")), (None, Some("Origin")));
    let asks = "Access-Control-Request-Method: POST\r\n";
    let preflight = format!("OPTIONS /v1/echo HTTP/1.1\r\nHost: h\r\n{origin}{asks}\r\n");
    let preflight = server.ask(&preflight);
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-methods"), Some("POST"));
}

#[test]
fn streams_flow() {
    let server = Server::usual();
    let answer = server.get("/stream", "");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.body.contains("data: 1\n\n") && answer.body.contains("data: 2\n\n"));
}

#[test]
fn slow_clients_are_cut() {
    let short = Duration::from_millis(300);
    let settings = Settings { body_timeout: short, ..Settings::default() };
    let limits =
        ConnectionLimits { header_timeout: short, idle_timeout: short, ..Default::default() };
    let server = Server::start(settings, limits);
    // Nothing at all, a part of HTTP/2's preface, and half a head.
    for begin in ["", "PRI * HTTP/2", "GET / HTTP/1.1\r\nHost:"] {
        let mut stream = server.connect();
        stream.write_all(begin.as_bytes()).unwrap();
        assert!(closed(&mut stream) < PATIENCE / 2, "{begin}");
    }
    // A head that trickles.
    let mut stream = server.connect();
    let mut trickle = stream.try_clone().unwrap();
    let writer = crate::ambient::thread("trickle", move || {
        let (_keep, pause) = mpsc::channel::<()>();
        while trickle.write_all(b"GET").is_ok() {
            pause.recv_timeout(Duration::from_millis(20)).unwrap_err();
        }
    });
    assert!(closed(&mut stream) < PATIENCE / 2);
    drop(stream);
    writer.unwrap().join().unwrap();
    // An idle connection after an answer.
    let mut stream = server.connect();
    stream.write_all(NOWHERE).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 404);
    assert!(closed(&mut stream) < PATIENCE / 2);
}

const NOWHERE: &[u8] = b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let (short, long) = (Duration::from_millis(100), Duration::from_millis(800));
    let start = |header_timeout, idle_timeout| {
        let limits = ConnectionLimits { header_timeout, idle_timeout, ..Default::default() };
        Server::start(Settings::default(), limits)
    };
    let server = start(short, long);
    let mut stream = server.connect();
    stream.write_all(NOWHERE).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 404);
    assert!(closed(&mut stream) > long / 2);

    // Once a later head has begun, it must end in time.
    let server = start(short, 2 * PATIENCE);
    let mut stream = server.connect();
    for _ in 0..2 {
        stream.write_all(NOWHERE).unwrap();
        assert_eq!(Answer::read(&mut stream).status, 404);
    }
    stream.write_all(&NOWHERE[..20]).unwrap();
    assert!(closed(&mut stream) < PATIENCE / 2);
}

#[test]
fn trickled_bodies_are_cut() {
    let settings = Settings { body_timeout: Duration::from_millis(300), ..Settings::default() };
    let server = Server::start(settings, ConnectionLimits::default());
    let mut stream = server.connect();
    let head = "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                Content-Length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut trickle = stream.try_clone().unwrap();
    let writer = crate::ambient::thread("trickle", move || {
        let (_keep, pause) = mpsc::channel::<()>();
        while trickle.write_all(b" ").is_ok() {
            pause.recv_timeout(Duration::from_millis(20)).unwrap_err();
        }
    });
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, answer.code()), (400, "INVALID_REQUEST".to_owned()));
    assert!(closed(&mut stream) < PATIENCE / 2);
    drop(stream);
    writer.unwrap().join().unwrap();
}

#[test]
fn malformed_requests_are_refused() {
    let server = Server::usual();
    let many = "x: 1\r\n".repeat(200);
    let long = "x".repeat(100_000);
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: h\r\n bad: fold\r\n\r\n".to_owned(), 400),
        ("POST /v1/echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(), 400),
        (
            "POST /v1/echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            400,
        ),
        ("POST /v1/echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"), 431),
    ] {
        let mut stream = server.connect();
        // The server may have closed before it was all sent.
        drop(stream.write_all(request.as_bytes()));
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        let line = String::from_utf8(line.to_vec()).unwrap();
        assert_eq!(line, format!("HTTP/1.1 {status}"), "{}", &request[..40.min(request.len())]);
        closed(&mut stream);
    }
    let broken = "POST /v1/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                  Transfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(server.ask(broken).status, 400);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let limits = ConnectionLimits { connections: 2, ..Default::default() };
    let server = Server::start(Settings::default(), limits);
    let mut held: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut held {
        stream.write_all(b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(Answer::read(stream).status, 404);
    }
    let mut waiting = server.connect();
    waiting.write_all(b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(waiting.read(&mut [0]).unwrap_err().kind(), IoErrorKind::WouldBlock);
    drop(held.pop());
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(Answer::read(&mut waiting).status, 404);
}

#[test]
fn http_2_works_with_prior_knowledge() {
    let server = Server::usual();
    let mut stream = server.connect();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    // Two requests at once, so that one connection carries both.
    for (stream_id, method) in [(1u8, "GET"), (3, "HEAD")] {
        let mut block = vec![0x86, 0x00, 7];
        block.extend_from_slice(b":method");
        block.push(u8::try_from(method.len()).unwrap());
        block.extend_from_slice(method.as_bytes());
        block.extend_from_slice(&[0x00, 5]);
        block.extend_from_slice(b":path\x10/v1/jobs/nothing");
        block.extend_from_slice(b"\x00\x0a:authority\x01h");
        let length = u8::try_from(block.len()).unwrap();
        // END_STREAM and END_HEADERS.
        stream.write_all(&[0, 0, length, 1, 5, 0, 0, 0, stream_id]).unwrap();
        stream.write_all(&block).unwrap();
    }
    let (mut ended, mut body) = (Vec::new(), Vec::new());
    while ended.len() < 2 {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).unwrap();
        let (kind, flags, stream_id) = (head[3], head[4], head[8]);
        assert!(kind != 3 && kind != 7, "reset or goaway: {payload:?}");
        if kind == 1 {
            // `:status 404` is entry 13 of the static table.
            assert_eq!(payload[0], 0x8d);
        }
        if kind == 0 {
            assert_eq!(stream_id, 1, "HEAD has no body");
            body.extend_from_slice(&payload);
        }
        if kind <= 1 && flags & 1 == 1 {
            ended.push(stream_id);
        }
    }
    assert!(String::from_utf8(body).unwrap().contains("NOT_FOUND"));
}

/// One test, since both parts use the one pair of bells.
#[test]
fn stopping_lets_what_began_end_within_its_time() {
    let mut server = Server::usual();
    let mut idle = server.connect();
    idle.write_all(b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut idle).status, 404);
    let mut busy = server.connect();
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    wait_for(&ENTERED);
    let mut unused = server.connect();
    server.drain();
    assert!(closed(&mut idle) < PATIENCE / 2);
    drop(server.stop.take());
    // Who comes is told, as long as something runs.
    let mut late = server.connect();
    for stream in [&mut unused, &mut late] {
        stream.write_all(b"GET /v1/mine HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let told = Answer::read(stream);
        assert_eq!((told.status, told.code()), (503, "UNAVAILABLE".to_owned()));
        assert_eq!(
            (told.header("retry-after"), told.header("connection")),
            (Some("2"), Some("close"))
        );
        assert!(closed(stream) < PATIENCE / 2);
    }
    assert_eq!(server.get("/stream", "").status, 200, "open routes go on");
    LEAVE.notify_one();
    let answer = Answer::read(&mut busy);
    assert_eq!(answer.body, "done");
    closed(&mut busy);
    assert_eq!(server.stop(), 0);
    assert!(TcpStream::connect(server.address).is_err());

    let limits = ConnectionLimits { drain: Duration::from_millis(200), ..Default::default() };
    let mut server = Server::start(Settings::default(), limits);
    let mut stuck = server.connect();
    stuck.write_all(b"GET /forever HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    wait_for(&ENTERED);
    assert_eq!(server.stop(), 1);
    closed(&mut stuck);
}

#[test]
fn a_contradictory_table_is_refused() {
    let twice = || Route::get("/v1/jobs/{id}", "job", handler!(job));
    let other = Route::post("/v1/jobs/{name}", "other", handler!(job));
    let router = |table| super::router::Router::new(table).map(|_| ());
    assert!(matches!(router(vec![twice(), twice()]), Err(BadTable { .. })));
    assert!(router(vec![twice(), other]).is_err());
    assert!(router(super::api::table()).is_ok());
    assert!(router(table()).is_ok());
}
