//! Secrets in every place of a request that the real program could repeat, at its most talkative, and then a search for
//! them in everything that somebody else may read.

use std::{cell::Cell, fs};

use serde_json::json;

use crate::support::{
    Client,
    client::Reply,
    program::{Program, Running},
};

/// Within texts that have the shape of a credential, wherever they stand.
pub(super) const SHAPED: &str = "Kanarienvogel7q3x9z8w2";
/// A word like any other, where the name says that it is a secret.
pub(super) const NAMED: &str = "Zeisigfink5r8t2y7u4";

const HEADERS: [&str; 17] = [
    "Cookie",
    "X-Api-Key",
    "Proxy-Authorization",
    "X-Request-Id",
    "User-Agent",
    "Referer",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "Forwarded",
    "Idempotency-Key",
    "Content-Type",
    "Accept",
    "Origin",
    "Traceparent",
    "Stripe-Signature",
    "X-Invented",
    "Last-Event-Id",
];

/// A server that is asked, and what must not be seen of it.
pub(super) struct World {
    server: Running,
    program: Program,
    key: String,
    operator: String,
    turn: Cell<usize>,
    secrets: Vec<String>,
}

impl World {
    pub(super) fn new() -> Self {
        let program = Program::new();
        let account = program.account("100");
        let mut command = program.command(&[]);
        command.env("SKAI_LOG__LEVEL", "trace").env("SKAI_RATE_LIMIT__DEFAULT", "1000000,1m");
        command.env("SKAI_RATE_LIMIT__OPERATOR", "1000000,1m");
        command.env("SKAI_AUTH__FAILED_ATTEMPTS", "1000000,1m");
        let server = Running::start(&mut command);
        let token = fs::read_to_string(program.data_dir().join("operator.token")).unwrap();
        let operator = token.trim().to_owned();
        // The prefix of a key may be shown.
        let of_key = account.key["sk_live_".len() + 12..].to_owned();
        let secrets = vec![SHAPED.to_owned(), NAMED.to_owned(), of_key, operator.clone()];
        Self { server, program, key: account.key, operator, turn: Cell::new(0), secrets }
    }

    /// The next text that looks like a credential; some of them are.
    pub(super) fn shaped(&self) -> String {
        let turn = self.turn.replace(self.turn.get() + 1);
        let shapes = [
            format!("sk_live_{SHAPED}"),
            format!("whsec_{SHAPED}"),
            format!("sk-{SHAPED}"),
            format!("Bearer {SHAPED}"),
            format!("sk_test_{SHAPED}_{SHAPED}"),
            self.key.clone(),
        ];
        shapes[turn % shapes.len()].clone()
    }

    /// The account, the operator, a stranger with a bad key, and one with none.
    pub(super) fn clients(&self) -> [Client; 4] {
        let client = Client::new(self.server.address);
        [
            client.with_key(&self.key),
            client.with_key(&self.operator),
            client.with_key(&format!("sk_live_{SHAPED}")),
            client.with_header("Authorization", &format!("Basic {NAMED}")),
        ]
    }

    /// Sends a request and looks at what comes back.
    #[track_caller]
    pub(super) fn send(
        &self,
        client: &Client,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) {
        let reply = client.send(method, path, headers, body.map(str::as_bytes));
        self.look(&reply, &format!("{method} {path} {headers:?} {body:?}"));
    }

    /// A success may show its account what it sent; an error shows no secrets, and is none of the server's.
    #[track_caller]
    fn look(&self, reply: &Reply, asked: &str) {
        assert_ne!(reply.status, 500, "{asked}");
        self.assert_clean(asked, reply.header("x-request-id").unwrap());
        if reply.status >= 400 {
            let shown = format!("{:?} {}", reply.headers, reply.text());
            self.assert_clean(asked, &shown);
        }
    }

    #[track_caller]
    fn assert_clean(&self, what: &str, shown: &str) {
        for secret in &self.secrets {
            assert!(!shown.contains(secret), "{secret} is shown by {what}: {shown}");
        }
    }

    /// Searches metrics, telemetry and the whole log.
    pub(super) fn search(self) {
        let client = Client::new(self.server.address).with_key(&self.operator);
        let metrics = client.get("/metrics").expect(200);
        self.assert_clean("the metrics", metrics.text());
        let logs = client.get("/admin/v1/logs?limit=100").expect(200);
        self.assert_clean("the log of requests", logs.text());
        assert!(!logs.json()["data"].as_array().unwrap().is_empty());
        self.search_files();
        self.server.signal("TERM");
        let Self { server, program, key, operator, turn, secrets } = self;
        let (status, log) = server.wait();
        assert!(status.success() && log.len() > 300, "{} lines", log.len());
        for line in &log {
            let leak = secrets.iter().find(|secret| line.contains(secret.as_str()));
            assert!(leak.is_none(), "the log tells {leak:?}: {line}");
            assert!(!line.contains("panicked"), "{line}");
        }
        // Folded by now.
        let running = Running::start(&mut program.command(&[]));
        Self { server: running, program, key, operator, turn, secrets }.search_files();
    }

    fn search_files(&self) {
        let mut searched = 0;
        for entry in fs::read_dir(self.program.data_dir()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.starts_with("telemetry.db") || name.ends_with("-shm") {
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            searched += bytes.len();
            for secret in &self.secrets {
                let is_there = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!is_there, "{secret} is in {name}");
            }
        }
        assert!(searched > 10_000, "{searched}");
    }
}

#[test]
fn no_header_is_told() {
    let world = World::new();
    for client in world.clients() {
        for header in HEADERS {
            for path in ["/v1/jobs", "/admin/v1/accounts", "/nowhere", "/docs"] {
                let shaped = world.shaped();
                world.send(&client, "GET", path, &[(header, &shaped)], None);
            }
            let shaped = world.shaped();
            world.send(&client, "POST", "/v1/jobs/generations", &[(header, &shaped)], Some("{}"));
            world.send(&client, "OPTIONS", "/v1/jobs", &[(header, &shaped)], None);
        }
        for header in ["Cookie", "X-Api-Key", "Proxy-Authorization", "X-Auth-Token"] {
            for value in
                [NAMED.to_owned(), format!("a={NAMED}; b={NAMED}"), format!("Basic {NAMED}")]
            {
                world.send(&client, "GET", "/v1/jobs", &[(header, &value)], None);
            }
        }
        let twice = [("Authorization", NAMED), ("Authorization", NAMED)];
        world.send(&client, "GET", "/v1/jobs", &twice, None);
        let name = world.shaped().replace(' ', "-");
        world.send(&client, "GET", "/v1/jobs", &[(&name, "x")], None);
        world.send(&client, &format!("sk_live_{SHAPED}"), "/v1/jobs", &[], None);
    }
    // The same key for two requests.
    let [client, ..] = world.clients();
    for model in ["sandbox", "other"] {
        let body =
            json!({"model": model, "messages": [{"role": "user", "content": "x"}]}).to_string();
        let headers =
            [("Idempotency-Key", &*format!("sk-{SHAPED}")), ("Content-Type", "application/json")];
        world.send(&client, "POST", "/v1/jobs/generations", &headers, Some(&body));
    }
    for bad in [format!("sk-{SHAPED} \u{e9}"), format!("sk-{SHAPED}").repeat(20)] {
        let headers = [("Idempotency-Key", &*bad), ("Content-Type", "application/json")];
        world.send(&client, "POST", "/v1/jobs/generations", &headers, Some("{}"));
    }
    http_2(&world);
    world.search();
}

/// A request with the secret in pseudo-headers and headers, so that this protocol's words are in the log too.
fn http_2(world: &World) {
    let mut connection = Client::new(world.server.address).connect();
    connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    connection.write(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    let mut block = vec![0x82, 0x86];
    let path = format!("/v1/jobs/sk-{SHAPED}?token={NAMED}");
    let bearer = format!("Bearer sk_live_{SHAPED}");
    for (name, value) in [
        (":path", &path),
        (":authority", &"h".to_owned()),
        ("authorization", &bearer),
        ("cookie", &bearer),
    ] {
        block.push(0);
        for text in [name, value.as_str()] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let length = u8::try_from(block.len()).unwrap();
    connection.write(&[0, 0, length, 1, 5, 0, 0, 0, 1]).unwrap();
    connection.write(&block).unwrap();
    let reply = connection.read_http2();
    world.assert_clean("HTTP/2", &reply);
    assert!(reply.contains("UNAUTHENTICATED"), "{reply}");
}

#[test]
fn no_part_of_a_url_is_told() {
    let world = World::new();
    for client in world.clients() {
        for shape in ["sk_live_", "sk-", "whsec_", "Bearer%20", "%73k_live_", "%2573k-", "Bearer+"]
        {
            let shaped = format!("{shape}{SHAPED}");
            for path in [
                format!("/{shaped}"),
                format!("/nowhere/{shaped}/x"),
                format!("/v1/jobs/{shaped}"),
                format!("/v1/end-users/{shaped}"),
                format!("/v1/agents/{shaped}/versions"),
                format!("/admin/v1/accounts/{shaped}"),
                format!("/v1/jobs?{shaped}"),
                format!("/v1/jobs?{shaped}={shaped}"),
                format!("/v1/jobs?limit={shaped}"),
                format!("/v1/jobs?cursor={shaped}&limit=1"),
                format!("/v1/jobs?created_after={shaped}"),
                format!("/v1/jobs?status={shaped}"),
                format!("/v1/logs?request_id={shaped}"),
                format!("/v1/jobs#{shaped}"),
            ] {
                world.send(&client, "GET", &path, &[], None);
            }
            world.send(&client, "DELETE", &format!("/v1/jobs/{shaped}"), &[], None);
        }
        for path in [
            format!("/v1/jobs?api_key={NAMED}&token={NAMED}&access_token={NAMED}"),
            format!("/v1/jobs?limit=1&password={NAMED}"),
            format!("/nowhere?secret={NAMED}"),
            format!("/nowhere;token={NAMED}"),
            format!("/nowhere/api_key={NAMED}"),
            format!("/nowhere/https:%2F%2Fuser:{NAMED}@host.example/"),
            format!("http://user:{NAMED}@host.example/v1/jobs?token={NAMED}"),
            format!("http://user:{NAMED}@host.example/nowhere"),
        ] {
            world.send(&client, "GET", &path, &[], None);
        }
    }
    world.search();
}
