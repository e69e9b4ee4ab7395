//! `demo`: the main job, end to end, with real parts: a server on its own data folder and port, an
//! account, HTTP requests over a socket, a webhook receiver that verifies what it gets.

mod client;
mod receiver;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    DONE, FAILED,
    evidence::{Evidence, show},
    say, say_setup,
};
use crate::{
    ambient::Ambient,
    app::{
        App,
        accounts::{self, NewAccount},
        api_keys::{self, KeyRequest},
        credits,
    },
    config::{Config, Model},
    domain::{Bucket, Contract, Credits, ScopeSet, Timestamp, WebhookSecret},
    server::{Ended, Hangup, Server},
    webhooks::sign::{self, StandardHeaders},
};
use client::Client;
use receiver::{Delivery, Receiver};

/// The embedded sandbox with a price, so that there is something to see in the ledger.
const MODEL: &str = "sandbox-priced";
/// The agent's name.
const AGENT: &str = "classify-review";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(super) struct Demo {
    /// End after the last step: exit code 0 if everything held, else 1
    #[arg(long)]
    exit: bool,
    /// The data folder; without it a temporary one
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(self, config: Config, ambient: &Ambient) -> anyhow::Result<ExitCode> {
        let temporary = std::env::temp_dir().join(format!("skai-demo-{}", ambient.uuid()));
        let folder = self.data_dir.clone().unwrap_or_else(|| temporary.clone());
        let ended = self.play(config, ambient, &folder);
        // Where the server could not start there may be none.
        if self.data_dir.is_none() && temporary.exists() {
            let removed = fs::remove_dir_all(&temporary);
            removed.with_context(|| format!("{} is left over", temporary.display()))?;
        }
        ended
    }

    /// Starts the server, tells its story and stops it.
    fn play(&self, config: Config, ambient: &Ambient, folder: &Path) -> anyhow::Result<ExitCode> {
        let (began, tolerance) = (ambient.monotonic(), config.webhooks.tolerance);
        let server = Server::start(demo_config(config, folder)?, ambient.clone())?;
        let took = ambient.monotonic().saturating_sub(began);
        let mut evidence = Evidence::default();
        let shown = introduce(&server, took, folder, &mut evidence)
            .and_then(|()| tell(&server, tolerance, ambient, &mut evidence));
        self.end(server, shown, &evidence)
    }

    /// Stops the server, at once or when it is told to.
    fn end(
        &self,
        server: Server,
        shown: anyhow::Result<String>,
        evidence: &Evidence,
    ) -> anyhow::Result<ExitCode> {
        let (key, address) = match shown {
            Ok(key) => (key, server.address()),
            Err(error) => {
                server.stop();
                return Err(error);
            }
        };
        let verdict = if evidence.holds() { "Everything held." } else { "Something did not hold." };
        say(&format!("\n{verdict}"))?;
        if self.exit {
            server.stop();
        } else {
            // It has models of its own, which no file knows: it ends with its terminal.
            server.obey_signals(Hangup::register()?, None)?;
            say(&format!(
                "The server stays up until Ctrl-C:\n  address  http://{address}\n  key      {key}"
            ))?;
            say_setup(&server)?;
            if server.wait() == Ended::Failed {
                return Ok(ExitCode::from(FAILED));
            }
        }
        Ok(if evidence.holds() { DONE } else { ExitCode::from(FAILED) })
    }
}

/// Says which server it is and where its data lies.
fn introduce(
    server: &Server,
    took: Duration,
    folder: &Path,
    evidence: &mut Evidence,
) -> anyhow::Result<()> {
    evidence.step("A server of its own")?;
    let claim = format!("ready on http://{} after {took:.1?}", server.address());
    evidence.prove(&claim, server.app().store.trouble().is_none())?;
    Ok(show(&format!("data in {}", folder.display()))?)
}

/// The given configuration on a free port of this machine, with a model that has a price and leave
/// to deliver to this machine.
fn demo_config(mut config: Config, folder: &Path) -> anyhow::Result<Config> {
    folder.clone_into(&mut config.data_dir);
    config.http.listen = "127.0.0.1:0".parse()?;
    config.webhooks.allow_networks.push("127.0.0.0/8".parse()?);
    let sandbox = config.models.get("sandbox").context("the demo needs the model `sandbox`")?;
    let priced = Model {
        input_per_million: Some("150".parse()?),
        output_per_million: Some("600".parse()?),
        free: false,
        ..sandbox.clone()
    };
    config.models.insert(MODEL.to_owned(), priced);
    Ok(config)
}

fn tell(
    server: &Server,
    tolerance: Duration,
    ambient: &Ambient,
    evidence: &mut Evidence,
) -> anyhow::Result<String> {
    let key = make_account(server.app(), evidence)?;
    let client = Client::new(server.address(), &key);
    let receiver = Receiver::start()?;
    let secret = register(&client, &receiver, evidence)?;
    make_agent(&client, evidence)?;
    let job = submit(&client, evidence)?;
    follow(&client, &job, evidence)?;
    look_at_output(&client, &job, evidence)?;
    look_at_ledger(&client, evidence)?;
    let delivery = receiver.next(PATIENCE).context("no webhook arrived")?;
    verify(&delivery, &secret, &job, (ambient.now(), tolerance), evidence)?;
    Ok(key)
}

/// Gives the account's API key.
fn make_account(app: &Arc<App>, evidence: &mut Evidence) -> anyhow::Result<String> {
    evidence.step("An account with a key and 10 credits")?;
    let made = accounts::create(app, NewAccount { name: "Demo".to_owned() }).wait()?;
    let account = made.account.id();
    let request = KeyRequest {
        name: "demo".to_owned(),
        scopes: vec!["*".to_owned()],
        ..KeyRequest::default()
    };
    let scope = accounts::scope(app, account)?;
    let prepared = api_keys::prepare(app, scope, ScopeSet::ALL, &request)?;
    let key = api_keys::issue(app, prepared).wait()?;
    let grant = super::credits::request("10".parse()?, Bucket::Paid)?;
    credits::grant(app, account, grant, None).wait()?;
    let available = credits::balance(app, scope)?.available.total().unwrap_or_default();
    let claim = format!("account {account}, {available} credits available");
    evidence.prove(&claim, available == "10".parse()?)?;
    Ok(key.secret.expose().clone())
}

fn register(
    client: &Client,
    receiver: &Receiver,
    evidence: &mut Evidence,
) -> anyhow::Result<WebhookSecret> {
    evidence.step("A webhook endpoint")?;
    let body = json!({"url": receiver.url(), "events": ["job.completed"]});
    let (status, endpoint) = client.post("/v1/webhooks/endpoints", &body, "demo-endpoint")?;
    evidence.prove(&format!("POST /v1/webhooks/endpoints → {status}"), status == 201)?;
    show(&format!("{} for job.completed", receiver.url()))?;
    let secret = endpoint["secret"].as_str().context("the endpoint has no secret")?;
    Ok(WebhookSecret::parse(secret)?)
}

/// What the output has to look like.
fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["sentiment", "confidence", "topics"],
        "additionalProperties": false,
        "properties": {
            "sentiment": {"enum": ["positive", "neutral", "negative"]},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "topics": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        },
    })
}

fn make_agent(client: &Client, evidence: &mut Evidence) -> anyhow::Result<()> {
    evidence.step("An agent with contracts")?;
    let body = json!({
        "name": AGENT,
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "Classify the review."},
            {"role": "user", "content": "{{ input.review }} [sandbox:delay=300ms]"},
        ],
        "input_schema": {
            "type": "object",
            "required": ["review"],
            "properties": {"review": {"type": "string", "maxLength": 2000}},
        },
        "output_schema": schema(),
        "max_tokens": 200,
    });
    let (status, agent) = client.post("/v1/agents", &body, "demo-agent")?;
    let claim = format!("POST /v1/agents → {status}, version {} of {AGENT}", agent["version"]);
    evidence.prove(&claim, status == 201 && agent["version"] == 1)?;
    let path = format!("/v1/agents/{AGENT}/runs");
    let (status, refused) = client.post(&path, &json!({"input": {"review": 5}}), "demo-refused")?;
    let claim = format!("a run whose input breaks the contract → {status}, and no job");
    evidence.prove(&claim, status == 422)?;
    show(&refused["error"]["details"].to_string())?;
    Ok(())
}

fn submit(client: &Client, evidence: &mut Evidence) -> anyhow::Result<String> {
    evidence.step("A run of the agent")?;
    let path = format!("/v1/agents/{AGENT}/runs");
    let body = json!({"input": {"review": "Fast, exact, and it survived a power cut."}});
    let (status, job) = client.post(&path, &body, "demo-run")?;
    let id = job["id"].as_str().with_context(|| format!("{status}: {job}"))?.to_owned();
    evidence.prove(&format!("POST {path} → {status}, job {id}"), status == 202)?;
    show(&format!("{} credits set aside", job["credits"]["reserved"]))?;
    let (status, again) = client.post(&path, &body, "demo-run")?;
    let is_same = status == 202 && again["id"] == job["id"];
    evidence.prove("the same request with the same Idempotency-Key is the same job", is_same)?;
    Ok(id)
}

fn follow(client: &Client, job: &str, evidence: &mut Evidence) -> anyhow::Result<()> {
    evidence.step("Its story, live")?;
    let mut names = Vec::new();
    client.follow(&format!("/v1/jobs/{job}/events"), |name, data| {
        names.push(name.to_owned());
        let event: Value = serde_json::from_str(data)?;
        let at = event["created_at"].as_str().unwrap_or_default();
        show(&format!("{at}  {name:<10} {}", event["data"]))
    })?;
    let is_whole = names.first().is_some_and(|name| name.contains("queued"))
        && names.last().is_some_and(|name| name.contains("succeeded"));
    evidence.prove("the stream began with queued and ended with succeeded", is_whole)?;
    Ok(())
}

fn look_at_output(client: &Client, job: &str, evidence: &mut Evidence) -> anyhow::Result<()> {
    evidence.step("Its output")?;
    let job: Value = serde_json::from_str(&client.get(&format!("/v1/jobs/{job}?wait=30"))?)?;
    let status = job["status"].as_str().unwrap_or_default();
    evidence.prove(&format!("status {status}"), status == "succeeded")?;
    show(&serde_json::to_string_pretty(&job["output"])?)?;
    let Ok(contract) = Contract::compile(&schema()) else { bail!("the demo's schema is bad") };
    evidence.prove("the output satisfies the schema", contract.check(&job["output"]).is_ok())?;
    show(&format!("usage {}, charged {}", job["usage"], job["credits"]["charged"]))?;
    Ok(())
}

#[derive(Deserialize)]
struct LedgerPage {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    kind: String,
    bucket: String,
    delta: Credits,
    balance_after: Credits,
}

#[derive(Deserialize)]
struct Balance {
    available: Credits,
}

fn look_at_ledger(client: &Client, evidence: &mut Evidence) -> anyhow::Result<()> {
    evidence.step("The ledger")?;
    let page = client.get("/v1/credits/ledger?limit=100")?;
    let page: LedgerPage = serde_json::from_str(&page).with_context(|| page.clone())?;
    let balance: Balance = serde_json::from_str(&client.get("/v1/credits/balance")?)?;
    let mut sum = Credits::ZERO;
    for Entry { kind, bucket, delta, balance_after } in page.data.iter().rev() {
        sum = sum.checked_add(*delta).context("the sum overflows")?;
        let (delta, after) = (delta.to_string(), balance_after.to_string());
        show(&format!("{kind:<8} {bucket:<5} {delta:>12}  balance {after:>12}"))?;
    }
    let kinds: Vec<&str> = page.data.iter().rev().map(|entry| entry.kind.as_str()).collect();
    let is_story = kinds == ["grant", "reserve", "release", "charge"];
    evidence.prove("granted, reserved, released, charged: once each", is_story)?;
    let claim = format!("the entries sum to {sum}, the balance is {}", balance.available);
    evidence.prove(&claim, sum == balance.available)?;
    Ok(())
}

fn verify(
    delivery: &Delivery,
    secret: &WebhookSecret,
    job: &str,
    (now, tolerance): (Timestamp, Duration),
    evidence: &mut Evidence,
) -> anyhow::Result<()> {
    evidence.step("The webhook")?;
    let body = delivery.body.as_slice();
    let own = delivery.header(sign::SIGNATURE);
    let holds = sign::verify(secret, own, body, now, tolerance).is_ok();
    evidence.prove("X-Webhook-Signature verified", holds)?;
    let headers = StandardHeaders {
        id: delivery.header(sign::STANDARD_ID),
        timestamp: delivery.header(sign::STANDARD_TIMESTAMP),
        signature: delivery.header(sign::STANDARD_SIGNATURE),
    };
    let holds = sign::verify_standard(secret, headers, body, now, tolerance).is_ok();
    evidence.prove("Standard Webhooks signature verified", holds)?;
    let event: Value = serde_json::from_slice(body)?;
    let is_it = event["type"] == "job.completed" && event["data"]["job_id"] == job;
    evidence.prove("it tells of the job", is_it)?;
    show(&event.to_string())?;
    Ok(())
}
