//! The real server, in this process: its own folder, its own port, everything as in production but
//! quicker retries. When it is dropped it stops, and its books must be right.

use std::{cell::Cell, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    app::{App, ledger_audit},
    config::{self, Config, ProviderKind, Synchronous},
    domain::{RateLimit, Secret},
    server::{FolderError, Server, StartError},
};

use super::{Client, LIMIT, Provider, Receiver, client::Reply, eventually, provider::USAGE};

/// What the operator of every test server is known by.
pub(crate) const OPERATOR: &str = "op_of_the_tests";
/// What an account of [`TestServer::account`] can spend.
pub(crate) const CREDITS: i64 = 1_000_000;
/// What a completion of the model `m` with the provider's usual usage costs.
pub(crate) const COST: u64 = USAGE.0 + 2 * USAGE.1;

/// A server that is going to be started.
pub(crate) struct Builder(Config, Ambient);

impl Builder {
    /// Models of the provider `test` go there.
    pub(crate) fn provider(self, provider: &Provider) -> Self {
        self.named_provider("test", provider)
    }

    /// Models of the provider `other`, such as `second`, go there.
    pub(crate) fn other_provider(self, provider: &Provider) -> Self {
        self.named_provider("other", provider)
    }

    fn named_provider(self, name: &str, provider: &Provider) -> Self {
        let url = provider.base_url();
        self.config(|config| config.providers.get_mut(name).unwrap().base_url = url)
    }

    /// Changes the configuration.
    pub(crate) fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.0);
        self
    }

    /// Goes by this clock.
    pub(crate) fn clock(self, ambient: &Ambient) -> Self {
        Self(self.0, ambient.clone())
    }

    pub(crate) fn start(self) -> TestServer {
        let Self(mut config, ambient) = self;
        let folder = tempfile::tempdir().unwrap();
        config.data_dir = folder.path().join("data");
        let server = Some(Server::start(config.clone(), ambient.clone()).unwrap());
        TestServer { server, accounts: Cell::new(0), config, ambient, folder }
    }
}

/// A running server.
pub(crate) struct TestServer {
    server: Option<Server>,
    accounts: Cell<u32>,
    config: Config,
    ambient: Ambient,
    folder: tempfile::TempDir,
}

impl TestServer {
    pub(crate) fn builder() -> Builder {
        Builder(config(), Ambient::system())
    }

    pub(crate) fn start() -> Self {
        Self::builder().start()
    }

    /// Stops, and starts again on the same folder, at another port.
    pub(crate) fn restart(self) -> Self {
        self.restart_after(|_| ())
    }

    /// The same; something happens in between.
    pub(crate) fn restart_after(mut self, between: impl FnOnce(&Self)) -> Self {
        self.server.take().unwrap().stop();
        between(&self);
        // A process that another test starts right now may hold the lock of the folder until it runs its program.
        let start = || match Server::start(self.config.clone(), self.ambient.clone()) {
            Err(StartError::Folder(FolderError::InUse(_))) => None,
            started => Some(started.unwrap()),
        };
        self.server = Some(eventually("the folder is free", start));
        self
    }

    /// The same with another configuration.
    pub(crate) fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self.restart()
    }

    /// A folder that is gone with the server; its data is in `data`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection to the database past the server.
    pub(crate) fn outside(&self) -> rusqlite::Connection {
        let outside = rusqlite::Connection::open(self.config.data_dir.join("skai.db")).unwrap();
        outside.busy_timeout(LIMIT).unwrap();
        outside
    }

    /// Lets nobody write to the database until the connection is dropped.
    pub(crate) fn lock(&self) -> rusqlite::Connection {
        let outside = self.outside();
        outside.execute_batch("begin immediate").unwrap();
        outside
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    /// What its deeds work with.
    pub(crate) fn app(&self) -> Arc<App> {
        Arc::clone(self.server.as_ref().unwrap().app())
    }

    /// A client without credentials.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// The operator.
    pub(crate) fn operator(&self) -> Client {
        self.client().with_key(OPERATOR)
    }

    /// A new account with [`CREDITS`] and a key that may do everything.
    pub(crate) fn account(&self) -> Account {
        self.account_with(&json!(CREDITS))
    }

    /// A new account with that many paid credits.
    pub(crate) fn account_with(&self, credits: &Value) -> Account {
        self.accounts.set(self.accounts.get() + 1);
        let name = format!("account {}", self.accounts.get());
        let operator = self.operator();
        let made = operator.post("/admin/v1/accounts", &json!({"name": name})).expect(201).json();
        let id = made["id"].as_str().unwrap().to_owned();
        if *credits != json!(0) {
            let path = format!("/admin/v1/accounts/{id}/credits/grants");
            operator.post(&path, &json!({"amount": credits})).expect(201);
        }
        let client = self.client().with_key(&self.key(&id, &json!(["*"]), &json!({})));
        Account { id, client }
    }

    /// A new key of the account.
    pub(crate) fn key(&self, account: &str, scopes: &Value, more: &Value) -> String {
        let mut body = json!({"account_id": account, "name": "test", "scopes": scopes});
        add(&mut body, more);
        let made = self.operator().post("/admin/v1/keys", &body).expect(201).json();
        made["key"].as_str().unwrap().to_owned()
    }

    /// How many accounts there are.
    pub(crate) fn account_count(&self) -> usize {
        let list = self.operator().get("/admin/v1/accounts?limit=100").expect(200).json();
        list["data"].as_array().unwrap().len()
    }

    /// What `/metrics` says of this series: its name with all labels.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.operator().get("/metrics").expect(200).text().to_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(|value| value.parse().unwrap())
    }

    /// How often something was in this cache, and how often it was not.
    pub(crate) fn cache_uses(&self, cache: &str) -> (u64, u64) {
        let uses = ["hit", "miss"].map(|result| {
            let labels = format!("cache=\"{cache}\",result=\"{result}\"");
            let series = format!("skai_cache_requests_total{{{labels}}}");
            format!("{}", self.metric(&series).unwrap()).parse().unwrap()
        });
        (uses[0], uses[1])
    }

    /// Pauses or resumes a queue.
    pub(crate) fn set_paused(&self, queue: &str, paused: bool) -> Value {
        let deed = if paused { "pause" } else { "resume" };
        let path = format!("/admin/v1/queues/{queue}/{deed}");
        self.operator().send("POST", &path, &[], None).expect(200).json()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let server = self.server.take().unwrap();
        // A test that failed already has said why.
        if !std::thread::panicking() {
            let report = ledger_audit::verify(server.app()).unwrap();
            assert!(report.ok, "the books are wrong: {:#?}", report.problems);
        }
        server.stop();
    }
}

/// The defaults, but on a free port, with quick retries and room for many requests.
fn config() -> Config {
    let mut config = Config::embedded().unwrap();
    let plenty: RateLimit = "1000000,1m".parse().unwrap();
    config.operator_token = Secret::new(OPERATOR.to_owned());
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    config.http.drain_timeout = Duration::from_secs(2);
    config.store.synchronous = Synchronous::Normal;
    config.auth.argon2_memory = 8 * 1024;
    config.auth.argon2_passes = 1;
    config.dashboard.argon2_memory = 8 * 1024;
    config.dashboard.argon2_passes = 1;
    config.auth.failed_attempts = plenty;
    config.rate_limit.default = plenty;
    config.rate_limit.operator = plenty;
    config.webhooks.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let queues = &mut config.queues;
    for queue in [&mut queues.generation_create, &mut queues.webhook_delivery, &mut queues.task_run]
    {
        queue.backoff = [1, 2, 3, 4, 5].map(Duration::from_millis).to_vec();
    }
    for name in ["test", "other"] {
        let provider = config::Provider {
            kind: ProviderKind::OpenAi,
            // Where a test gives no provider, nobody listens.
            base_url: "http://127.0.0.1:9/v1".to_owned(),
            api_key: Secret::new(format!("sk-of-{name}")),
            timeout: None,
            // Tests fail providers as often as they like.
            breaker_failures: Some(0),
            breaker_pause: Duration::from_secs(30),
            max_concurrency: 0,
            allow_media_urls: false,
        };
        config.providers.insert(name.to_owned(), provider);
    }
    // A credit for a token of the prompt, two for one of the completion.
    model(&mut config, "m", "test", Some(("1000000", "2000000")));
    model(&mut config, "exact", "test", Some(("0.15", "0.6")));
    model(&mut config, "second", "other", Some(("3000000", "3000000")));
    model(&mut config, "free", "test", None);
    config.models.get_mut("free").unwrap().free = true;
    model(&mut config, "unpriced", "test", None);
    config
}

fn model(config: &mut Config, name: &str, provider: &str, price: Option<(&str, &str)>) {
    let model = config::Model {
        provider: provider.to_owned(),
        input_per_million: price.map(|(input, _)| input.parse().unwrap()),
        output_per_million: price.map(|(_, output)| output.parse().unwrap()),
        cached_input_per_million: None,
        minimum_charge: None,
        free: false,
        upstream: format!("upstream-{name}"),
        max_tokens: Some(100),
    };
    config.models.insert(name.to_owned(), model);
}

fn add(body: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
}

/// The smallest request for a job of the model `m`, with `more` in it.
pub(crate) fn job(more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    add(&mut body, more);
    body
}

/// An account, by a key that may do everything.
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) client: Client,
}

impl Account {
    /// The same account at another start of its server.
    pub(crate) fn at(&self, server: &TestServer) -> Self {
        let authorization = self.client.authorization();
        let client = server.client().with_header("Authorization", authorization);
        Self { id: self.id.clone(), client }
    }

    /// The same account by a key of a new test project.
    #[track_caller]
    pub(crate) fn twin(&self, server: &TestServer) -> Self {
        let body = json!({"name": "tests", "environment": "test"});
        let project = self.client.post("/v1/projects", &body).expect(201).json();
        self.in_project(server, &project)
    }

    /// The same account by a key of that project which may do everything.
    #[track_caller]
    pub(crate) fn in_project(&self, server: &TestServer, project: &Value) -> Self {
        let key = server.key(&self.id, &json!(["*"]), &json!({"project_id": project["id"]}));
        Self { id: self.id.clone(), client: server.client().with_key(&key) }
    }

    /// Posts the smallest job with `more` in it, which must be accepted.
    #[track_caller]
    pub(crate) fn post_job(&self, more: &Value) -> Value {
        self.client.post("/v1/jobs/generations", &job(more)).expect(202).json()
    }

    /// The job once it has ended.
    #[track_caller]
    pub(crate) fn wait_job(&self, job: &Value) -> Value {
        let job = self.client.get(&format!("{}?wait=15", path(job))).expect(200).json();
        assert!(!job["finished_at"].is_null(), "the job did not end: {job}");
        job
    }

    /// Posts a job and waits for its end.
    #[track_caller]
    pub(crate) fn run_job(&self, more: &Value) -> Value {
        self.wait_job(&self.post_job(more))
    }

    pub(crate) fn look(&self, job: &Value) -> Value {
        self.client.get(&path(job)).expect(200).json()
    }

    /// Does `cancel` or `retry`.
    pub(crate) fn deed(&self, job: &Value, deed: &str) -> Reply {
        self.client.send("POST", &format!("{}/{deed}", path(job)), &[], None)
    }

    /// The names of the job's events, oldest first.
    pub(crate) fn story(&self, job: &Value) -> Vec<String> {
        let events = self.list(&format!("{}/events?limit=100", path(job)));
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// An endpoint at the receiver.
    pub(crate) fn endpoint(&self, receiver: &Receiver, place: &str, more: &Value) -> Endpoint {
        let mut body = json!({"url": receiver.url(place)});
        add(&mut body, more);
        let made = self.client.post("/v1/webhooks/endpoints", &body).expect(201).json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Endpoint { id: text("id"), secret: text("secret") }
    }

    /// What is available and what is reserved.
    pub(crate) fn balance(&self) -> (Value, Value) {
        let balance = self.client.get("/v1/credits/balance").expect(200).json();
        (balance["available"].clone(), balance["reserved"].clone())
    }

    /// The rows of a list's first page.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let list = self.client.get(path).expect(200).json();
        list["data"].as_array().unwrap().clone()
    }

    /// Kind and change of the ledger's entries for the job, oldest first.
    pub(crate) fn entries(&self, job: &Value) -> Vec<(String, Value)> {
        let id = job["id"].as_str().unwrap();
        let entries = self.list(&format!("/v1/credits/ledger?limit=100&job_id={id}"));
        let kind = |entry: &Value| entry["kind"].as_str().unwrap().to_owned();
        entries.iter().rev().map(|entry| (kind(entry), entry["delta"].clone())).collect()
    }
}

fn path(job: &Value) -> String {
    format!("/v1/jobs/{}", job["id"].as_str().unwrap())
}

/// An endpoint for webhooks.
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Endpoint {
    /// Its address in the API, with `rest` after it.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/webhooks/endpoints/{}{rest}", self.id)
    }
}
