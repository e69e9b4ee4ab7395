//! A server under load from careful clients, which repeat a request under its key until it is answered.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::Not as _,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    Client, LIMIT, Provider, Receiver,
    program::{Account, Program, Running},
    provider::completion,
};

/// Long enough that every kill meets calls in flight.
const CALL: Duration = Duration::from_millis(20);
/// What the account has at the beginning.
pub(super) const CREDITS: f64 = 1_000_000.0;

/// A data folder, an account, and everything that a server of it talks to.
pub(super) struct World {
    pub(super) program: Program,
    pub(super) provider: Provider,
    pub(super) receiver: Receiver,
    pub(super) account: Account,
}

impl World {
    /// With an account. `http` and `generations` are more settings of `[http]` and
    /// `[queues."generation.create"]`.
    pub(super) fn new(http: &str, generations: &str) -> Self {
        let mut world = Self::configured(http, generations);
        world.account = world.program.account(&CREDITS.to_string());
        world
    }

    /// Without a data folder.
    pub(super) fn untouched() -> Self {
        Self::configured("", "")
    }

    fn configured(http: &str, generations: &str) -> Self {
        let (program, provider) = (Program::new(), Provider::start());
        // Each job gets an answer of its own, so that a mix-up would show.
        provider.answer_with(|call| {
            let asked = call.json()["messages"][0]["content"].as_str().unwrap().to_owned();
            completion(&answer_to(&asked)).delay(CALL)
        });
        let settings = format!(
            r#"
            [http]
            {http}
            [rate_limit]
            default = "1000000,1s"
            [providers.local]
            kind = "openai"
            base_url = "{}"
            [models.test]
            provider = "local"
            input_per_million = 1000000
            output_per_million = 1000000
            [queues."generation.create"]
            concurrency = 16
            {generations}
            [queues."webhook.delivery"]
            concurrency = 16
            lane_concurrency = 16
            max_crashes = 100
            [queues."task.run"]
            concurrency = 16
            max_crashes = 100
            [webhooks]
            allow_networks = ["127.0.0.0/8"]
            "#,
            provider.base_url()
        );
        std::fs::write(program.path().join("config.toml"), settings).unwrap();
        let account = Account { id: String::new(), key: String::new() };
        Self { program, provider, receiver: Receiver::start(), account }
    }

    pub(super) fn serve(&self) -> Running {
        Running::start(&mut self.program.command(&["--config", "config.toml"]))
    }

    pub(super) fn client(&self, server: &Running) -> Client {
        server.client(&self.account.key)
    }

    /// Registers the receiver for all events; gives the secret.
    pub(super) fn register(&self, server: &Running) -> String {
        let body = json!({"url": self.receiver.url("/hook"), "events": ["*"]});
        let endpoint = self.client(server).post("/v1/webhooks/endpoints", &body).expect(201);
        endpoint.json()["secret"].as_str().unwrap().to_owned()
    }

    /// Clients that post from now on, each over one connection.
    pub(super) fn load(&self, server: &Running, clients: usize) -> Load {
        let load = Load { shared: Arc::default(), clients: Vec::new() };
        load.turn_to(server);
        let start = |number| {
            let (shared, key) = (Arc::clone(&load.shared), self.account.key.clone());
            thread::spawn(move || shared.post_jobs(number, &key))
        };
        Load { clients: (0..clients).map(start).collect(), ..load }
    }
}

/// What the provider answers to the prompt.
pub(super) fn answer_to(prompt: &str) -> String {
    format!("The answer to {prompt}")
}

/// The job that is posted under the idempotency key.
pub(super) fn job(key: &str) -> Value {
    json!({"model": "test", "messages": [{"role": "user", "content": key}], "max_tokens": 5})
}

/// Clients at work.
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the server listens now; counts the servers so far.
    server: Option<(usize, SocketAddr)>,
    /// Job ids by idempotency key: what a 202 promised.
    accepted: BTreeMap<String, String>,
    ending: bool,
}

impl Load {
    /// Tells the clients of a new server.
    pub(super) fn turn_to(&self, server: &Running) {
        let mut state = self.shared.lock();
        let number = state.server.map_or(0, |(number, _)| number + 1);
        state.server = Some((number, server.address));
        drop(state);
        self.shared.changed.notify_all();
    }

    pub(super) fn accepted(&self) -> usize {
        self.shared.lock().accepted.len()
    }

    pub(super) fn wait_for_accepted(&self, count: usize) {
        drop(self.shared.wait_while(|state| state.accepted.len() < count));
    }

    /// Lets each client end with the job that it is posting; gives all jobs by idempotency key.
    pub(super) fn end(self) -> BTreeMap<String, String> {
        self.shared.lock().ending = true;
        for client in self.clients {
            client.join().unwrap();
        }
        std::mem::take(&mut self.shared.lock().accepted)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wait_while(&self, waiting: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let wait = self.changed.wait_timeout_while(self.lock(), LIMIT, |state| waiting(state));
        let (state, waited) = wait.unwrap();
        assert!(waited.timed_out().not(), "waited in vain at {} jobs", state.accepted.len());
        state
    }

    fn post_jobs(&self, number: usize, key: &str) {
        let mut connection = Connection { shared: self, key, open: None };
        for n in 0.. {
            if self.lock().ending {
                return;
            }
            let once = format!("client {number}, job {n}");
            let id = connection.post(&once);
            self.lock().accepted.insert(once, id.clone());
            self.changed.notify_all();
            if n % 4 == 3 {
                // As many callers do. It also keeps the load from running away from the server.
                connection.await_end(&id);
            }
        }
    }
}

/// A client's connection to whichever server there is.
struct Connection<'a> {
    shared: &'a Shared,
    key: &'a str,
    open: Option<(usize, Client)>,
}

impl Connection<'_> {
    /// Posts the job until the server says that it has it; gives its id.
    fn post(&mut self, once: &str) -> String {
        let body = job(once).to_string();
        let headers = [("Idempotency-Key", once), ("Content-Type", "application/json")];
        loop {
            let client = self.client();
            let reply =
                client.try_send("POST", "/v1/jobs/generations", &headers, Some(body.as_bytes()));
            match reply {
                Ok(reply) if reply.status == 202 => {
                    return reply.json()["id"].as_str().unwrap().to_owned();
                }
                // A server that drains refuses, one that is killed falls silent.
                Ok(reply) if reply.status == 503 => self.lost(),
                Ok(reply) => panic!("{}: {}", reply.status, reply.text()),
                Err(_) => self.lost(),
            }
        }
    }

    /// Waits for the job unless the server goes away meanwhile.
    fn await_end(&mut self, id: &str) {
        match self.client().try_send("GET", &format!("/v1/jobs/{id}?wait=10"), &[], None) {
            Ok(reply) => assert!([200, 503].contains(&reply.status), "{}", reply.text()),
            Err(_) => self.lost(),
        }
    }

    fn client(&mut self) -> &Client {
        let Self { shared, key, open } = self;
        let (_, client) = open.get_or_insert_with(|| {
            let (number, address) = shared.lock().server.unwrap();
            (number, Client::new(address).with_key(key))
        });
        client
    }

    /// Waits for the server after this one.
    fn lost(&mut self) {
        let Some((number, _)) = self.open.take() else { return };
        drop(self.shared.wait_while(|state| state.server.is_some_and(|(now, _)| now == number)));
    }
}
