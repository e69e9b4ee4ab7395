//! Every route of the table, by the document that the server gives of it: who may use it, what it
//! answers, and that no account reaches another's objects. A route that is not known here fails.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    conventions::refused,
    document::{Access, Document, Operation},
};
use crate::support::{
    Client, Person, Provider, Receiver,
    client::Reply,
    people::PASSWORD,
    provider::error,
    server::{Account, Endpoint, OPERATOR, TestServer},
};

/// An id that nothing has.
const NOBODY: &str = "01939b2a-7c1e-7000-8000-000000000000";

/// For one object, and yet nobody else's is reached: a model is nobody's, and who changes an end user that it does
/// not have, or puts a function, makes one of its own.
const MAY_BE_NEW: [&str; 3] = ["getModel", "updateEndUser", "putFunction"];

/// A stream without an end: only its head is looked at.
const ENDLESS: &str = "followChanges";

impl Operation {
    fn speaks_openai(&self) -> bool {
        self.path.starts_with("/v1/chat/") || self.path.starts_with("/v1/models")
    }

    fn call(&self, client: &Client, path: &str, world: &World) -> Reply {
        let body = body(&self.id, world);
        assert!(body.is_some() || !self.takes_body, "the tests have no body for {}", self.id);
        let body = body.map(|body| body.to_string());
        let mut headers = vec![("Content-Type", "application/json")];
        let signature;
        if let ("receiveStripeEvent", Some(body)) = (&*self.id, &body) {
            signature = crate::stripe::sign_now(body);
            headers.push(("Stripe-Signature", &signature));
        }
        client.send(&self.method, path, &headers, body.as_deref().map(str::as_bytes))
    }
}

/// The same code in the words of the operation: clients of OpenAI's API know others.
fn refused_by(operation: &Operation, reply: &Reply, status: u16, code: &str) {
    let code = match code {
        own if !operation.speaks_openai() => own.to_owned(),
        "UNAUTHENTICATED" => "invalid_api_key".to_owned(),
        "RATE_LIMIT" => "rate_limit_exceeded".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    refused(reply, status, &code);
}

/// A good body for each route that takes one.
fn body(operation: &str, world: &World) -> Option<Value> {
    Some(match operation {
        "createBatch" => crate::batches::batch(1, &json!({"model": "sandbox"})),
        "createAgent" => agent(&World::new_name()),
        "createAgentVersion" => {
            let mut body = agent("");
            body.as_object_mut().unwrap().remove("name");
            body
        }
        "createEval" => eval(),
        "createEvalRun" => json!({}),
        "activateAgentVersion" => json!({"version": 1}),
        "createGeneration" | "createChatCompletion" => {
            crate::support::server::job(&json!({"model": "sandbox"}))
        }
        "createWebhookEndpoint" => json!({"url": "https://example.com/hook", "events": ["ping"]}),
        "updateWebhookEndpoint" => json!({"description": "changed"}),
        "validateSchema" => json!({"schema": {"type": "null"}, "instance": null}),
        "createProject" => json!({"name": World::new_name()}),
        "updateProject" => json!({"monthly_credit_limit": null}),
        "createApiKey" => json!({"name": "made", "scopes": ["keys:write"]}),
        "createAccount" => json!({"name": "made"}),
        "updateEndUser" => json!({"daily_token_cap": 5}),
        "putFunction" => function(),
        "createScheduledTask" => json!({"function_name": "streak-updater"}),
        "createSchedule" => schedule(),
        "updateAccount" | "updateSchedule" => json!({"name": "changed"}),
        "receiveStripeEvent" => crate::stripe::unmatched(&World::new_name()),
        "addStripeCustomer" => {
            json!({"account_id": world.account.id, "stripe_customer_id": World::new_name()})
        }
        "processStripeEvent" => json!({"account_id": world.account.id}),
        "grantCredits" | "adjustCredits" => json!({"amount": "0.5"}),
        "createUser" => json!({"email": format!("{}@x", World::new_name()), "role": "viewer"}),
        "updateUser" => json!({"role": "viewer"}),
        "openSignInLink" => json!({"token": world.link()}),
        "acceptSignInLink" => json!({"token": world.link(), "password": PASSWORD}),
        "signIn" => json!({"email": world.person.email, "password": PASSWORD}),
        "changePassword" => json!({"current_password": PASSWORD, "new_password": PASSWORD}),
        "issueApiKey" => {
            json!({"account_id": world.account.id, "name": "made", "scopes": ["jobs:read"]})
        }
        _ => return None,
    })
}

fn eval() -> Value {
    json!({"name": "made", "cases": [{"input": {}, "expect": {"contains": ""}}]})
}

fn function() -> Value {
    json!({"kind": "http", "url": "https://example.com/run"})
}

fn schedule() -> Value {
    json!({"name": "made", "cron": "@daily", "function_name": "streak-updater"})
}

/// In an hour.
fn later() -> skai_server::domain::Timestamp {
    let ahead = std::time::Duration::from_hours(1);
    skai_server::ambient::Ambient::system().now().plus(ahead)
}

fn agent(name: &str) -> Value {
    let messages = json!([{"role": "user", "content": "{{ input.text | default('hi') }}"}]);
    json!({"name": name, "model": "sandbox", "messages": messages})
}

/// A server with an account that has one object of each kind.
struct World {
    server: TestServer,
    account: Account,
    provider: Provider,
    receiver: Receiver,
    endpoint: Endpoint,
    /// An owner of the account.
    person: Person,
}

impl World {
    fn new() -> Self {
        let (provider, receiver) = (Provider::start(), Receiver::start());
        let server = TestServer::builder()
            .provider(&provider)
            .config(|config| {
                config.batches.body_limit = config.http.body_limit;
                config.queues.generation_create.backoff.clear();
                config.queues.webhook_delivery.backoff.clear();
                config.stripe.webhook_secrets = crate::stripe::secrets();
            })
            .start();
        let account = server.account();
        let endpoint = account.endpoint(&receiver, "/", &json!({"events": ["ping"]}));
        let person = Person::owner(&server, &account);
        Self { server, account, provider, receiver, endpoint, person }
    }

    /// The path of an object for which the operation succeeds.
    fn path(&self, operation: &Operation) -> String {
        let path = &operation.path;
        let name = match () {
            () if !operation.is_for_one() => String::new(),
            () if path.starts_with("/v1/jobs/{id}") => self.job(&operation.id),
            () if path.starts_with("/v1/batches/{id}") => self.batch(),
            () if path.contains("/evals/{id}") => self.eval_run(),
            () if path.contains("/versions/{n}") => self.agent() + "/1",
            () if path.starts_with("/v1/agents/{name}") => self.agent(),
            () if path.starts_with("/v1/webhooks/endpoints/{id}") => self.endpoint.id.clone(),
            () if path.starts_with("/v1/webhooks/deliveries/{id}") => self.failed_delivery(),
            () if path.starts_with("/v1/models/{id}") => "sandbox".to_owned(),
            () if path.starts_with("/v1/dlq/{id}") => self.dead_letter(),
            () if path.starts_with("/v1/projects/{id}") => self.project(),
            () if path.starts_with("/v1/end-users/{external_id}") => self.end_user(),
            () if path.starts_with("/v1/functions/{name}") => self.function(),
            () if path.starts_with("/v1/scheduled-tasks/{id}") => self.task(&operation.id),
            () if path.starts_with("/v1/schedules/{id}") => self.schedule(),
            () if path.starts_with("/v1/invocations/{id}") => self.invocation(),
            () if path.starts_with("/v1/api-keys/{id}") => self.key(),
            () if path.starts_with("/v1/users/{id}") => self.user(),
            () if path.starts_with("/dashboard/api/sessions/{id}") => self.session(),
            () if path.starts_with("/admin/v1/keys/{id}") => self.key(),
            () if path.starts_with("/admin/v1/accounts/{id}") => self.account.id.clone(),
            () if path.contains("/stripe/customers/{stripe_customer_id}") => self.customer(),
            () if path.contains("/stripe/events/{event_id}") => self.stripe_event(),
            () if path.starts_with("/admin/v1/duties/{name}") => "prune".to_owned(),
            () if path.starts_with("/admin/v1/queues/{name}") => "task.run".to_owned(),
            () => panic!("the tests know no object for {path}; add it here"),
        };
        let query = match operation.id.as_str() {
            "compareEvalRuns" => format!("?with={}", name.rsplit('/').next().unwrap()),
            "listKeysOfAccount" => format!("?account_id={}", self.account.id),
            _ => String::new(),
        };
        operation.at(&name) + &*query
    }

    /// A job: one that waits for `cancelJob`, else one that failed.
    fn job(&self, operation: &str) -> String {
        let job = if operation == "cancelJob" {
            self.account.post_job(&json!({"run_at": later()}))
        } else {
            self.failed_job()
        };
        job["id"].as_str().unwrap().to_owned()
    }

    /// What a job was asked and answered that ended with an attempt.
    fn invocation(&self) -> String {
        self.failed_job();
        let list = self.account.client.get("/v1/invocations?limit=1").expect(200).json();
        list["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// A batch whose one job does not begin.
    fn batch(&self) -> String {
        let body = crate::batches::batch(1, &json!({"run_at": later()}));
        let made = self.account.client.post(crate::batches::BATCHES, &body).expect(202).json();
        made["id"].as_str().unwrap().to_owned()
    }

    /// A name that no agent has; it looks like an id.
    fn new_name() -> String {
        skai_server::ambient::Ambient::system().uuid().to_string()
    }

    /// Names of an agent, its eval, and a run of that which is over.
    fn eval_run(&self) -> String {
        let client = &self.account.client;
        let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
        let mut path = self.agent();
        let made = client.post(&format!("/v1/agents/{path}/evals"), &eval()).expect(201).json();
        path = format!("{path}/evals/{}", id(&made));
        let runs = format!("/v1/agents/{path}/runs");
        let run = id(&client.post(&runs, &json!({})).expect(202).json());
        client.get(&format!("{runs}/{run}?wait=15")).expect(200);
        format!("{}/{run}", path.replace("/evals/", "/"))
    }

    fn agent(&self) -> String {
        let name = Self::new_name();
        self.account.client.post("/v1/agents", &agent(&name)).expect(201);
        name
    }

    fn dead_letter(&self) -> String {
        let job = self.job("");
        let letters = self.account.list("/v1/dlq?limit=100");
        let letter = letters.iter().find(|letter| letter["job_id"] == job).unwrap();
        letter["id"].as_str().unwrap().to_owned()
    }

    /// Work of an earlier operation that is late may take the answer that was meant for this; then
    /// another is made.
    fn failed_job(&self) -> Value {
        let make = || {
            self.provider.queue(error(500, "oops"));
            self.account.run_job(&json!({}))
        };
        let mut tries = std::iter::repeat_with(make).take(10);
        tries.find(|job| job["status"] == "failed").expect("a job fails")
    }

    /// As with jobs, a delivery that is late may take the answer.
    fn failed_delivery(&self) -> String {
        let make = || {
            self.receiver.queue(crate::support::Answer::new(500, ""));
            let sent = self.account.client.send("POST", &self.endpoint.path("/test"), &[], None);
            self.delivered(sent.expect(202).json()["id"].as_str().unwrap())
        };
        let mut tries = std::iter::repeat_with(make).take(10);
        let failed = tries.find(|delivery| delivery["status"] == "failed");
        failed.expect("a delivery fails")["id"].as_str().unwrap().to_owned()
    }

    /// The delivery once it has ended.
    fn delivered(&self, id: &str) -> Value {
        let path = format!("/v1/webhooks/deliveries/{id}");
        crate::support::eventually("the delivery ends", || {
            let delivery = self.account.client.get(&path).expect(200).json();
            Some(delivery).filter(|delivery| delivery["status"] != "pending")
        })
    }

    fn project(&self) -> String {
        let body = json!({"name": Self::new_name()});
        let made = self.account.client.post("/v1/projects", &body).expect(201).json();
        made["id"].as_str().unwrap().to_owned()
    }

    /// Its name looks like an id.
    fn function(&self) -> String {
        let name = Self::new_name();
        let path = format!("/v1/functions/{name}");
        self.account.client.put(&path, &function()).expect(200);
        name
    }

    /// A task that does not begin; canceled for `retryScheduledTask`.
    fn task(&self, operation: &str) -> String {
        let (client, all) = (&self.account.client, "/v1/scheduled-tasks");
        let body = json!({"function_name": "streak-updater", "scheduled_time": later()});
        let made = client.post(all, &body).expect(201).json();
        let id = made["id"].as_str().unwrap().to_owned();
        if operation == "retryScheduledTask" {
            client.send("POST", &format!("{all}/{id}/cancel"), &[], None).expect(200);
        }
        id
    }

    fn schedule(&self) -> String {
        let made = self.account.client.post("/v1/schedules", &schedule()).expect(201).json();
        made["id"].as_str().unwrap().to_owned()
    }

    /// Its name looks like an id.
    fn end_user(&self) -> String {
        let name = Self::new_name();
        let path = format!("/v1/end-users/{name}");
        self.account.client.patch(&path, &json!({"daily_token_cap": 5})).expect(200);
        name
    }

    fn key(&self) -> String {
        let body = json!({"name": "one", "scopes": ["jobs:read"]});
        let made = self.account.client.post("/v1/api-keys", &body).expect(201).json();
        made["id"].as_str().unwrap().to_owned()
    }

    /// Somebody who is invited, and the link.
    fn invited(&self) -> (String, String) {
        let body = json!({"email": format!("{}@x", Self::new_name()), "role": "viewer"});
        let made = self.account.client.post("/v1/users", &body).expect(201).json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("invite_url"))
    }

    fn user(&self) -> String {
        self.invited().0
    }

    /// The token of a link.
    fn link(&self) -> String {
        self.invited().1.split('#').nth(1).unwrap().to_owned()
    }

    /// Another session of the person's.
    fn session(&self) -> String {
        let other = self.person.sign_in(&self.server);
        other.get("/dashboard/api/session").expect(200).json()["id"].as_str().unwrap().to_owned()
    }

    /// A customer of Stripe's.
    fn customer(&self) -> String {
        let id = Self::new_name();
        let body = json!({"account_id": self.account.id, "stripe_customer_id": id});
        self.server.operator().post("/admin/v1/stripe/customers", &body).expect(201);
        id
    }

    /// An event of Stripe's for nobody known.
    fn stripe_event(&self) -> String {
        let id = Self::new_name();
        crate::stripe::tell(&self.server.client(), &crate::stripe::unmatched(&id));
        id
    }

    fn may(&self, operation: &Operation) -> Client {
        match operation.access {
            Access::Operator => self.server.operator(),
            // As the dashboard's page asks.
            Access::Open => self.server.client().with_header("Sec-Fetch-Site", "same-origin"),
            // A new password ends the sessions from before.
            Access::SignedIn => self.person.sign_in(&self.server),
            Access::Tenant(_) => self.account.client.clone(),
        }
    }
}

#[test]
fn every_route_works_and_answers_as_documented() {
    let world = World::new();
    let document = Document::of(&world.server);
    let mut operations = document.operations();
    // What takes an object away comes last.
    operations.sort_by_key(|operation| operation.method == "DELETE");
    for operation in &operations {
        let path = world.path(operation);
        if operation.id == ENDLESS {
            let stream = world.may(operation).stream(&path, &[]);
            document.check(operation, &stream.head.expect(operation.success));
            continue;
        }
        let reply = operation.call(&world.may(operation), &path, &world);
        let body = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, operation.success, "{}: {body}", operation.id);
        document.check(operation, &reply);
        let missing = world.may(operation).send(&operation.method, &path, &[], Some(b"{"));
        assert!(missing.status < 500, "{}", operation.id);
    }
}

#[test]
fn every_route_wants_its_credentials() {
    let world = World::new();
    let document = Document::of(&world.server);
    let nobody = world.server.client();
    let operator = nobody.with_key(OPERATOR);
    for operation in document.operations() {
        let path = operation.at(NOBODY);
        let strangers = match operation.access {
            Access::Open => continue,
            Access::Tenant(_) | Access::SignedIn => [&nobody, &operator],
            Access::Operator => [&nobody, &world.account.client],
        };
        for client in strangers {
            let reply = operation.call(client, &path, &world);
            refused_by(&operation, &reply, 401, "UNAUTHENTICATED");
            document.check(&operation, &reply);
        }
    }
}

#[test]
fn every_route_wants_its_scope() {
    let world = World::new();
    let document = Document::of(&world.server);
    let operations = document.operations();
    let scope_of = |operation: &Operation| match &operation.access {
        Access::Tenant(scope) => scope.clone(),
        Access::Open | Access::SignedIn | Access::Operator => None,
    };
    let scopes: BTreeSet<_> = operations.iter().filter_map(scope_of).collect();
    let all: Vec<_> = skai_server::domain::Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let key = |scopes: &[&str]| {
        let key = world.server.key(&world.account.id, &json!(scopes), &json!({}));
        world.server.client().with_key(&key)
    };
    for scope in &scopes {
        let others: Vec<_> = all
            .iter()
            .copied()
            .filter(|other| *other != scope && *other != "credits:write")
            .collect();
        let (with, without) = (key(&[scope]), key(&others));
        for operation in operations.iter().filter(|one| scope_of(one).as_ref() == Some(scope)) {
            // A cap of an end user can be set before anything is known of it, and a function is made by its name.
            let makes = ["updateEndUser", "putFunction"].contains(&&*operation.id);
            let path = operation.at(&if makes { World::new_name() } else { NOBODY.to_owned() });
            let reply = operation.call(&without, &path, &world);
            refused_by(operation, &reply, 403, "INSUFFICIENT_SCOPE");
            document.check(operation, &reply);
            let reply = operation.call(&with, &path, &world);
            let is_missing = operation.is_for_one() && !makes;
            // A key with one scope gives nobody a role that has more.
            let is_weak = operation.id == "createUser";
            let expected = match (is_missing, is_weak) {
                (true, _) => 404,
                (_, true) => 403,
                _ => operation.success,
            };
            assert_eq!(reply.status, expected, "{} with {scope}", operation.id);
            document.check(operation, &reply);
        }
    }
    // The tenant routes without a scope take any key.
    let any: Vec<_> = operations
        .iter()
        .filter(|one| one.access == Access::Tenant(None))
        .map(|one| &*one.id)
        .collect();
    assert_eq!(any, ["listModels", "getModel", "getMe", ENDLESS]);
    // `billing:read` is another name of `credits:read`.
    key(&["billing:read"]).get("/v1/credits/balance").expect(200);
}

#[test]
fn every_route_documents_its_refusals() {
    let world = World::new();
    let document = Document::of(&world.server);
    for operation in document.operations() {
        let (client, path) = (world.may(&operation), operation.at(NOBODY));
        let check = |reply: Reply, status: u16, code: &str| {
            refused_by(&operation, &reply, status, code);
            document.check(&operation, &reply);
        };
        let ask = |headers: &[(&str, &str)], body: Option<&[u8]>| {
            client.send(&operation.method, &path, headers, body)
        };
        let odd = format!("{path}?extra=1");
        check(client.send(&operation.method, &odd, &[], None), 400, "INVALID_REQUEST");
        // Whatever it takes must be signed; tests/stripe shows what it refuses.
        if operation.takes_body && operation.id != "receiveStripeEvent" {
            let json = ("Content-Type", "application/json");
            check(ask(&[json], Some(b"{")), 400, "INVALID_JSON");
            check(ask(&[json], Some(b"{\"extra\":1}")), 400, "INVALID_REQUEST");
            check(
                ask(&[("Content-Type", "text/plain")], Some(b"{}")),
                415,
                "UNSUPPORTED_MEDIA_TYPE",
            );
            check(ask(&[json], Some(&vec![b' '; (1 << 20) + 1])), 413, "BODY_TOO_LARGE");
        }
        if operation.method == "POST" && path.starts_with("/v1/") {
            let reply = client.with_header("Idempotency-Key", "");
            check(operation.call(&reply, &path, &world), 400, "INVALID_REQUEST");
        }
    }
}

#[test]
fn every_route_of_tenants_is_limited_and_closed_to_the_suspended() {
    let world = World::new();
    let document = Document::of(&world.server);
    let limit = json!({"rate_limit": "1,24h"});
    let limited = world.server.key(&world.account.id, &json!(["*"]), &limit);
    let limited = world.server.client().with_key(&limited);
    limited.get("/v1/jobs").expect(200);
    refused(&limited.post("/v1/jobs/generations", &json!({})), 400, "INVALID_REQUEST");
    let suspended = world.server.account();
    let path = format!("/admin/v1/accounts/{}", suspended.id);
    world.server.operator().patch(&path, &json!({"suspended": true})).expect(200);
    for operation in document.operations() {
        if !matches!(operation.access, Access::Tenant(_)) {
            continue;
        }
        let reply = operation.call(&limited, &operation.at(NOBODY), &world);
        refused_by(&operation, &reply, 429, "RATE_LIMIT");
        assert!(reply.header("retry-after").is_some(), "{}", operation.id);
        document.check(&operation, &reply);
        let reply = operation.call(&suspended.client, &operation.at(NOBODY), &world);
        refused_by(&operation, &reply, 403, "ACCOUNT_SUSPENDED");
        document.check(&operation, &reply);
    }
}

/// Lists of what an account has made.
const LISTS: [&str; 8] = [
    "/v1/jobs",
    "/v1/agents",
    "/v1/batches",
    "/v1/webhooks/endpoints",
    "/v1/webhooks/deliveries",
    "/v1/dlq",
    "/v1/end-users",
    "/v1/scheduled-tasks",
];

/// Lists in which every account has something from the beginning.
const FURNISHED: [&str; 2] = ["/v1/functions", "/v1/schedules"];

/// Everything that the account of the world has in them.
fn listed(world: &World) -> Vec<Vec<Value>> {
    let lists = LISTS.iter().chain(&FURNISHED);
    lists.map(|list| world.account.list(&format!("{list}?limit=100"))).collect()
}

#[test]
fn no_test_key_reaches_live_objects_of_its_account() {
    let world = World::new();
    let document = Document::of(&world.server);
    let test = world.account.twin(&world.server).client;
    let (mut of_keys, mut of_objects) = (0, 0);
    for operation in document.operations() {
        let Access::Tenant(scope) = &operation.access else { continue };
        if operation.id == ENDLESS {
            continue;
        }
        let path = world.path(&operation);
        let before = listed(&world);
        let reply = operation.call(&test, &path, &world);
        match scope.as_deref() {
            Some("keys:read" | "keys:write") => {
                refused(&reply, 403, "INSUFFICIENT_SCOPE");
                of_keys += 1;
            }
            _ if operation.is_for_one() && !MAY_BE_NEW.contains(&&*operation.id) => {
                refused(&reply, 404, "NOT_FOUND");
                of_objects += 1;
            }
            _ => continue,
        }
        document.check(&operation, &reply);
        assert_eq!(listed(&world), before, "{} changed something", operation.id);
    }
    assert!(of_keys >= 5 && of_objects >= 15, "only {of_keys} and {of_objects} were tried");
}

#[test]
fn no_account_reaches_anothers_objects() {
    let world = World::new();
    let document = Document::of(&world.server);
    let stranger = world.server.account();
    let (mut theirs, mut tried) = (Vec::new(), 0);
    for operation in document.operations() {
        let Access::Tenant(_) = operation.access else { continue };
        if !operation.is_for_one() || MAY_BE_NEW.contains(&&*operation.id) {
            continue;
        }
        let path = world.path(&operation);
        theirs.push(path.split('/').find(|part| part.len() == 36).unwrap().to_owned());
        let before = listed(&world);
        let reply = operation.call(&stranger.client, &path, &world);
        refused(&reply, 404, "NOT_FOUND");
        document.check(&operation, &reply);
        assert_eq!(listed(&world), before, "{} changed something", operation.id);
        tried += 1;
    }
    assert!(tried >= 15, "only {tried} routes are for one object");
    for operation in document.operations() {
        let (Access::Tenant(_), "GET") = (&operation.access, &*operation.method) else { continue };
        // A log shows what the stranger asked for itself.
        if operation.is_for_one() || ["listRequestLogs", ENDLESS].contains(&&*operation.id) {
            continue;
        }
        let seen = stranger.client.get(&operation.path).expect(200);
        let leaked = theirs.iter().find(|id| seen.text().contains(*id));
        assert!(leaked.is_none() && !seen.text().contains(&world.account.id), "{}", operation.id);
    }
    for list in LISTS {
        assert!(stranger.list(list).is_empty(), "{list}");
    }
    // Nor does naming another's object in a query or a body.
    let path = format!("/v1/webhooks/deliveries?endpoint_id={}", world.endpoint.id);
    assert!(stranger.list(&path).is_empty());
    let path = format!("/v1/credits/ledger?job_id={}", theirs[0]);
    assert!(stranger.list(&path).is_empty());
    let me = world.account.client.get("/v1/me").expect(200).json();
    let body = json!({"name": "k", "scopes": ["jobs:read"], "project_id": me["project"]["id"]});
    refused(&stranger.client.post("/v1/api-keys", &body), 400, "INVALID_REQUEST");
}
