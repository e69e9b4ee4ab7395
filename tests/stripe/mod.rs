//! Stripe tells of payments: what it signs, by its own library, is granted once, and no order of its events matters.

mod customers;
mod grants;
mod hostile;
mod links;
mod orders;
mod returns;
mod signatures;
mod trouble;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    config::{Config, ExactCredits, StripePrice},
    domain::Secret,
};

use crate::support::{
    Client,
    client::Reply,
    eventually,
    server::{Account, TestServer},
};

const WEBHOOK: &str = "/internal/stripe/webhook";
/// The secrets that the servers of these tests know.
const SECRETS: [&str; 2] = ["whsec_of_the_tests", "whsec_that_is_rolled"];

/// Node with Stripe's own library, which signs.
struct Signer {
    child: Child,
    answers: BufReader<ChildStdout>,
}

static SIGNER: LazyLock<Mutex<Signer>> = LazyLock::new(|| {
    let packages = crate::sdk::installed("node/node_modules/stripe");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stripe/sign.mjs");
    let folder = packages.parent().unwrap().parent().unwrap();
    let mut node = Command::new("node");
    node.arg(script).env("SDK", folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = node.spawn().expect("run tests/run.sh, which installs Node");
    let answers = BufReader::new(child.stdout.take().unwrap());
    Mutex::new(Signer { child, answers })
});

/// The header that Stripe's library makes for this body.
fn sign(body: &str, secret: &str, timestamp: i64) -> String {
    let mut signer = SIGNER.lock().unwrap_or_else(PoisonError::into_inner);
    let request = json!({"payload": body, "secret": secret, "timestamp": timestamp});
    writeln!(signer.child.stdin.as_mut().unwrap(), "{request}").unwrap();
    let mut header = String::new();
    signer.answers.read_line(&mut header).unwrap();
    assert!(header.starts_with("t="), "Stripe's library did not sign: {header:?}");
    header.trim_end().to_owned()
}

/// The same as Stripe does it now.
pub(crate) fn sign_now(body: &str) -> String {
    sign(body, SECRETS[0], now())
}

/// Sends an event as Stripe does.
#[track_caller]
pub(crate) fn tell(client: &Client, event: &Value) {
    let body = event.to_string();
    let headers = [("Stripe-Signature", &*sign_now(&body))];
    let reply = client.send("POST", WEBHOOK, &headers, Some(body.as_bytes())).expect(200);
    assert_eq!(reply.json(), json!({"received": true}));
}

/// What the servers of tests know.
pub(crate) fn secrets() -> Vec<Secret<String>> {
    SECRETS.map(|text| Secret::new(text.to_owned())).to_vec()
}

/// An event that names nobody who is known.
pub(crate) fn unmatched(id: &str) -> Value {
    event("payment_intent_succeeded", id, &json!({"id": id, "customer": id, "latest_charge": null}))
}

/// A payment of that account.
pub(crate) fn paid(account: &str) -> Value {
    let session = json!({"id": "cs_1", "payment_intent": "pi_1", "client_reference_id": account});
    event("checkout_session_completed", "evt_paid", &session)
}

/// Now in Unix seconds.
fn now() -> i64 {
    Ambient::system().now().seconds()
}

/// An event as Stripe would send it, by the name of its fixture, with another id and with changes to its object.
fn event(fixture: &str, id: &str, changes: &Value) -> Value {
    let path = format!("{}/tests/stripe/fixtures/{fixture}.json", env!("CARGO_MANIFEST_DIR"));
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    event["id"] = json!(id);
    for (field, value) in changes.as_object().unwrap() {
        event["data"]["object"][field] = value.clone();
    }
    event
}

/// Ends every id of these kinds in its run.
fn rename(value: &mut Value, kinds: &[&str], run: usize) {
    match value {
        Value::String(text) if kinds.iter().any(|kind| text.starts_with(kind)) => {
            *text = format!("{text}r{run}");
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, kinds, run)),
        Value::Object(fields) => fields.values_mut().for_each(|field| rename(field, kinds, run)),
        _ => {}
    }
}

fn configure(config: &mut Config) {
    config.stripe.webhook_secrets = secrets();
    let price = StripePrice { credits: ExactCredits("1500".parse().unwrap()) };
    config.stripe.prices.insert("price_credits".to_owned(), price);
}

/// A server that knows Stripe, and an account without credits.
struct Rig {
    server: TestServer,
    account: Account,
}

impl Rig {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::builder()
            .config(|config| {
                configure(config);
                change(config);
            })
            .start();
        let account = server.account_with(&json!(0));
        Self { server, account }
    }

    /// Starts again with another configuration.
    fn restart_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let server = self.server.restart_with(change);
        Self { account: self.account.at(&server), server }
    }

    fn send(&self, body: &str, signature: Option<&str>) -> Reply {
        let headers: Vec<_> =
            signature.map(|header| ("Stripe-Signature", header)).into_iter().collect();
        self.server.client().send("POST", WEBHOOK, &headers, Some(body.as_bytes()))
    }

    /// Sends an event as Stripe does.
    #[track_caller]
    fn tell(&self, event: &Value) {
        tell(&self.server.client(), event);
    }

    /// Sends an event and waits until it had its effect; gives it as the operator sees it.
    #[track_caller]
    fn done(&self, event: &Value) -> Value {
        self.tell(event);
        self.settled(event["id"].as_str().unwrap())
    }

    /// The event once it does not wait any more.
    #[track_caller]
    fn settled(&self, id: &str) -> Value {
        eventually("the event is done", || {
            Some(self.look(id).expect(200).json()).filter(|event| event["status"] != "pending")
        })
    }

    /// Waits until the metrics say that so many events stand there: they are counted once a second.
    #[track_caller]
    fn counts(&self, status: &str, count: u64) {
        let line = format!("skai_stripe_events{{status=\"{status}\"}} {count}.0\n");
        eventually(&line, || {
            let metrics = self.server.client().get("/metrics").expect(200);
            metrics.text().contains(&line).then_some(())
        });
    }

    fn look(&self, id: &str) -> Reply {
        self.server.operator().get(&format!("/admin/v1/stripe/events/{id}"))
    }

    /// Processes an event for an account, as the operator.
    fn process(&self, id: &str, account: &str) -> Reply {
        let path = format!("/admin/v1/stripe/events/{id}/process");
        self.server.operator().post(&path, &json!({"account_id": account}))
    }

    /// What the account can spend.
    fn available(&self) -> f64 {
        self.account.balance().0.as_f64().unwrap()
    }

    /// Kind and change of the account's entries, oldest first.
    fn entries(&self) -> Vec<(String, f64)> {
        let mut entries = self.account.list("/v1/credits/ledger?limit=100");
        entries.reverse();
        let of = |entry: &Value| {
            (entry["kind"].as_str().unwrap().to_owned(), entry["delta"].as_f64().unwrap())
        };
        entries.iter().map(of).collect()
    }

    /// A fixture whose metadata names the account.
    fn named(&self, fixture: &str, id: &str, changes: &Value) -> Value {
        let mut event = event(fixture, id, changes);
        event["data"]["object"]["metadata"]["account_id"] = json!(self.account.id);
        event
    }
}
