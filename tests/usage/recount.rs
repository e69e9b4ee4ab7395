//! Whatever happens to jobs in whatever order, with crashes in between: every sum of every day is that of a recount
//! from jobs, their steps and the ledger, and so is every report.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::Row;
use serde_json::json;
use skai_server::{
    app::{Caller, agents, jobs, usage},
    domain::{
        ApiKeyId, Day, DaySpan, JobErrorCode, JobId, Latencies, PageRequest, Payer, ProjectId,
        UsageBy, UsageTotals,
    },
    store::{AccountScope, jobs::Job, queue::Claimed},
};
use uuid::Uuid;

use super::fold;
use crate::support::deeds::{Deeds, caller, failure, micros, model, payer, success};

/// Jobs in an ordinary run; `SKAI_TEST_JOBS` asks for another number.
const JOBS: usize = 1_500;
/// Crashes in a run.
const CRASHES: usize = 5;
const AGENT: &str = "helper";

/// Account, dimension, day, and the group as reports show it.
type Place = (i64, &'static str, i64, Option<String>);

/// The sums of a day and their histograms, in any order.
type Rows = BTreeMap<(i64, &'static str, i64), Vec<(UsageTotals, Vec<u8>)>>;

/// Sums, and how long each took that succeeded.
#[derive(Clone, PartialEq, Debug, Default)]
struct Sum {
    totals: UsageTotals,
    latencies_ms: Vec<u64>,
}

struct Known {
    id: JobId,
    seq: i64,
    caller: Caller,
    running: Option<(Claimed, Job)>,
}

struct World {
    deeds: Deeds,
    accounts: Vec<AccountScope>,
    open: Vec<Known>,
    over: Vec<Known>,
    token: i64,
    seed: u64,
}

impl World {
    fn new() -> Self {
        let deeds = Deeds::new(models());
        let accounts: Vec<_> = (0..3).map(|_| deeds.funded(1_000_000_000_000)).collect();
        for scope in &accounts {
            let messages = json!([{"role": "user", "content": "hi"}]);
            let body = json!({"name": AGENT, "model": "m", "messages": messages}).to_string();
            let new = serde_json::from_str(&body).unwrap();
            agents::create(&deeds.app, &caller(*scope), &new, None, |_| Ok(Vec::new())).unwrap();
        }
        Self { deeds, accounts, open: Vec::new(), over: Vec::new(), token: 1 << 32, seed: 7 }
    }

    /// A number below `bound`, the same in every run.
    fn pick(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn submit(&mut self) {
        let (account, project, key) = (self.pick(3), self.pick(2), self.pick(3));
        let scope = self.accounts[account];
        let id = |n: usize| Uuid::from_u128(1 + u128::try_from(n).unwrap());
        let payer = Payer {
            project: ProjectId::from_uuid(id(project)),
            key: ApiKeyId::from_uuid(id(key)),
            ..payer()
        };
        let caller = Caller { payer: Some(payer), ..caller(scope) };
        let job = if self.pick(5) == 0 {
            let run = serde_json::from_str("{}").unwrap();
            let app = &self.deeds.app;
            let agents::Run::New(new) =
                agents::prepare_run(app, &caller, AGENT, &run, None).unwrap()
            else {
                panic!("the run is new");
            };
            jobs::submit(app, &caller, *new, None).wait().unwrap().job
        } else {
            let model = ["m", "n"][self.pick(2)];
            let more = match self.pick(4) {
                0 => json!({"model": model}),
                user => json!({"model": model, "user": format!("user {user}")}),
            };
            self.deeds.submit_as(&caller, &more).unwrap()
        };
        self.open.push(Known { id: job.id, seq: job.seq, caller, running: None });
    }

    /// A batch of a few jobs, which go on like others.
    fn batch(&mut self) {
        let account = self.pick(3);
        let caller = caller(self.accounts[account]);
        let batch = self.deeds.batch(caller.scope, 3);
        let outside = self.deeds.outside();
        let sql = "select j.id, j.seq from job j join batch b on b.seq = j.batch where b.id = ?1";
        let mut items = outside.prepare(sql).unwrap();
        let items = items.query_map([batch.id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        for item in items {
            let (id, seq) = item.unwrap();
            self.open.push(Known { id, seq, caller: caller.clone(), running: None });
        }
    }

    /// Takes an open job a step further.
    fn step(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let at = self.pick(self.open.len());
        let mut job = self.open.swap_remove(at);
        self.token += 1;
        let choice = self.pick(20);
        let Some((claimed, begun)) = job.running.take() else {
            match choice {
                0 => self.deeds.cancel(&job.caller, job.id).unwrap(),
                1 => {
                    let claimed = self.deeds.claim(job.seq, self.token).unwrap();
                    let given_up = jobs::give_up(&self.deeds.app, &claimed, JobErrorCode::Expired);
                    assert!(given_up.wait().unwrap());
                }
                _ => {
                    job.running = Some(self.deeds.begin(job.seq, self.token));
                    return self.open.push(job);
                }
            }
            return self.over.push(job);
        };
        let again = choice == 0;
        let outcome = match choice {
            0 => failure(Some(self.deeds.ambient.now())),
            1..=3 => failure(None),
            _ => success(i64::try_from(self.pick(100)).unwrap()),
        };
        assert!(self.deeds.finish(&claimed, begun, outcome));
        if again { self.open.push(job) } else { self.over.push(job) }
    }

    /// Tries a job again that is over, if it may.
    fn retry(&mut self) {
        if self.over.is_empty() {
            return;
        }
        let at = self.pick(self.over.len());
        let job = self.over.swap_remove(at);
        let retried =
            jobs::retry(&self.deeds.app, &job.caller, job.id, None, |_| Ok(Vec::new())).wait();
        if retried.is_ok() { self.open.push(job) } else { self.over.push(job) }
    }

    /// Some time passes, mostly forwards.
    fn pass(&mut self) {
        let millis = match self.pick(60) {
            0 | 1 => 7_200_000,
            2 => return self.set_back(),
            _ => self.pick(900),
        };
        self.deeds.ambient.advance(Duration::from_millis(u64::try_from(millis).unwrap()));
    }

    /// The clock is set back, past midnight in some cases. What waits is due nevertheless.
    fn set_back(&self) {
        let clock = &self.deeds.ambient;
        clock.jump(clock.now().minus(Duration::from_hours(3)));
        let due = "update queue set run_at = min(run_at, ?1)";
        self.deeds.outside().execute(due, [clock.now().millis()]).unwrap();
    }

    fn crash(&mut self) {
        let boot = (self.token >> 32) + 1;
        self.deeds = self.deeds.crashed(models(), boot);
        self.token = boot << 32;
        for job in &mut self.open {
            job.running = None;
        }
    }
}

fn models() -> [skai_server::domain::Model; 2] {
    [model("m", 0), model("n", 0)]
}

/// Everything that ended, counted from the rows that tell of it.
fn recount(deeds: &Deeds) -> BTreeMap<Place, Sum> {
    const SUCCEEDED: &str = "select j.account, r.finished_at as at, j.model, g.name as agent, s.project, s.api_key,
           j.end_user, 'succeeded' as name, r.prompt_tokens, r.completion_tokens,
           (select -sum(delta) from ledger l where l.job = j.seq and l.round = j.round and l.kind = 'charge') as charged,
           max(r.finished_at - j.started_at, 0) as latency
         from job j join job_result r on r.job = j.seq join spending s on s.seq = j.spending
           left join agent g on g.seq = j.agent where j.status = 4";
    const OTHERS: &str =
        "select j.account, e.created_at as at, j.model, g.name as agent, s.project, s.api_key,
           j.end_user, e.name, 0, 0, 0, 0
         from job_event e join job j on j.seq = e.job join spending s on s.seq = j.spending
           left join agent g on g.seq = j.agent where e.name in ('failed', 'expired', 'canceled')";
    let (outside, mut sums) = (deeds.outside(), BTreeMap::new());
    for sql in [SUCCEEDED, OTHERS] {
        let mut statement = outside.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let ended = ended(row);
            for place in places(row) {
                let sum: &mut Sum = sums.entry(place).or_default();
                sum.totals.add(&ended.totals);
                sum.latencies_ms.extend(&ended.latencies_ms);
            }
        }
    }
    sums
}

fn ended(row: &Row<'_>) -> Sum {
    let name: String = row.get("name").unwrap();
    let number = |at| row.get::<_, Option<u64>>(at).unwrap().unwrap_or_default();
    let is = |names: &[&str]| u64::from(names.contains(&name.as_str()));
    let totals = UsageTotals {
        succeeded: is(&["succeeded"]),
        failed: is(&["failed", "expired"]),
        canceled: is(&["canceled"]),
        prompt_tokens: number(8),
        completion_tokens: number(9),
        charged: micros(row.get::<_, Option<i64>>(10).unwrap().unwrap_or_default()),
        latency_ms: number(11),
    };
    let latencies_ms = (totals.succeeded == 1).then_some(totals.latency_ms).into_iter().collect();
    Sum { totals, latencies_ms }
}

fn places(row: &Row<'_>) -> [Place; 6] {
    let (account, at): (i64, i64) = (row.get("account").unwrap(), row.get("at").unwrap());
    let day = at.div_euclid(86_400_000);
    let text = |column: &str| row.get::<_, Option<String>>(column).unwrap();
    let id = |column: &str| {
        let bytes: Vec<u8> = row.get(column).unwrap();
        Some(Uuid::from_slice(&bytes).unwrap().to_string())
    };
    [
        ("all", None),
        ("model", text("model")),
        ("agent", text("agent")),
        ("project", id("project")),
        ("api_key", id("api_key")),
        ("user", text("end_user")),
    ]
    .map(|(dimension, group)| (account, dimension, day, group))
}

/// Everything that the reports show of these days, page by page.
fn reported(world: &World) -> BTreeMap<Place, usage::Figures> {
    let today = Day::of_utc(world.deeds.ambient.now());
    let mut found = BTreeMap::new();
    for scope in &world.accounts {
        let days = around(today);
        for by in [None].into_iter().chain(UsageBy::ALL.map(Some)) {
            let mut page = PageRequest { limit: 7, after: None };
            loop {
                let rows = usage::daily(&world.deeds.app, *scope, days, by, &page).unwrap();
                for row in rows.data {
                    let dimension = by.map_or("all", UsageBy::as_str);
                    let place = (scope.seq().number(), dimension, row.day.number(), row.group);
                    assert!(found.insert(place.clone(), row.figures).is_none(), "twice: {place:?}");
                }
                let Some(next) = rows.next_cursor else { break };
                page = PageRequest::parse(Some("7"), Some(&next)).unwrap();
            }
        }
    }
    found
}

/// A year, and the days that were seen before the clock was set back.
fn around(today: Day) -> DaySpan {
    DaySpan { from: today.plus(-355), to: today.plus(10) }
}

fn histogram(latencies_ms: &[u64]) -> Latencies {
    let mut histogram = Latencies::empty().unwrap();
    for latency in latencies_ms {
        histogram.record(*latency);
    }
    histogram
}

/// Every report against the recount.
fn compare_reports(world: &World, expected: &BTreeMap<Place, Sum>) {
    let reported = reported(world);
    for (place, sum) in expected {
        let histogram = histogram(&sum.latencies_ms);
        let expected = usage::Figures {
            totals: sum.totals,
            latency_p50_ms: histogram.quantile(0.5),
            latency_p95_ms: histogram.quantile(0.95),
        };
        assert_eq!(reported.get(place), Some(&expected), "{place:?}");
    }
    assert_eq!(reported.len(), expected.len());
    for scope in &world.accounts {
        let days = around(Day::of_utc(world.deeds.ambient.now()));
        let summary = usage::summary(&world.deeds.app, *scope, days).unwrap();
        let mut all = Sum::default();
        for ((account, dimension, ..), sum) in expected {
            if (*account, *dimension) == (scope.seq().number(), "all") {
                all.totals.add(&sum.totals);
                all.latencies_ms.extend(&sum.latencies_ms);
            }
        }
        assert_eq!(summary.jobs.totals, all.totals);
        assert_eq!(summary.jobs.latency_p95_ms, histogram(&all.latencies_ms).quantile(0.95));
    }
}

/// Every row of the days, with its histogram, against the recount. All but what is newest was counted.
fn compare_rows(deeds: &Deeds, expected: &BTreeMap<Place, Sum>) {
    let outside = deeds.outside();
    let sql = "select account, dimension, day, succeeded, failed, canceled, prompt_tokens,
           completion_tokens, charged, latency_ms, latencies from usage_day where dimension <= 7";
    let mut statement = outside.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut found = Rows::new();
    let names = ["", "", "all", "model", "agent", "project", "api_key", "user"];
    while let Some(row) = rows.next().unwrap() {
        let number = |at| row.get::<_, u64>(at).unwrap();
        let totals = UsageTotals {
            succeeded: number(3),
            failed: number(4),
            canceled: number(5),
            prompt_tokens: number(6),
            completion_tokens: number(7),
            charged: micros(row.get(8).unwrap()),
            latency_ms: number(9),
        };
        let dimension = names[row.get::<_, usize>(1).unwrap()];
        let place = (row.get(0).unwrap(), dimension, row.get(2).unwrap());
        found.entry(place).or_default().push((totals, row.get(10).unwrap()));
    }
    let mut wanted = Rows::new();
    for ((account, dimension, day, _), sum) in expected {
        let bytes = histogram(&sum.latencies_ms).to_bytes().unwrap();
        wanted.entry((*account, *dimension, *day)).or_default().push((sum.totals, bytes));
    }
    for rows in found.values_mut().chain(wanted.values_mut()) {
        rows.sort_by_key(|(totals, bytes)| (format!("{totals:?}"), bytes.clone()));
    }
    assert!(found == wanted, "rows of days differ from the recount");
}

#[test]
fn days_equal_a_full_recount_after_random_jobs_and_crashes() {
    let asked = std::env::var("SKAI_TEST_JOBS").ok();
    let jobs = asked.map_or(JOBS, |jobs| jobs.parse().unwrap());
    let mut world = World::new();
    for n in 1..=jobs {
        world.submit();
        if world.pick(50) == 0 {
            world.batch();
        }
        (0..3).for_each(|_| world.step());
        if world.pick(4) == 0 {
            world.retry();
        }
        world.pass();
        if world.pick(40) == 0 {
            let at_least = u64::try_from(world.pick(100)).unwrap();
            usage::fold_once(&world.deeds.app, at_least).unwrap();
        }
        if n % (jobs / CRASHES) == 0 {
            world.crash();
            compare_reports(&world, &recount(&world.deeds));
        }
    }
    // The newest that ended is not counted by days, so it is one of nobody here.
    let nobody = world.deeds.funded(1_000_000);
    let last = world.deeds.submit(nobody, &json!({})).unwrap();
    fold(&world.deeds);
    let expected = recount(&world.deeds);
    world.deeds.cancel(&caller(nobody), last.id).unwrap();
    fold(&world.deeds);
    compare_rows(&world.deeds, &expected);
    compare_reports(&world, &expected);
    world.deeds.verify();
}
