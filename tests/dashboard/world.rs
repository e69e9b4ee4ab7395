//! A server with a provider, a receiver of webhooks, an account with something of everything, and people who sign in.

use serde_json::{Value, json};
use skai_server::app::sign_in;

use super::{browser::Browser, words};
use crate::support::{
    Answer, Client, Provider, Receiver,
    server::{Account, TestServer},
};

/// The owner of the account, who is the operator too.
pub(super) const OWNER: &str = "owner@example.com";
pub(super) const SECRET: &str = "correct horse battery";

pub(super) struct World {
    pub(super) provider: Provider,
    pub(super) receiver: Receiver,
    pub(super) server: TestServer,
    pub(super) account: Account,
}

impl World {
    /// With an account that has credits and nothing else; nobody can sign in yet.
    pub(super) fn new() -> Self {
        let (provider, receiver) = (Provider::start(), Receiver::start());
        let server = TestServer::builder().provider(&provider).start();
        let account = server.account();
        Self { provider, receiver, server, account }
    }

    /// The same with an owner.
    pub(super) fn with_owner() -> Self {
        let world = Self::new();
        accept(&world.server, &world.setup_token(), OWNER);
        world
    }

    /// What the link says that the server prints at its first start.
    pub(super) fn setup_token(&self) -> String {
        setup_token(&self.server)
    }

    /// A browser in which nobody is signed in.
    pub(super) fn browser(&self) -> Browser {
        Browser::at(self.server.address())
    }

    /// A browser in which the owner is.
    pub(super) fn owner(&self) -> Browser {
        let browser = self.browser();
        sign_in_as(&browser, OWNER);
        browser
    }

    /// Makes a member of this role, who has accepted.
    pub(super) fn member(&self, email: &str, role: &str) {
        accept(&self.server, &self.invite(email, role), email);
    }

    /// Invites somebody; gives what their link says.
    pub(super) fn invite(&self, email: &str, role: &str) -> String {
        let body = json!({"email": email, "role": role});
        let made = self.account.client.post("/v1/users", &body).expect(201).json();
        let (_, token) = made["invite_url"].as_str().unwrap().split_once('#').unwrap();
        token.to_owned()
    }

    /// Makes something for every page to show; gives the name and path of each page.
    pub(super) fn furnish(&self) -> Vec<(&'static str, String)> {
        let client = &self.account.client;
        let made = |path: &str, body: &Value| {
            let reply = client.post(path, body);
            assert!(reply.status < 300, "{path}: {}", reply.text());
            reply.json()
        };
        let agent = json!({"name": "greeter", "model": "m", "messages": [{"role": "user", "content": "Greet {{ input.who }}"}]});
        client.post("/v1/agents", &agent).expect(201);
        let endpoint = self.account.endpoint(&self.receiver, "/hook", &json!({}));
        let job = self.account.run_job(&json!({"user": "ann", "metadata": {"order": "17"}}));
        self.receiver.wait_for_deliveries(1);
        let delivery = self.account.list("/v1/webhooks/deliveries").remove(0);
        let batch = made("/v1/batches", &crate::batches::batch(2, &json!({})));
        client
            .put("/v1/functions/greet", &json!({"kind": "agent", "agent": "greeter"}))
            .expect(200);
        let schedule = json!({"name": "daily", "function_name": "greet", "cron": "0 9 * * *", "timezone": "Europe/Berlin"});
        client.post("/v1/schedules", &schedule).expect(201);
        let task = made("/v1/scheduled-tasks", &json!({"function_name": "greet"}));
        self.fail_a_delivery();
        self.member("dev@example.com", "developer");
        let one = |path: &str, object: &Value| {
            format!("/dashboard/{path}/{}", object["id"].as_str().unwrap())
        };
        let mut pages: Vec<_> = LISTS.map(|(name, path)| (name, path.to_owned())).into();
        pages.extend([
            ("job", one("jobs", &job)),
            ("agent", "/dashboard/agents/greeter".to_owned()),
            ("batch", one("batches", &batch)),
            ("endpoint", format!("/dashboard/webhooks/endpoints/{}", endpoint.id)),
            ("delivery", one("webhooks/deliveries", &delivery)),
            ("task", one("schedules/tasks", &task)),
        ]);
        pages
    }

    /// Leaves a dead letter: an endpoint whose deliveries fail until they are given up.
    pub(super) fn fail_a_delivery(&self) -> Value {
        let endpoint = self.account.endpoint(&self.receiver, "/down", &json!({}));
        self.receiver.answer_with(|request| {
            Answer::new(if request.path == "/down" { 404 } else { 200 }, "")
        });
        let path = endpoint.path("/test");
        self.account.client.send("POST", &path, &[], None);
        crate::support::eventually("the delivery is given up", || {
            self.account.list("/v1/dlq").pop()
        })
    }
}

/// Pages that need no object.
pub(super) const LISTS: [(&str, &str); 14] = [
    ("overview", "/dashboard"),
    ("jobs", "/dashboard/jobs"),
    ("agents", "/dashboard/agents"),
    ("batches", "/dashboard/batches"),
    ("schedules", "/dashboard/schedules"),
    ("webhooks", "/dashboard/webhooks"),
    ("credits", "/dashboard/credits"),
    ("usage", "/dashboard/usage"),
    ("end-users", "/dashboard/end-users"),
    ("keys", "/dashboard/keys"),
    ("members", "/dashboard/members"),
    ("system", "/dashboard/system"),
    ("account", "/dashboard/account"),
    ("nothing", "/dashboard/no-such-page"),
];

/// What the link says that the server prints at its first start.
pub(super) fn setup_token(server: &TestServer) -> String {
    sign_in::new_setup_link(&server.app()).unwrap().expect("nobody is in").expose().clone()
}

/// A client whose requests look like those of the page.
pub(super) fn page_client(server: &TestServer) -> Client {
    server.client().with_header("Sec-Fetch-Site", "same-origin")
}

/// Accepts a link; gives the session's cookie.
pub(super) fn accept(server: &TestServer, token: &str, email: &str) -> String {
    let body = json!({"token": token, "password": SECRET, "email": email});
    let reply = page_client(server).post("/dashboard/api/links/accept", &body).expect(201);
    reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// Signs in on the page.
pub(super) fn sign_in_as(browser: &Browser, email: &str) {
    browser.open("/dashboard");
    browser.fill(words::EMAIL, email);
    browser.fill(words::PASSWORD, SECRET);
    browser.click(words::SIGN_IN);
    browser.see("Overview");
    browser.arrive("/dashboard");
}
