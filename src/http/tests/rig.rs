//! A server with the table of the tests, and a client that can also send what is malformed.

use std::{
    io::{ErrorKind as IoErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::{Notify, oneshot};

use super::table;
use crate::{
    ambient::Ambient,
    app::{
        self, App,
        rig::{CHEAP, app},
    },
    domain::{AccountId, ApiKey, ApiKeyId, Environment, ProjectId},
    http::{ConnectionLimits, Edge, Served, Settings, Shutdown, serve},
    store::{
        EngineSettings, Store, SystemScope, accounts,
        api_keys::{self, NewApiKey},
    },
};

/// Longer than anything here may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Server {
    pub(super) address: SocketAddr,
    drain: Option<oneshot::Sender<()>>,
    pub(super) stop: Option<oneshot::Sender<()>>,
    app: Arc<App>,
    thread: Option<JoinHandle<u32>>,
    pub(super) seen: Arc<Mutex<Vec<(String, u16)>>>,
    pub(super) key: String,
    folder: tempfile::TempDir,
}

impl Server {
    pub(super) fn start(settings: Settings, limits: ConnectionLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::system();
        let path = folder.path().join("skai.db");
        let (store, _) = Store::open(&path, &EngineSettings::default(), &ambient).unwrap();
        let key = make_key(&store, &ambient);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let observer = Box::new(move |served: &Served<'_>| {
            log.lock().unwrap().push((served.id.to_owned(), served.status));
        });
        let app = Arc::new(app(store, ambient, folder.path()));
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

    pub(super) fn usual() -> Self {
        Self::start(Settings::default(), ConnectionLimits::default())
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes, ends the connection's writing side only when the server has answered.
    pub(super) fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(&mut stream)
    }

    pub(super) fn get(&self, path: &str, headers: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n{headers}\r\n"))
    }

    pub(super) fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    pub(super) fn json(&self, path: &str, body: &str) -> Answer {
        self.post(path, "Content-Type: application/json\r\n", body)
    }

    /// As the server does before its work has ended.
    pub(super) fn drain(&mut self) {
        self.app.watches.close();
        drop(self.drain.take());
    }

    /// Stops and gives the number of connections that were cut.
    pub(super) fn stop(&mut self) -> u32 {
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
        monthly_credit_limit: None,
        allowed_cidrs: None,
        origin: None,
        expires_at: None,
    };
    store.write(scope, move |tx| api_keys::insert(tx, &new)).wait().unwrap();
    key.text().expose().clone()
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// Reads one answer; of `HEAD` only the head, because the body never comes.
    pub(super) fn read(stream: &mut TcpStream) -> Self {
        Self::read_as(stream, false)
    }

    pub(super) fn read_as(stream: &mut TcpStream, is_head: bool) -> Self {
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

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn code(&self) -> String {
        self.error()["code"].as_str().unwrap().to_owned()
    }

    pub(super) fn param(&self) -> Value {
        self.error()["param"].clone()
    }

    pub(super) fn error(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["error"]["request_id"], self.header("x-request-id").unwrap());
        body["error"].clone()
    }
}

/// Blocks until the server has closed the connection; gives how long that took.
pub(super) fn closed(stream: &mut TcpStream) -> Duration {
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

pub(super) fn wait_for(notify: &Notify) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, notify.notified()).await.unwrap();
    });
}
