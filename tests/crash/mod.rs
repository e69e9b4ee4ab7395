//! Under load the process is killed, or told to stop, and started again: what was promised holds.

mod batches;
mod calls;
mod load;
mod tasks;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Client, LIMIT, program::Running, receiver};
use load::{CREDITS, Load, World, answer_to, job};

/// What each job costs: a credit for each of 10 + 5 tokens.
const COST: f64 = 15.0;
/// A debug build on a busy machine.
const READY: Duration = Duration::from_secs(5);
const KILLS: usize = 20;

/// A reproducible order of numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound).unwrap()
    }
}

/// Waits for a moment somewhere on a job's way: an acceptance, a call, a delivery.
fn wait_for_some_moment(world: &World, load: &Load, random: &mut Random) {
    let more = 1 + random.below(40);
    match random.below(3) {
        0 => load.wait_for_accepted(load.accepted() + more),
        1 => drop(world.provider.wait_for(world.provider.received().len() + more, LIMIT)),
        _ => drop(world.receiver.wait_for(world.receiver.received().len() + more, LIMIT)),
    }
}

/// All entries of a list, page by page.
fn all(client: &Client, path: &str) -> Vec<Value> {
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    let join = if path.contains('?') { '&' } else { '?' };
    loop {
        let mut page = client.get(&format!("{path}{join}limit=100{cursor}")).expect(200).json();
        entries.append(page["data"].as_array_mut().unwrap());
        let Some(next) = page["next_cursor"].as_str() else { return entries };
        cursor = format!("&cursor={next}");
    }
}

/// The job once it has ended.
fn ended(client: &Client, id: &str) -> Value {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        let job = client.get(&format!("/v1/jobs/{id}?wait=10")).expect(200).json();
        if !job["finished_at"].is_null() {
            return job;
        }
    }
    panic!("job {id} does not end");
}

/// Every accepted job is there, has its own result, and is the same under its key. Gives the jobs.
fn prove_jobs(client: &Client, accepted: &BTreeMap<String, String>) -> Vec<Value> {
    let mut jobs = Vec::new();
    for (key, id) in accepted {
        let found = ended(client, id);
        assert_eq!(found["status"], "succeeded", "{found}");
        assert_eq!(found["output_text"], answer_to(key), "{found}");
        assert_eq!(found["credits"]["charged"].as_f64(), Some(COST), "{found}");
        let again = client.post_once("/v1/jobs/generations", key, &job(key)).expect(202);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.json()["id"], **id);
        jobs.push(found);
    }
    let known: BTreeSet<String> =
        all(client, "/v1/jobs").iter().map(|job| text(&job["id"]).to_owned()).collect();
    assert_eq!(known, accepted.values().cloned().collect(), "a job was lost or doubled");
    jobs
}

/// Each job reserved, released and was charged once; nothing is set aside any more.
fn prove_ledger(world: &World, client: &Client, accepted: &BTreeMap<String, String>) {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in all(client, "/v1/credits/ledger") {
        if let Some(job) = entry["job_id"].as_str() {
            kinds.entry(job.to_owned()).or_default().push(text(&entry["kind"]).to_owned());
        }
    }
    assert_eq!(kinds.len(), accepted.len());
    for (job, mut kinds) in kinds {
        kinds.sort();
        assert_eq!(kinds, ["charge", "release", "reserve"], "job {job}");
    }
    let balance = client.get("/v1/credits/balance").expect(200).json();
    let jobs = u32::try_from(accepted.len()).unwrap();
    assert_eq!(balance["available"].as_f64(), Some(CREDITS - COST * f64::from(jobs)));
    assert_eq!(balance["reserved"].as_f64(), Some(0.0));
    assert_eq!(world.program.verify()["jobs"], jobs);
}

/// Each job has one delivery, which arrived at least once and is known to have.
fn prove_deliveries(
    world: &World,
    client: &Client,
    secret: &str,
    accepted: &BTreeMap<String, String>,
) {
    let began = Instant::now();
    // Every look waits for an answer, so this is no busy loop.
    while !all(client, "/v1/webhooks/deliveries?status=pending").is_empty() {
        assert!(began.elapsed() < LIMIT, "deliveries are left");
    }
    let mut by_job: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for arrived in world.receiver.received() {
        receiver::verify(&arrived, secret).unwrap();
        let event = arrived.json();
        assert_eq!(event["type"], "job.completed", "{event}");
        let delivery = arrived.header("x-delivery-id").unwrap().to_owned();
        by_job.entry(text(&event["data"]["job_id"]).to_owned()).or_default().insert(delivery);
    }
    assert!(by_job.keys().eq(accepted.values().collect::<BTreeSet<_>>()), "a delivery is missing");
    let arrived: BTreeSet<&String> = by_job.values().flatten().collect();
    assert_eq!(arrived.len(), accepted.len(), "a job has more than one delivery");
    let known = all(client, "/v1/webhooks/deliveries");
    assert!(known.iter().all(|delivery| delivery["status"] == "delivered"));
    let known: BTreeSet<_> = known.iter().map(|delivery| text(&delivery["id"])).collect();
    assert_eq!(known, arrived.into_iter().map(String::as_str).collect());
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn twenty_kills_under_load_lose_and_double_nothing() {
    // A job may meet every kill, and none may be given up here.
    let world = World::new("", "max_crashes = 100");
    let mut server = world.serve();
    let secret = world.register(&server);
    let load = world.load(&server, 6);
    let mut random = Random(0x5EED);
    for _ in 0..KILLS {
        wait_for_some_moment(&world, &load, &mut random);
        server.kill();
        let began = Instant::now();
        server = world.serve();
        world.client(&server).get("/readyz").expect(200);
        assert!(began.elapsed() < READY, "ready after {:?}", began.elapsed());
        load.turn_to(&server);
    }
    let accepted = load.end();

    let client = world.client(&server);
    let jobs = prove_jobs(&client, &accepted);
    let crashed = jobs.iter().filter(|job| job["attempts"].as_u64() > Some(1)).count();
    assert!(crashed > 0, "no kill met a job");
    prove_deliveries(&world, &client, &secret, &accepted);
    prove_ledger(&world, &client, &accepted);
    assert_eq!(all(&client, "/v1/dlq"), Vec::<Value>::new());
}

#[test]
fn a_job_that_meets_three_crashes_is_given_up_and_not_charged() {
    let world = World::new("", "");
    let mut server = world.serve();
    world.register(&server);
    world.provider.always(crate::support::Answer::new(200, "").held());
    let posted = world.client(&server).post("/v1/jobs/generations", &job("It")).expect(202).json();
    for crashes in 1..=3 {
        world.provider.wait_for(crashes, LIMIT);
        server.kill();
        server = world.serve();
    }
    let client = world.client(&server);
    let id = text(&posted["id"]);
    let failed = ended(&client, id);
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("CRASH_LOOP"))
    );
    assert_eq!(failed["credits"]["charged"].as_f64(), Some(0.0));
    assert_eq!((&failed["attempts"], &failed["max_attempts"]), (&json!(3), &json!(6)));
    assert_eq!(world.provider.received().len(), 3, "it was tried again");
    let told = world.receiver.wait_for_one(|call| call.json()["type"] == "job.failed").json();
    assert_eq!(told["data"]["error"]["code"], "CRASH_LOOP");
    let letters = all(&client, "/v1/dlq?queue=generation.create.dlq");
    assert_eq!((letters.len(), &letters[0]["job_id"]), (1, &posted["id"]));
    assert_eq!((&letters[0]["reason"], &letters[0]["attempts"]), (&json!("CRASH_LOOP"), &json!(3)));

    // The defect is mended: the job gets another chance and is charged like any other.
    world.provider.say(&answer_to("It"));
    let letter = text(&letters[0]["id"]);
    let redrive = ["dlq", "redrive", "--account", &world.account.id, letter, "--json"];
    world.program.json(&[&["--config", "config.toml"], &redrive[..]].concat());
    let job = ended(&client, id);
    assert_eq!(
        (&job["status"], job["credits"]["charged"].as_f64()),
        (&json!("succeeded"), Some(COST))
    );
    world.program.verify();
}

#[test]
fn a_job_that_meets_two_crashes_runs_all_the_same() {
    // Not one retry after a failure of the provider; crashes are no such failures.
    let world = World::new("", "backoff = []");
    let mut server = world.serve();
    world.provider.always(crate::support::Answer::new(200, "").held());
    let posted = world.client(&server).post("/v1/jobs/generations", &job("It")).expect(202).json();
    for crashes in 1..=2 {
        world.provider.wait_for(crashes, LIMIT);
        if crashes == 2 {
            world.provider.say(&answer_to("It"));
        }
        server.kill();
        server = world.serve();
    }
    let job = ended(&world.client(&server), text(&posted["id"]));
    assert_eq!(
        (&job["status"], &job["output_text"]),
        (&json!("succeeded"), &json!(answer_to("It")))
    );
    assert_eq!((&job["attempts"], &job["max_attempts"]), (&json!(3), &json!(3)), "{job}");
    assert_eq!(world.provider.received().len(), 3);
}

fn stop(world: &World, server: Running) {
    server.signal("TERM");
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(log.last().unwrap().contains("stopped"), "{log:?}");
    assert!(!world.program.data_dir().join("skai.db-wal").exists(), "the log was not folded");
}

#[test]
fn a_signal_under_load_finishes_what_runs_and_loses_nothing() {
    let world = World::new("", "");
    let mut server = world.serve();
    let secret = world.register(&server);
    let load = world.load(&server, 6);
    for _ in 0..3 {
        load.wait_for_accepted(load.accepted() + 40);
        stop(&world, server);
        server = world.serve();
        load.turn_to(&server);
    }
    let accepted = load.end();

    let client = world.client(&server);
    for job in prove_jobs(&client, &accepted) {
        assert_eq!(job["attempts"], 1, "{job}");
    }
    prove_deliveries(&world, &client, &secret, &accepted);
    prove_ledger(&world, &client, &accepted);
    assert_eq!(world.provider.received().len(), accepted.len(), "a call was made twice");
    assert_eq!(world.receiver.received().len(), accepted.len(), "a delivery was made twice");
}

#[test]
fn what_outlasts_the_drain_is_given_back_uncounted() {
    let world = World::new("drain_timeout = \"100ms\"", "");
    let server = world.serve();
    world.provider.always(crate::support::Answer::new(200, "").held());
    let posted = world.client(&server).post("/v1/jobs/generations", &job("It")).expect(202).json();
    world.provider.wait_for(1, LIMIT);
    server.signal("TERM");
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");

    world.provider.say(&answer_to("It"));
    let again = world.serve();
    let job = ended(&world.client(&again), text(&posted["id"]));
    assert_eq!((&job["status"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    world.program.verify();
}

#[test]
fn a_kill_at_any_step_of_the_first_start_leaves_a_folder_that_starts() {
    for step in ["lock", "skai.db", "skai.db-wal", "secret.key", "operator.token"] {
        let world = World::untouched();
        let mut first = world.program.command(&["--config", "config.toml"]);
        let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while !world.program.data_dir().join(step).exists() {
            assert!(began.elapsed() < LIMIT, "{step} is not made");
            thread::yield_now();
        }
        first.kill().unwrap();
        first.wait().unwrap();

        let server = world.serve();
        let account = world.program.account("1000");
        let job = server.client(&account.key).post("/v1/jobs/generations", &job(step)).expect(202);
        let job = ended(&server.client(&account.key), text(&job.json()["id"]));
        assert_eq!(job["status"], "succeeded", "{job}");
        let token = std::fs::read_to_string(world.program.data_dir().join("operator.token"));
        let operator = server.client(token.unwrap().trim());
        operator.get("/admin/v1/accounts").expect(200);
    }
}

#[test]
fn commands_and_a_server_that_start_at_once_on_a_new_folder_agree() {
    let world = World::untouched();
    let commands: Vec<_> = (0..4)
        .map(|_| {
            let mut command =
                world.program.command(&["account", "create", "--name", "A", "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let server = world.serve();
    for command in commands {
        let output = command.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        let client = server.client(text(&made["key"]));
        // The secret is sealed by the server and opened again for the repeated request.
        let body = json!({"url": world.receiver.url("/hook"), "events": ["*"]});
        let register = || client.post_once("/v1/webhooks/endpoints", "once", &body).expect(201);
        assert_eq!(register().json()["secret"], register().json()["secret"]);
    }
}
