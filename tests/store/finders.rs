//! Every function of the store that takes an account's scope, called with the ids of another account.

use std::{collections::BTreeSet, fmt::Debug};

use serde_json::json;
use skai_server::{
    app::credits,
    domain::{
        AccountSettings, ActiveDay, AgentId, AgentTotals, AgentVersionId, ApiKeyId, BatchId,
        BatchStep, Bucket, CatchUp, DailyTokens, Day, DayOfUse, DaySpan, DeadLetterId, DeliveryId,
        DeliveryStatus, EndUserId, EndpointId, EvalId, EvalRunId, EventId, FunctionId, GrantId,
        JobStatus, MemberRole, Month, Overlap, ProjectId, QueueName, Recurrence, Result,
        ScheduleId, Split, Streak, TaskId, TaskStatus, TimeZone, Timestamp, UserId,
    },
    store::{
        AccountScope, Snapshot, Tx, account_settings, agent_hours, agents, api_keys, batches,
        dead_letters, deliveries, end_user_days, end_users, evals, forward, functions,
        grants::{self, Correction},
        idempotency, job_events,
        jobs::{self, JobResult},
        ledger::{self, Charge, JobRound},
        ledger_entries, members, open_jobs,
        projects::{self, ProjectChange},
        queue::{self, Lease, Waiting, WorkId},
        scheduled_tasks::{self, NewTask, Task, TaskStep},
        schedules::{self, Schedule, ScheduleRules},
        spending::{self, SetAside, Spent},
        streaks, usage_days,
        usage_tail::{self, Dimension},
        webhooks,
    },
};

use crate::support::deeds::{Deeds, micros, model, payer};

/// Add rows or look at the account's own alone: they take no id of a row that could be another's, or
/// one that only becomes part of a row of their own.
const WITHOUT_FOREIGN_IDS: [&str; 63] = [
    "account_settings::set",
    "agent_hours::add",
    "agent_hours::tell",
    "agents::count",
    "agents::insert",
    "agents::list",
    "agents::named",
    "api_keys::add_of_dashboard",
    "api_keys::count",
    "api_keys::insert",
    "api_keys::list",
    "audit_log::credits_taken",
    "audit_log::list",
    "batches::add_item",
    "batches::insert",
    "batches::list",
    "books::balance",
    "canceled_jobs::list",
    "dead_letters::insert",
    "dead_letters::list",
    "deliveries::attempted",
    "deliveries::insert",
    "deliveries::list",
    "end_users::open",
    "end_users::set_cap",
    "evals::insert",
    "evals::insert_run",
    "functions::count",
    "functions::list",
    "functions::put",
    "grants::add",
    "grants::expire",
    "grants::grant",
    "idempotency::save",
    "job_events::add",
    "job_events::begin",
    "job_list::list",
    "new_jobs::insert",
    "ledger::cover",
    "ledger_entries::grants",
    "members::count",
    "members::insert",
    "members::list",
    "projects::by_name",
    "projects::count",
    "projects::insert",
    "projects::list",
    "queue::demand",
    "queue::hold",
    "queue::push",
    "scheduled_tasks::due",
    "scheduled_tasks::insert",
    "scheduled_tasks::list",
    "scheduled_tasks::open",
    "schedules::count",
    "schedules::insert",
    "schedules::list",
    "spending::set_aside",
    "streaks::set_bonus",
    "webhooks::active",
    "webhooks::count",
    "webhooks::insert",
    "webhooks::list",
];

/// What the other account has.
struct Theirs {
    project: ProjectId,
    project_seq: i64,
    member: UserId,
    agent: i64,
    key: ApiKeyId,
    job: jobs::Job,
    batch: (i64, BatchId),
    /// A job of the batch.
    waits: i64,
    lease: Lease,
    endpoint: (i64, EndpointId),
    eval: EvalId,
    eval_run: EvalRunId,
    delivery: (i64, DeliveryId),
    letter: DeadLetterId,
    grant: GrantId,
    schedule: Schedule,
    task: Task,
}

const SAVED: idempotency::KeyHash = [7; 16];

fn fill(deeds: &Deeds, scope: AccountScope) -> Theirs {
    deeds.grant(scope.account_id(), Bucket::Free, 1_000, None);
    let job = deeds.submit(scope, &json!({})).unwrap();
    let (claimed, job) = deeds.begin(job.seq, 77);
    let uuid = || deeds.ambient.uuid();
    let (key, letter) = (ApiKeyId::from_uuid(uuid()), DeadLetterId::from_uuid(uuid()));
    let endpoint = EndpointId::from_uuid(uuid());
    let agent = AgentId::from_uuid(uuid());
    let (eval, eval_run) = (EvalId::from_uuid(uuid()), EvalRunId::from_uuid(uuid()));
    let batch = deeds.batch(scope, 1);
    let (delivery, event_id) = (DeliveryId::from_uuid(uuid()), EventId::from_uuid(uuid()));
    let work = claimed.lease.id;
    let store = &deeds.app.store;
    let (schedule, task) = (ScheduleId::from_uuid(uuid()), TaskId::from_uuid(uuid()));
    let job_seq = job.seq;
    let project = store.read(scope, |it| projects::by_name(it, "default")).unwrap().unwrap();
    let project_seq = project.seq;
    let member = UserId::from_uuid(uuid());
    let numbers = store.write(scope, move |tx| {
        let text = || "theirs".to_owned();
        api_keys::insert(tx, &new_key(key, project_seq))?;
        fill_people(tx, member, project_seq)?;
        let new =
            agents::NewAgent { id: agent, name: text(), description: None, tags: "[]".to_owned() };
        let agent =
            agents::insert(tx, &new, &new_version(AgentVersionId::from_uuid(agent.uuid())))?;
        let one = AgentTotals { jobs: 1, ..AgentTotals::default() };
        agent_hours::add(tx, agent, 1, &one)?;
        let new = evals::NewEval { id: eval, name: text(), cases: "[]".to_owned() };
        evals::insert(tx, agent, &new)?;
        let new = evals::NewEvalRun {
            id: eval_run,
            eval: 1,
            version: 1,
            total: 2,
            taken: vec![2],
            refused: vec![(1, "[]".to_owned())],
        };
        evals::insert_run(tx, &new, Some(1_000))?;
        dead_letters::insert(tx, letter, work, "reason", "message", 1)?;
        fill_caps(tx, EndUserId::from_uuid(letter.uuid()))?;
        fill_tasks(tx, schedule, task, job_seq)?;
        let (endpoint, delivery) = fill_webhooks(tx, endpoint, delivery, event_id)?;
        let answer = idempotency::Answer::Body(b"theirs".to_vec());
        let saved = idempotency::Saved { body_hash: [0; 32], answer };
        idempotency::save(tx, &SAVED, &saved, Timestamp::from_millis(i64::MAX))?;
        Ok((endpoint, delivery, agent))
    });
    let (endpoint_seq, delivery_seq, agent) = numbers.wait().unwrap();
    let grants = store.read(scope, |it| ledger_entries::grants(it, None, 1)).unwrap();
    let waits = store.read(scope, |it| batches::open_items(it, batch.seq, 0, 1)).unwrap();
    Theirs {
        waits: waits[0].1.seq,
        project: project.id,
        project_seq,
        member,
        agent,
        eval,
        eval_run,
        key,
        job,
        batch: (batch.seq, batch.id),
        lease: claimed.lease,
        endpoint: (endpoint_seq, endpoint),
        delivery: (delivery_seq, delivery),
        letter,
        grant: grants[0].id,
        schedule: store.read(scope, |it| schedules::find(it, schedule)).unwrap().unwrap(),
        task: store.read(scope, |it| scheduled_tasks::find(it, task)).unwrap().unwrap(),
    }
}

/// An owner, and the key that pays for what people start.
fn fill_people(tx: &Tx<'_, AccountScope>, member: UserId, project: i64) -> Result<()> {
    api_keys::add_of_dashboard(tx, ApiKeyId::from_uuid(member.uuid()), project)?;
    members::insert(tx, member, "theirs", MemberRole::Owner)?;
    members::accept(tx, member)
}

/// A function, a schedule of it, and a task of that which is held and has become a job.
fn fill_tasks(
    tx: &Tx<'_, AccountScope>,
    schedule: ScheduleId,
    task: TaskId,
    job: i64,
) -> Result<()> {
    let target = functions::Target::Agent { agent: "theirs".to_owned(), input: None };
    functions::put(tx, FunctionId::from_uuid(task.uuid()), "theirs", &target)?;
    let rules = ScheduleRules {
        name: "theirs".to_owned(),
        function: "theirs".to_owned(),
        payload: None,
        cron: Recurrence::parse("@daily").unwrap(),
        timezone: TimeZone::UTC,
        catch_up: CatchUp::One,
        overlap: Overlap::Queue,
        jitter_ms: 0,
    };
    schedules::insert(tx, schedule, &rules, None, Some(tx.now()))?;
    let schedule = schedules::find(tx, schedule)?.unwrap().seq;
    let new = NewTask {
        id: task,
        function: "theirs".to_owned(),
        schedule: Some(schedule),
        occurrence: Some(tx.now()),
        scheduled_time: tx.now(),
        payload: None,
        asked_by: None,
        request_id: "theirs".to_owned(),
        held: true,
    };
    let seq = scheduled_tasks::insert(tx, &new)?.unwrap();
    scheduled_tasks::set_job(tx, seq, job)
}

fn new_key(id: ApiKeyId, project: i64) -> api_keys::NewApiKey {
    let text = || "theirs".to_owned();
    api_keys::NewApiKey {
        id,
        project,
        name: text(),
        prefix: text(),
        hash: text(),
        scopes: text(),
        rate_limit: None,
        monthly_credit_limit: None,
        allowed_cidrs: None,
        origin: None,
        expires_at: None,
    }
}

/// An end user with a cap, and one for all.
fn fill_caps(tx: &Tx<'_, AccountScope>, user: EndUserId) -> Result<()> {
    end_users::set_cap(tx, user, "theirs", Some(7))?;
    let settings = AccountSettings { daily_token_cap: Some(7), ..AccountSettings::default() };
    account_settings::set(tx, &settings)
}

fn new_version(id: AgentVersionId) -> agents::NewVersion {
    agents::NewVersion {
        id,
        model: "m".to_owned(),
        messages: "[]".to_owned(),
        input_schema: None,
        output_schema: None,
        parameters: "{}".to_owned(),
        warnings: "[]".to_owned(),
    }
}

/// An endpoint and a failed delivery to it; gives their internal numbers.
fn fill_webhooks(
    tx: &Tx<'_, AccountScope>,
    endpoint: EndpointId,
    delivery: DeliveryId,
    event_id: EventId,
) -> Result<(i64, i64)> {
    webhooks::insert(
        tx,
        &webhooks::NewEndpoint {
            id: endpoint,
            url: "theirs".to_owned(),
            events: "theirs".to_owned(),
            description: None,
            active: true,
            retry_policy: "standard".to_owned(),
            secret: vec![1],
        },
    )?;
    let endpoint = webhooks::find(tx, endpoint)?.unwrap().seq;
    let new = deliveries::NewDelivery {
        id: delivery,
        endpoint,
        event_id,
        event_type: "theirs",
        payload: "theirs",
        trace: None,
    };
    let delivery = deliveries::insert(tx, &new)?;
    deliveries::attempted(tx, delivery, &attempt())?;
    deliveries::set_status(tx, delivery, DeliveryStatus::Failed, 1)?;
    let id = WorkId { queue: QueueName::WebhookDelivery, subject: delivery };
    queue::push(tx, Waiting { id, lane: endpoint, priority: 0, run_at: tx.now() }, tx.now())?;
    Ok((endpoint, delivery))
}

fn attempt() -> deliveries::Attempt {
    deliveries::Attempt {
        n: 1,
        status_code: None,
        error: None,
        response: None,
        duration_ms: 1,
        created_at: Timestamp::default(),
    }
}

/// All rows of all tenants, as text.
fn rows(deeds: &Deeds, account: i64) -> Vec<String> {
    let outside = deeds.outside();
    let mut rows = Vec::new();
    for table in skai_server::store::tenant_tables() {
        let sql = format!("select * from {table} where account = {account}");
        let mut statement = outside.prepare(&sql).unwrap();
        let columns = statement.column_count();
        let found = statement.query_map([], |row| {
            (0..columns)
                .map(|at| row.get(at))
                .collect::<rusqlite::Result<Vec<rusqlite::types::Value>>>()
        });
        rows.extend(found.unwrap().map(|row| format!("{table} {:?}", row.unwrap())));
    }
    rows
}

/// Calls functions under our scope with their ids, and keeps which.
struct Calls<'a> {
    deeds: &'a Deeds,
    ours: AccountScope,
    theirs: AccountScope,
    called: BTreeSet<&'static str>,
}

impl Calls<'_> {
    /// Finds under their scope, and nothing under ours.
    fn find<T: Debug>(
        &mut self,
        name: &'static str,
        look: impl Fn(&Snapshot<'_, AccountScope>) -> Result<T>,
        is_nothing: impl Fn(&T) -> bool,
    ) {
        self.called.insert(name);
        let store = &self.deeds.app.store;
        let found = store.read(self.theirs, |snapshot| look(snapshot)).unwrap();
        assert!(!is_nothing(&found), "{name} finds nothing even for its owner");
        let foreign = store.read(self.ours, |snapshot| look(snapshot)).unwrap();
        assert!(is_nothing(&foreign), "{name} found {foreign:?}");
    }

    /// Changes nothing of theirs; what it gives is `expected`, or an error.
    fn change<T: Debug + PartialEq + Send + 'static>(
        &mut self,
        name: &'static str,
        expected: &T,
        mut change: impl FnMut(&Tx<'_, AccountScope>) -> Result<T> + Send + 'static,
    ) {
        self.called.insert(name);
        let account = self.theirs.seq().number();
        let before = rows(self.deeds, account);
        let given = self.deeds.app.store.write(self.ours, move |tx| change(tx)).wait();
        if let Ok(given) = given {
            assert_eq!(&given, expected, "{name}");
        }
        assert_eq!(rows(self.deeds, account), before, "{name}");
    }
}

#[test]
fn no_function_finds_or_changes_what_another_account_has() {
    let deeds = Deeds::new([model("m", 1)]);
    let (ours, theirs) = (deeds.account("ours"), deeds.account("theirs"));
    let has = fill(&deeds, theirs);
    let mut calls = Calls { deeds: &deeds, ours, theirs, called: BTreeSet::new() };
    find(&mut calls, &has);
    find_people(&mut calls, &has);
    find_end_users(&mut calls);
    find_spending(&mut calls, &has);
    find_tasks(&mut calls, &has);
    change_tasks(&mut calls, &has);
    change_work(&mut calls, &has);
    change_webhooks(&mut calls, &has);
    change_books(&mut calls, &has);
    let covered: BTreeSet<&str> = calls.called.iter().copied().chain(WITHOUT_FOREIGN_IDS).collect();
    let written = functions();
    let written: BTreeSet<&str> = written.iter().map(String::as_str).collect();
    assert_eq!(
        written, covered,
        "each function that takes an account's scope belongs in this test"
    );
    deeds.verify();
    assert_eq!(credits::balance(&deeds.app, ours).unwrap(), ledger::Balance::default());
}

fn find_people(calls: &mut Calls<'_>, has: &Theirs) {
    let project = has.project_seq;
    calls.find("api_keys::of_dashboard", |it| api_keys::of_dashboard(it, project), Option::is_none);
    calls.find("members::find", |it| members::find(it, has.member), Option::is_none);
    let nobody = UserId::MAX;
    let has_owner = |it: &Snapshot<'_, _>| members::has_other_owner(it, nobody);
    calls.find("members::has_other_owner", has_owner, |has| !has);
}

fn find(calls: &mut Calls<'_>, has: &Theirs) {
    let (key, job, letter) = (has.key, &has.job, has.letter);
    let (delivery, endpoint) = (has.delivery, has.endpoint);
    let job_of = ledger_entries::LedgerFilter { job: Some(job.id), ..Default::default() };
    calls.find("projects::find", |it| projects::find(it, has.project), Option::is_none);
    let always = 0..i64::MAX;
    calls.find(
        "agent_hours::sum",
        |it| agent_hours::sum(it, has.agent, &always),
        |totals| totals.jobs == 0,
    );
    calls.find("agents::find", |it| agents::find(it, "theirs"), Option::is_none);
    calls.find("agents::version", |it| agents::version(it, "theirs", 1), Option::is_none);
    calls.find(
        "agents::versions",
        |it| agents::versions(it, has.agent, None, 9),
        |page| page.rows.is_empty(),
    );
    let later = Timestamp::default();
    calls.find("api_keys::ended", |it| api_keys::ended(it, None, later, 9), Vec::is_empty);
    calls.find("api_keys::find", |it| api_keys::find(it, key), Option::is_none);
    let batch = has.batch;
    calls.find("batches::find", |it| batches::find(it, batch.1), Option::is_none);
    calls.find("batches::by_seq", |it| batches::by_seq(it, batch.0), Option::is_none);
    calls.find(
        "batches::items",
        |it| batches::items(it, batch.0, 0, 9),
        |page| page.rows.is_empty(),
    );
    let background = |it: &Snapshot<'_, AccountScope>| forward::in_background(it, 0, 9);
    calls.find("forward::in_background", background, Vec::is_empty);
    calls.find("forward::standing", |it| forward::standing(it, job.seq), Option::is_none);
    calls.find("batches::open_items", |it| batches::open_items(it, batch.0, 0, 9), Vec::is_empty);
    calls.find("dead_letters::find", |it| dead_letters::find(it, letter), Option::is_none);
    calls.find("deliveries::find", |it| deliveries::find(it, delivery.1), Option::is_none);
    calls.find("deliveries::by_seq", |it| deliveries::by_seq(it, delivery.0), Option::is_none);
    let since = Timestamp::default();
    calls.find(
        "deliveries::failed_since",
        |it| deliveries::failed_since(it, endpoint.0, since, 9),
        Vec::is_empty,
    );
    calls.find("deliveries::due_at", |it| deliveries::due_at(it, delivery.0), Option::is_none);
    calls.find("deliveries::attempts", |it| deliveries::attempts(it, delivery.0), Vec::is_empty);
    calls.find("evals::find", |it| evals::find(it, "theirs", has.eval), Option::is_none);
    calls.find("evals::by_seq", |it| evals::by_seq(it, 1), Option::is_none);
    calls.find("evals::count", |it| evals::count(it, has.agent), |count| *count == 0);
    calls.find("evals::count_all", evals::count_all, |count| *count == 0);
    calls.find("evals::count_runs", |it| evals::count_runs(it, 1), |count| *count == 0);
    calls.find(
        "evals::list",
        |it| evals::list(it, has.agent, None, 9),
        |page| page.rows.is_empty(),
    );
    calls.find("evals::find_run", |it| evals::find_run(it, has.eval_run), Option::is_none);
    calls.find("evals::runs", |it| evals::runs(it, 1, None, 9), Vec::is_empty);
    calls.find("evals::results", |it| evals::results(it, 1), Vec::is_empty);
    calls.find("evals::outcomes", |it| evals::outcomes(it, 1, 0, 9), |page| page.rows.is_empty());
    calls.find("idempotency::find", |it| idempotency::find(it, &SAVED), Option::is_none);
    calls.find("jobs::find", |it| jobs::find(it, job.id), Option::is_none);
    calls.find("jobs::by_seq", |it| jobs::by_seq(it, job.seq), Option::is_none);
    calls.find("job_events::list", |it| job_events::list(it, job.seq, 0, 9), Vec::is_empty);
    calls.find(
        "ledger_entries::entries",
        |it| ledger_entries::entries(it, &job_of, 9),
        |page| page.rows.is_empty(),
    );
    calls.find("ledger_entries::grant", |it| ledger_entries::grant(it, has.grant), Option::is_none);
    calls.find("webhooks::find", |it| webhooks::find(it, endpoint.1), Option::is_none);
    calls.find("webhooks::by_seq", |it| webhooks::by_seq(it, endpoint.0), Option::is_none);
}

fn find_tasks(calls: &mut Calls<'_>, has: &Theirs) {
    let (schedule, task) = (&has.schedule, &has.task);
    calls.find("functions::find", |it| functions::find(it, "theirs"), Option::is_none);
    calls.find("schedules::count_of", |it| schedules::count_of(it, "theirs"), |count| *count == 0);
    calls.find("schedules::find", |it| schedules::find(it, schedule.id), Option::is_none);
    calls.find(
        "schedules::of_function",
        |it| schedules::of_function(it, "theirs", 9),
        Vec::is_empty,
    );
    calls.find("scheduled_tasks::find", |it| scheduled_tasks::find(it, task.id), Option::is_none);
    calls.find(
        "scheduled_tasks::by_seq",
        |it| scheduled_tasks::by_seq(it, task.seq),
        Option::is_none,
    );
    let seq = schedule.seq;
    calls.find(
        "scheduled_tasks::open_of",
        |it| scheduled_tasks::open_of(it, seq),
        |found| *found == (0, 0),
    );
    calls.find(
        "scheduled_tasks::next_held",
        |it| scheduled_tasks::next_held(it, seq),
        Option::is_none,
    );
    calls.find(
        "scheduled_tasks::pending_of",
        |it| scheduled_tasks::pending_of(it, seq, 9),
        Vec::is_empty,
    );
}

fn change_tasks(calls: &mut Calls<'_>, has: &Theirs) {
    let (schedule, seq, at) =
        (has.schedule.clone(), has.schedule.seq, has.schedule.next_at.unwrap());
    let (task, job, made) = (has.task.clone(), has.job.seq, has.schedule.updated_at);
    calls.change("functions::delete", &false, |tx| functions::delete(tx, "theirs"));
    calls.change("schedules::update", &(), move |tx| schedules::update(tx, &schedule));
    calls.change("schedules::delete", &false, move |tx| schedules::delete(tx, seq));
    calls.change("schedules::advance", &false, move |tx| {
        schedules::advance(tx, (seq, at, made), at, at)
    });
    calls.change("schedules::pause", &(), move |tx| schedules::pause(tx, seq));
    calls.change("schedules::skip", &(), move |tx| schedules::skip(tx, seq, 1, at, "missed"));
    let begun = task.clone();
    calls.change("scheduled_tasks::begin", &(), move |tx| scheduled_tasks::begin(tx, &begun));
    let (seq, stepped) = (task.seq, task);
    calls.change("scheduled_tasks::step", &(), move |tx| {
        let step = TaskStep { status: TaskStatus::Canceled, result: None, error: None };
        scheduled_tasks::step(tx, stepped.key(), &step)
    });
    calls.change("scheduled_tasks::set_job", &(), move |tx| scheduled_tasks::set_job(tx, seq, job));
    calls.change("scheduled_tasks::set_held", &(), move |tx| {
        scheduled_tasks::set_held(tx, seq, false)
    });
    calls.change("scheduled_tasks::detach", &(), move |tx| scheduled_tasks::detach(tx, seq));
    calls.change("scheduled_tasks::set_asked_by", &(), move |tx| {
        scheduled_tasks::set_asked_by(tx, seq, (7, 7))
    });
    let store = &calls.deeds.app.store;
    let begun = has.task.clone();
    let runs = store.write(calls.theirs, move |tx| scheduled_tasks::begin(tx, &begun));
    runs.wait().unwrap();
    let again = store.write(calls.theirs, move |tx| scheduled_tasks::set_job(tx, seq, job));
    again.wait().unwrap();
    calls.find(
        "scheduled_tasks::waiting_for",
        |it| scheduled_tasks::waiting_for(it, job),
        Option::is_none,
    );
    // Nothing like it is left behind by any deed, and the audit would say so.
    let over = has.task.clone();
    let end = store.write(calls.theirs, move |tx| {
        let step = TaskStep { status: TaskStatus::Canceled, result: None, error: None };
        scheduled_tasks::step(tx, over.key(), &step)
    });
    end.wait().unwrap();
}

fn find_spending(calls: &mut Calls<'_>, has: &Theirs) {
    let job = &has.job;
    let (month, theirs) = (Month::of(calls.deeds.ambient.now()), payer());
    let nothing = |found: &Spent| *found == Spent::default();
    calls.find(
        "spending::of_project",
        |it| spending::of_project(it, month, theirs.project),
        |(spent, _)| nothing(spent),
    );
    calls.find(
        "spending::of_key",
        |it| spending::of_key(it, month, theirs.project, theirs.key),
        nothing,
    );
    calls.find("spending::list", |it| spending::list(it, month, i64::MAX, 9), Vec::is_empty);
    calls.find("spending::payer_of", |it| spending::payer_of(it, job.spending), Option::is_none);
}

fn find_end_users(calls: &mut Calls<'_>) {
    let unset = AccountSettings::default();
    calls.find("account_settings::get", account_settings::get, |found| *found == unset);
    let day = Day::from_number(0);
    calls.find("end_users::find", |it| end_users::find(it, "theirs", day), Option::is_none);
    calls.find("end_users::list", |it| end_users::list(it, None, day, 9), Vec::is_empty);
    let nothing = DailyTokens::default();
    calls.find(
        "end_users::tokens",
        |it| end_users::tokens(it, "theirs", day),
        |found| *found == nothing,
    );
    find_days(calls);
    find_usage(calls);
}

/// What of theirs ended on a day, and their agent.
fn find_usage(calls: &mut Calls<'_>) {
    let (outside, theirs) = (calls.deeds.outside(), calls.theirs.seq().number());
    let counted = "insert into usage_day values (?1, 2, 3, x'', 0, 1, 0, 0, 0, 0, 0, x'')";
    outside.execute(counted, [theirs]).unwrap();
    let agent = outside
        .query_row("select id from agent where account = ?1", [theirs], |row| row.get(0))
        .map(|id: Vec<u8>| AgentId::from_uuid(uuid::Uuid::from_slice(&id).unwrap()))
        .unwrap();
    let day = Day::from_number;
    let days = DaySpan { from: day(0), to: day(99_999) };
    calls.find(
        "usage_days::list",
        |it| {
            let (mut rows, before) = (Vec::new(), (day(9), [].as_slice()));
            usage_days::list(it, Dimension::All, day(0), before, 9, |row| rows.push(row))
                .map(|()| rows)
        },
        Vec::is_empty,
    );
    calls.find(
        "usage_days::of_days",
        |it| usage_days::of_days(it, Dimension::All, days),
        Vec::is_empty,
    );
    calls.find("usage_days::agent_name", |it| usage_days::agent_name(it, agent), Option::is_none);
    calls.find(
        "usage_tail::each",
        |it| {
            let mut ended = Vec::new();
            usage_tail::each(it, days, |row| ended.push(row)).map(|()| ended)
        },
        Vec::is_empty,
    );
    outside.execute("delete from usage_day where account = ?1", [theirs]).unwrap();
}

/// Their first end user, who was active on a day and whose streak of another is over.
fn find_days(calls: &mut Calls<'_>) {
    let outside = calls.deeds.outside();
    let theirs = calls.theirs.seq().number();
    let user = outside.query_row(
        "update end_user set last_active_on = 3, streak_day = 2 where account = ?1 returning seq",
        [theirs],
        |row| row.get(0),
    );
    let user: i64 = user.unwrap();
    let days = [
        "insert into end_user_day values (?1, ?2, 3, 5, 0, 1, 0)",
        "insert into streak_bonus select ?1, 3, 7 where ?2 > 0",
    ];
    for sql in days {
        outside.execute(sql, (theirs, user)).unwrap();
    }
    let day = Day::from_number;
    calls.find("streaks::to_count", |it| streaks::to_count(it, 0, 9), Vec::is_empty);
    calls.find("streaks::active_days", |it| streaks::active_days(it, user, None, 9), Vec::is_empty);
    calls.find("streaks::bonus", streaks::bonus, Option::is_none);
    calls.find("end_user_days::used_on", |it| end_user_days::used_on(it, day(3)), |it| it.0 == 0);
    calls.change("end_user_days::forget", &0, move |tx| end_user_days::forget(tx, day(9), 9));
    calls.change("streaks::leave", &(), move |tx| {
        streaks::leave(tx, user, ActiveDay { day: day(3), reached: 9 })
    });
    calls.change("streaks::set", &(), move |tx| {
        streaks::set(tx, user, Streak { count: 9, day: Some(day(3)) })
    });
    let counted = "update end_user set streak_day = 3, streak_count = 1 where seq = ?1";
    outside.execute(counted, [user]).unwrap();
    calls.find("streaks::to_end", |it| streaks::to_end(it, day(9), 9), Vec::is_empty);
    for sql in [
        "delete from end_user_day where account = ?1",
        "update end_user set last_active_on = null, streak_count = 0 where account = ?1",
    ] {
        outside.execute(sql, [theirs]).unwrap();
    }
}

fn change_work(calls: &mut Calls<'_>, has: &Theirs) {
    let (seq, lease, key) = (has.job.seq, has.lease, has.key);
    let work = WorkId { queue: QueueName::GenerationCreate, subject: seq };
    calls.change("end_users::close", &(), |tx| end_users::close(tx, "theirs", 1));
    let used = DayOfUse { day: Day::from_number(0), tokens: 1, charged: micros(1) };
    calls.change("end_users::count", &(), move |tx| end_users::count(tx, "theirs", 1, &used));
    let agent = has.agent;
    calls.change("agents::archive", &false, move |tx| agents::archive(tx, agent));
    calls.change("agents::update", &false, move |tx| {
        let change = agents::AgentChange {
            active_version: Some(1),
            latest_version: None,
            description: Some("ours".to_owned()),
            tags: None,
        };
        agents::update(tx, agent, &change)
    });
    calls.change("agents::insert_version", &(), move |tx| {
        let id = AgentVersionId::from_uuid(key.uuid());
        agents::insert_version(tx, agent, 2, &new_version(id))?;
        // It has written a version of our own for an agent that we do not have; that is undone.
        Err(skai_server::domain::Error::not_found("agent"))
    });
    let member = has.member;
    calls.change("members::accept", &(), move |tx| members::accept(tx, member));
    calls.change("members::set_role", &(), move |tx| {
        members::set_role(tx, member, MemberRole::Viewer)
    });
    calls.change("members::remove", &(), move |tx| members::remove(tx, member));
    calls.change("api_keys::revoke", &false, move |tx| api_keys::revoke(tx, key));
    calls.change("api_keys::retire", &(), move |tx| api_keys::retire(tx, key, tx.now()));
    calls.change("api_keys::touch", &(), move |tx| api_keys::touch(tx, key));
    let project = has.project;
    calls.change("projects::update", &false, move |tx| {
        let change = ProjectChange { name: Some("ours".to_owned()), ..ProjectChange::default() };
        projects::update(tx, project, &change)
    });
    let batch = has.batch.0;
    calls.change("batches::request_cancel", &(), move |tx| batches::request_cancel(tx, batch));
    let step = BatchStep { running: 1, ..BatchStep::default() };
    calls.change("batches::step", &(), move |tx| batches::step(tx, batch, step).map(drop));
    calls.change("idempotency::forget", &(), |tx| idempotency::forget(tx, &SAVED));
    calls.change("dead_letters::redriven", &(), move |tx| dead_letters::redriven(tx, work));
    let run = has.eval_run;
    calls.change("evals::score", &false, move |tx| evals::score(tx, run, &[]));
    calls.change("jobs::set_status", &(), move |tx| jobs::set_status(tx, seq, JobStatus::Canceled));
    calls.change("jobs::start", &(), move |tx| jobs::start(tx, seq, 9));
    let round = JobRound { job: seq, round: 2 };
    calls.change("jobs::restart", &(), move |tx| {
        jobs::restart(tx, round, SetAside { held: Split::default(), spending: 1, tokens: 0 }, 0, 0)
    });
    let waits = has.waits;
    calls.change("forward::bring", &None, move |tx| forward::bring(tx, waits));
    calls.change("queue::finish", &false, move |tx| queue::finish(tx, lease));
    calls.change("queue::release", &false, move |tx| queue::release(tx, lease, tx.now(), false));
    calls.change("queue::withdraw", &false, move |tx| queue::withdraw(tx, work));
    calls.change("jobs::end", &(), move |tx| {
        let result = JobResult {
            output: None,
            output_text: None,
            model: None,
            provider: None,
            usage: None,
            estimated: false,
            charged: micros(0),
            error: None,
            finished_at: tx.now(),
        };
        jobs::end(tx, seq, JobStatus::Succeeded, &result)?;
        // It has written a result of our own for a job that we do not have; that is undone.
        Err(skai_server::domain::Error::not_found("job"))
    });
}

fn change_webhooks(calls: &mut Calls<'_>, has: &Theirs) {
    let ((seq, id), delivery) = (has.endpoint, has.delivery.0);
    let status = DeliveryStatus::Delivered;
    calls.change("deliveries::set_status", &(), move |tx| {
        deliveries::set_status(tx, delivery, status, 9)
    });
    calls.change("webhooks::update", &false, move |tx| {
        let change = webhooks::EndpointChange { active: Some(false), ..Default::default() };
        webhooks::update(tx, id, &change)
    });
    calls.change("webhooks::delete", &false, move |tx| webhooks::delete(tx, id));
    calls.change("webhooks::rotate", &false, move |tx| webhooks::rotate(tx, id, b"x", tx.now()));
    calls.change("webhooks::succeeded", &(), move |tx| webhooks::succeeded(tx, seq));
    calls.change("webhooks::failed", &None, move |tx| webhooks::failed(tx, seq));
    calls.change("webhooks::disable", &false, move |tx| webhooks::disable(tx, seq, "x"));
}

/// Nobody can settle what another account set aside: the index of the ledger, or our own balance, is in
/// the way.
fn change_books(calls: &mut Calls<'_>, has: &Theirs) {
    let of = JobRound { job: has.job.seq, round: 1 };
    let held = Split { free: micros(1), paid: micros(0) };
    calls.change("ledger::release", &(), move |tx| {
        ledger::release(tx, of, held)?;
        Err(skai_server::domain::Error::not_found("job"))
    });
    let seq = has.job.seq;
    calls.change("open_jobs::count_tokens", &(), move |tx| open_jobs::count_tokens(tx, seq, 1));
    let spending = has.job.spending;
    let (month, project) = (Month::of(calls.deeds.ambient.now()), payer().project);
    calls.change("spending::limit_project", &(), move |tx| {
        spending::limit_project(tx, month, project, Some(micros(1)), Some(50))
    });
    calls.change("spending::release", &(), move |tx| spending::release(tx, spending, micros(1)));
    calls.change("spending::tell", &(), move |tx| spending::tell(tx, spending, Some(50), None));
    calls.change("spending::settle", &(), move |tx| {
        spending::settle(tx, spending, micros(1), micros(1)).map(drop)
    });
    let grant = has.grant;
    calls.change("grants::remove", &(), move |tx| {
        let (bucket, amount, reason) = (Bucket::Paid, micros(1), "theirs");
        let by = Correction { bucket, amount, reason, request_id: None, stripe_event: None };
        grants::remove(tx, Some(grant), &by)?;
        Err(skai_server::domain::Error::not_found("grant"))
    });
    calls.change("ledger::settle", &(), move |tx| {
        ledger::settle(tx, of, held, Charge { cost: micros(1), price: None })?;
        Err(skai_server::domain::Error::not_found("job"))
    });
}

/// `file::name` of every public function of a table family that takes an account's scope.
fn functions() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(file) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        if path.is_dir() || ["mod", "tx", "scope"].contains(&file) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for rest in text.split("\npub fn ").skip(1) {
            let signature = rest.split(" {").next().unwrap();
            let name = signature.split(['(', '<']).next().unwrap();
            if signature.contains("AccountScope>,")
                || signature.contains("AccountScope>)")
                || signature.contains("_, S>")
            {
                found.insert(format!("{file}::{name}"));
            }
        }
    }
    found
}
