//! Prices that change while the program runs, by SIGHUP.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    Client, LIMIT, Provider,
    program::{Program, Running},
    provider::{completion, error},
};

/// The program with a configuration file, and the provider that it asks.
struct World {
    program: Program,
    provider: Provider,
}

impl World {
    fn new() -> Self {
        let world = Self { program: Program::new(), provider: Provider::start() };
        world.write(1, "");
        world
    }

    /// It runs, its model with `more` in it, and somebody has credits.
    fn running(more: &str) -> (Self, Running, Client) {
        let world = Self::new();
        world.write(1, more);
        let account = world.program.account("100000");
        let server = world.serve();
        let client = server.client(&account.key);
        (world, server, client)
    }

    /// Posts a job that runs until the provider is released, after it was called `before` times.
    fn hold(&self, client: &Client, before: usize) -> String {
        self.provider.queue(completion("Hello").held());
        let runs = post(client);
        self.provider.wait_for_calls(before + 1, LIMIT);
        runs
    }

    /// Writes the file: one job at a time, and a model with so many credits for a token of input and one for
    /// one of output.
    fn write(&self, input: u32, more: &str) {
        let model = format!(
            "[models.test]\nprovider = \"local\"\ninput_per_million = {input}000000\n\
             output_per_million = 1000000\n{more}\n"
        );
        self.write_models(&model);
    }

    fn write_models(&self, models: &str) {
        let settings = format!(
            "[providers.local]\nkind = \"openai\"\nbase_url = \"{}\"\n\
             [queues.\"generation.create\"]\nconcurrency = 1\n{models}",
            self.provider.base_url()
        );
        fs::write(self.program.path().join("skai.toml"), settings).unwrap();
    }

    fn serve(&self) -> Running {
        Running::start(&mut self.program.command(&["--config", "skai.toml"]))
    }
}

/// Lets the server read its configuration again, and waits until it says so.
fn reload(server: &Running, told: &str) {
    server.signal("HUP");
    server.wait_for_log(told);
}

const READ: &str = "models and prices were read again";

fn pricing(client: &Client) -> Value {
    client.get("/v1/models/test").expect(200).json()["pricing"].clone()
}

fn post(client: &Client) -> String {
    post_with(client, &json!(50))
}

fn post_with(client: &Client, max_tokens: &Value) -> String {
    let body = json!({"model": "test", "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": "hi"}]});
    let job = client.post("/v1/jobs/generations", &body).expect(202).json();
    format!("/v1/jobs/{}", job["id"].as_str().unwrap())
}

/// What the job cost, once it ended.
fn charged(client: &Client, path: &str) -> Value {
    let job = client.get(&format!("{path}?wait=15")).expect(200).json();
    assert_eq!(job["status"], "succeeded", "{job}");
    job["credits"]["charged"].clone()
}

#[test]
fn open_jobs_keep_their_price_and_new_ones_have_the_new_one() {
    let (world, server, client) = World::running("");
    assert_eq!(pricing(&client)["version"], 1);

    let runs = world.hold(&client, 0);
    let waits = post(&client);
    world.write(2, "minimum_charge = 3");
    reload(&server, READ);
    let price = pricing(&client);
    assert_eq!((&price["version"], &price["input_per_million"]), (&2.into(), &2_000_000.into()));
    assert_eq!(client.get("/v1/models/sandbox").expect(200).json()["pricing"]["version"], 1);
    let new = post(&client);
    world.provider.release();
    assert_eq!([&runs, &waits, &new].map(|path| charged(&client, path)), [15, 15, 25]);

    // A retry reserves at the price of today, and pays it.
    world.provider.queue(error(400, "no"));
    let failed = post(&client);
    assert_eq!(client.get(&format!("{failed}?wait=15")).expect(200).json()["status"], "failed");
    world.write(3, "");
    reload(&server, READ);
    client.send("POST", &format!("{failed}/retry"), &[], None).expect(202);
    assert_eq!(charged(&client, &failed), 35);

    let id = waits.rsplit('/').next().unwrap();
    let entries = client.get(&format!("/v1/credits/ledger?kind=charge&job_id={id}")).expect(200);
    assert_eq!(entries.json()["data"][0]["price"]["version"], 1);
    world.program.verify();
}

#[test]
fn whatever_is_wrong_the_prices_stay_and_so_does_the_process() {
    let (world, server, client) = World::running("");
    let local = "[models.test]\nprovider = \"local\"\n";
    for (models, told) in [
        (
            &*format!("{local}input_per_million = -1\n"),
            "skai.toml, line 8: models.test.input_per_million: -1 is",
        ),
        (&format!("{local}input_per_million = 1\n"), "models.test.output_per_million: missing"),
        ("[models", "skai.toml, line 6: not TOML"),
        (
            "[providers.late]\nkind = \"sandbox\"\n[models.test]\nprovider = \"late\"\nfree = true\n",
            "line 9: models.test.provider: the provider \\\"late\\\" is there after a restart",
        ),
        ("[models.test]\nprovider = \"nobody\"\n", "is no provider"),
    ] {
        world.write_models(models);
        reload(&server, told);
        assert_eq!(pricing(&client)["version"], 1, "{told}");
    }
    fs::remove_file(world.program.path().join("skai.toml")).unwrap();
    reload(&server, "cannot be read");
    assert_eq!(charged(&client, &post(&client)), 15);

    // What else changed waits for a restart, and is told.
    world.write(2, "[jobs]\nmax_repairs = 7\n[log]\nlevel = \"debug\"");
    reload(&server, "\"others\":\"log, jobs\"");
    assert_eq!(pricing(&client)["version"], 2);
    server.signal("TERM");
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn a_model_may_lose_its_price_and_get_it_back() {
    let (world, server, client) = World::running("");
    world.write_models("[models.test]\nprovider = \"local\"\n");
    reload(&server, "\"now\":\"none\"");
    client.get("/v1/models/test").expect(404);
    world.write_models("[models.test]\nprovider = \"local\"\nfree = true\n");
    reload(&server, "\"before\":\"none\",\"now\":\"free\"");
    assert_eq!(pricing(&client)["version"], 2);
    assert_eq!(charged(&client, &post(&client)), 0);
    world.write(1, "");
    reload(&server, "\"before\":\"free\"");
    assert_eq!(pricing(&client)["version"], 3);
    drop(server);

    // A start with the same prices makes no new version.
    let server = world.serve();
    let client = Client::new(server.address).with_header("Authorization", client.authorization());
    assert_eq!(pricing(&client)["version"], 3);
    drop(server);
    world.program.verify();
}

#[test]
fn an_open_job_keeps_the_bound_that_it_was_accepted_with() {
    let (world, server, client) = World::running("max_tokens = 20");
    let runs = world.hold(&client, 0);
    world.provider.queue(error(400, "no"));
    let (fails, lowered) = (post_with(&client, &Value::Null), post_with(&client, &Value::Null));
    world.write(1, "max_tokens = 4000");
    reload(&server, READ);
    world.provider.release();
    for path in [&runs, &lowered] {
        charged(&client, path);
    }
    assert_eq!(client.get(&format!("{fails}?wait=15")).expect(200).json()["status"], "failed");
    // A retry sets more aside, so that more may be written.
    client.send("POST", &format!("{fails}/retry"), &[], None).expect(202);
    charged(&client, &fails);
    // A bound that was lowered counts at once.
    let runs = world.hold(&client, 4);
    let waits = post_with(&client, &Value::Null);
    world.write(1, "max_tokens = 30");
    reload(&server, READ);
    world.provider.release();
    for path in [&runs, &waits] {
        charged(&client, path);
    }
    let asked: Vec<Value> = world
        .provider
        .received()
        .iter()
        .map(|call| serde_json::from_slice::<Value>(&call.body).unwrap()["max_tokens"].clone())
        .collect();
    assert_eq!(asked, [50, 20, 20, 4000, 50, 30]);
    world.program.verify();
}

#[test]
fn an_open_job_keeps_its_price_also_where_its_model_lost_it() {
    let (world, server, client) = World::running("");
    let runs = world.hold(&client, 0);
    let waits = post(&client);
    world.write_models("[models.test]\nprovider = \"local\"\n");
    reload(&server, READ);
    world.provider.release();
    assert_eq!([&runs, &waits].map(|path| charged(&client, path)), [15, 15]);
    world.program.verify();
}

#[test]
fn whatever_changed_of_a_model_is_told_and_counted() {
    let world = World::new();
    let server = world.serve();
    let mut before = "test at local, 4096 tokens where a job names no bound".to_owned();
    for (more, now) in [
        ("upstream = \"big\"", "big at local, 4096 tokens where a job names no bound"),
        ("max_tokens = 5", "test at local, 5 tokens where a job names no bound"),
    ] {
        world.write(1, more);
        server.signal("HUP");
        let told = format!("\"model\":\"test\",\"before\":\"{before}\",\"now\":\"{now}\"");
        server.wait_for_log(&told);
        server.wait_for_log("\"changed\":1");
        now.clone_into(&mut before);
    }
    world.write_models("[models.test]\nprovider = \"sandbox\"\nmax_tokens = 5\nfree = true\n");
    server.signal("HUP");
    server.wait_for_log("\"now\":\"free\"");
    server.wait_for_log("\"now\":\"test at sandbox, 5 tokens");
    server.wait_for_log("\"changed\":1");
    reload(&server, "\"changed\":0");
}
