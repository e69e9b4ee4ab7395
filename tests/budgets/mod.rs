//! Monthly budgets of keys and projects: what they refuse, what counts, and what endpoints are told.

mod routes;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use skai_server::{
    app::{Caller, dead_letters, jobs, webhooks},
    domain::{ApiKeyId, Error, ErrorKind, Month, PageRequest, Payer, ProjectId, Result},
    store::{
        AccountScope,
        jobs::Job,
        projects,
        spending::{self, Spent},
    },
};
use uuid::Uuid;

use crate::support::deeds::{Deeds, caller, failure, micros, model, success};

const PROJECT: u128 = 10;
const KEY: u128 = 20;

/// A key with a limit in microcredits, and its project with one.
fn payer(key: u128, key_limit: Option<i64>, project_limit: Option<i64>) -> Payer {
    Payer {
        project: ProjectId::from_uuid(Uuid::from_u128(PROJECT)),
        project_limit: project_limit.map(micros),
        key: ApiKeyId::from_uuid(Uuid::from_u128(key)),
        key_limit: key_limit.map(micros),
    }
}

struct World {
    deeds: Deeds,
    scope: AccountScope,
    token: i64,
}

impl World {
    /// An account with credits for everything, whose jobs cost a microcredit for each token.
    fn new() -> Self {
        let deeds = Deeds::new([model("m", 0)]);
        let scope = deeds.account("a");
        deeds.grant(scope.account_id(), skai_server::domain::Bucket::Paid, 1_000_000, None);
        Self { deeds, scope, token: 0 }
    }

    fn caller(&self, payer: Payer) -> Caller {
        Caller { payer: Some(payer), ..caller(self.scope) }
    }

    /// Asks for a job that may cost that much.
    fn submit(&self, payer: Payer, cost: i64) -> Result<Job> {
        self.deeds.submit_as(&self.caller(payer), &json!({"max_tokens": cost}))
    }

    /// Runs a job to its end at that cost.
    fn succeed(&mut self, job: &Job, cost: i64) {
        self.token += 1;
        let (claimed, begun) = self.deeds.begin(job.seq, self.token);
        assert!(self.deeds.finish(&claimed, begun, success(cost)));
        self.deeds.verify();
    }

    fn fail(&mut self, job: &Job) {
        self.token += 1;
        let (claimed, begun) = self.deeds.begin(job.seq, self.token);
        assert!(self.deeds.finish(&claimed, begun, failure(None)));
        self.deeds.verify();
    }

    fn spend(&mut self, payer: Payer, cost: i64) {
        let job = self.submit(payer, cost).unwrap();
        self.succeed(&job, cost);
    }

    /// Sets the clock.
    fn to(&self, time: &str) {
        self.deeds.ambient.jump(time.parse().unwrap());
    }

    /// What the project was charged and has set aside this month, in microcredits.
    fn spent(&self) -> (i64, i64) {
        let (month, project) = (Month::of(self.deeds.ambient.now()), payer(0, None, None).project);
        let store = &self.deeds.app.store;
        let found = store.read(self.scope, |it| spending::of_project(it, month, project));
        let (Spent { charged, reserved }, _) = found.unwrap();
        (charged.micros(), reserved.micros())
    }

    /// Lets an endpoint hear of budgets.
    fn listen(&self) {
        let body = json!({"url": "https://example.com/hook", "events": ["budget.threshold"]});
        let request = serde_json::from_value(body).unwrap();
        let caller = caller(self.scope);
        let created = webhooks::create(&self.deeds.app, &caller, request, None, |_| Ok(Vec::new()));
        created.wait().unwrap();
    }

    /// What endpoints were told, oldest first.
    fn told(&self) -> Vec<Value> {
        self.deeds.told().iter_mut().map(|event| event["data"].take()).collect()
    }

    /// Whose budget endpoints were told of, and how far it was spent.
    fn thresholds(&self) -> Vec<(String, u64)> {
        let budget = |it: &Value| it["budget"].as_str().unwrap().to_owned();
        self.told().iter().map(|it| (budget(it), it["threshold"].as_u64().unwrap())).collect()
    }
}

fn refusal(refused: &Error) -> Value {
    assert_eq!(refused.kind(), ErrorKind::BudgetExceeded);
    serde_json::from_str(refused.details().unwrap().get()).unwrap()
}

#[test]
fn what_is_spent_and_what_is_set_aside_count() {
    let mut world = World::new();
    let payer = payer(KEY, Some(100), None);
    world.spend(payer, 40);
    let open = world.submit(payer, 50).unwrap();
    assert_eq!(world.spent(), (40, 50));
    let refused = world.submit(payer, 11).unwrap_err();
    assert!(refused.message().starts_with("the API key may spend 0.0001 credits in 2026-11"));
    let expected = json!({
        "required": 0.000_011, "available": 0.000_01, "budget": "api_key",
        "project_id": payer.project, "api_key_id": payer.key, "limit": 0.000_1, "resets_at": "2026-12-01T00:00:00.000Z",
    });
    assert_eq!(refusal(&refused), expected);
    // Exactly what is left is not too much, and what comes back can be spent again.
    let last = world.submit(payer, 10).unwrap();
    world.fail(&open);
    assert_eq!(world.spent(), (40, 10));
    world.succeed(&last, 3);
    assert_eq!(world.spent(), (43, 0));
    assert!(world.submit(payer, 58).is_err());
    world.submit(payer, 57).unwrap();
    world.deeds.verify();
}

#[test]
fn the_keys_of_a_project_share_its_budget() {
    let mut world = World::new();
    let (one, other) = (payer(KEY, Some(80), Some(100)), payer(KEY + 1, None, Some(100)));
    world.spend(one, 60);
    world.spend(other, 30);
    assert_eq!(refusal(&world.submit(other, 11).unwrap_err())["budget"], "project");
    assert_eq!(refusal(&world.submit(one, 15).unwrap_err())["available"], json!(0.000_01));
    // The key's own limit is the tighter one.
    assert_eq!(refusal(&world.submit(one, 21).unwrap_err())["budget"], "api_key");
    world.submit(other, 10).unwrap();
    // A key of another project does not count.
    let elsewhere = ProjectId::from_uuid(Uuid::from_u128(PROJECT + 1));
    world.submit(Payer { project: elsewhere, ..other }, 100).unwrap();
    world.deeds.verify();
}

#[test]
fn a_job_counts_in_the_month_in_which_it_was_accepted() {
    let mut world = World::new();
    let payer = payer(KEY, Some(100), None);
    world.to("2026-11-30T23:59:59.999Z");
    let late = world.submit(payer, 100).unwrap();
    assert!(world.submit(payer, 1).is_err());
    world.deeds.ambient.advance(Duration::from_millis(1));
    assert_eq!(world.spent(), (0, 0));
    let next = world.submit(payer, 100).unwrap();
    // Neither the late end of the one nor a clock that goes back gives more room.
    world.succeed(&late, 100);
    assert_eq!(world.spent(), (0, 100));
    world.to("2026-11-30T23:00:00Z");
    assert_eq!(world.spent(), (100, 0));
    assert!(world.submit(payer, 1).is_err());
    world.to("2026-12-01T00:00:01Z");
    world.succeed(&next, 10);
    assert_eq!(world.spent(), (10, 0));
}

#[test]
fn a_batch_counts_as_a_whole() {
    let world = World::new();
    let caller = world.caller(payer(KEY, Some(250), None));
    let batch = |requests| world.deeds.try_batch_as(&caller, requests);
    // Each may cost 100.
    assert_eq!(refusal(&batch(3).unwrap_err())["required"], json!(0.000_3));
    assert_eq!(world.spent(), (0, 0));
    batch(2).unwrap();
    assert_eq!(world.spent(), (0, 200));
    world.deeds.verify();
}

#[test]
fn whoever_retries_a_job_pays_for_it() {
    let mut world = World::new();
    let (poor, rich) = (payer(KEY, Some(100), None), payer(KEY + 1, None, None));
    let job = world.submit(poor, 100).unwrap();
    world.fail(&job);
    world.submit(poor, 50).unwrap();
    let retry = |payer| {
        let caller = world.caller(payer);
        jobs::retry(&world.deeds.app, &caller, job.id, None, |_| Ok(Vec::new())).wait()
    };
    refusal(&retry(poor).unwrap_err());
    retry(rich).unwrap();
    let month = Month::of(world.deeds.ambient.now());
    let of = |payer: Payer| {
        let store = &world.deeds.app.store;
        let found =
            store.read(world.scope, |it| spending::of_key(it, month, payer.project, payer.key));
        found.unwrap().reserved
    };
    assert_eq!((of(poor), of(rich)), (micros(50), micros(100)));
    world.deeds.verify();
}

#[test]
fn at_a_command_line_whoever_paid_before_pays_again_under_todays_limit() {
    let mut world = World::new();
    let app = Arc::clone(&world.deeds.app);
    let default = app.store.read(world.scope, |it| projects::by_name(it, "default"));
    let project = default.unwrap().unwrap().id;
    let payer = Payer { project, ..payer(KEY, None, Some(100)) };
    let job = world.submit(payer, 100).unwrap();
    world.fail(&job);
    let operator = Caller { payer: None, ..caller(world.scope) };
    let letters = dead_letters::list(&app, &operator, None, &PageRequest::default()).unwrap().data;
    let redrive =
        || dead_letters::redrive(&app, &operator, letters[0].id, None, |_| Ok(Vec::new())).wait();
    let outside = world.deeds.outside();
    outside.execute("update project set monthly_credit_limit = 99", []).unwrap();
    assert_eq!(refusal(&redrive().unwrap_err())["limit"], json!(0.000_099));
    // What holds is the limit of today, also in another month.
    world.to("2026-12-01T00:00:00Z");
    outside.execute("update project set monthly_credit_limit = 140", []).unwrap();
    let other = world.submit(Payer { project_limit: None, ..payer }, 41).unwrap();
    refusal(&redrive().unwrap_err());
    world.deeds.cancel(&operator, other.id).unwrap();
    redrive().unwrap();
    world.deeds.verify();
}

#[test]
fn endpoints_are_told_of_each_part_once_in_a_month() {
    let mut world = World::new();
    world.listen();
    let mut spender = payer(KEY, Some(100), Some(1_000));
    world.spend(spender, 49);
    assert_eq!(world.thresholds(), []);
    world.spend(spender, 1);
    world.spend(spender, 29);
    let named =
        |parts: &[u64]| parts.iter().map(|it| ("api_key".to_owned(), *it)).collect::<Vec<_>>();
    assert_eq!(world.thresholds(), named(&[50]));
    world.spend(spender, 17);
    assert_eq!(world.thresholds(), named(&[50, 80, 95]));
    world.spend(spender, 4);
    assert_eq!(world.thresholds(), named(&[50, 80, 95, 100]));
    let expected = json!({
        "account_id": world.scope.account_id(), "budget": "api_key",
        "project_id": spender.project, "api_key_id": spender.key, "threshold": 100,
        "limit": 0.000_1, "spent": 0.000_1, "month": "2026-11",
        "resets_at": "2026-12-01T00:00:00.000Z",
    });
    assert_eq!(world.told()[3], expected);
    // A higher limit does not tell it again, another month does.
    spender.key_limit = Some(micros(150));
    world.spend(spender, 50);
    assert_eq!(world.thresholds().len(), 4);
    world.to("2026-12-05T00:00:00Z");
    world.spend(spender, 150);
    assert_eq!(world.thresholds()[4..], named(&[50, 80, 95, 100])[..]);
}

#[test]
fn the_parts_of_a_projects_budget_are_told_once_for_all_its_keys() {
    let mut world = World::new();
    world.listen();
    for key in 0..10 {
        world.spend(payer(KEY + key, None, Some(100)), 10);
    }
    let told: Vec<_> = world.told().iter().map(|it| it["threshold"].as_u64().unwrap()).collect();
    assert_eq!(told, [50, 80, 95, 100]);
    assert_eq!(
        (&world.told()[0]["budget"], &world.told()[0]["api_key_id"]),
        (&json!("project"), &Value::Null)
    );
}

/// Of jobs that are asked for at once, as many are accepted as the budget covers.
/// A session may hold the limit that was there before, for a moment.
#[test]
fn a_key_that_begins_to_spend_is_held_to_the_limit_that_the_others_are() {
    let mut world = World::new();
    world.listen();
    world.spend(payer(KEY, None, Some(1_000)), 10);
    let (month, project) = (Month::of(world.deeds.ambient.now()), payer(0, None, None).project);
    let lowered = world.deeds.app.store.write(world.scope, move |tx| {
        spending::limit_project(tx, month, project, Some(micros(100)), None)
    });
    lowered.wait().unwrap();
    world.spend(payer(KEY + 1, None, Some(1_000)), 45);
    assert_eq!(world.thresholds(), [("project".to_owned(), 50)]);
}

#[test]
fn a_budget_holds_for_jobs_at_once() {
    let world = World::new();
    let payer = payer(KEY, Some(1_000), None);
    let caller = Arc::new(world.caller(payer));
    let accepted: usize = std::thread::scope(|threads| {
        let ask = || {
            let mut accepted = 0;
            for _ in 0..20 {
                match world.deeds.submit_as(&caller, &json!({})) {
                    Ok(_) => accepted += 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::BudgetExceeded),
                }
            }
            accepted
        };
        let asking: Vec<_> = (0..8).map(|_| threads.spawn(ask)).collect();
        asking.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!((accepted, world.spent()), (10, (0, 1_000)));
    world.deeds.verify();
}
