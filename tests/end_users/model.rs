//! Whatever happens to jobs in whatever order, the figures of their end users are those of a model that knows no
//! database, and a cap lets in just the jobs that the model lets in.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use serde_json::json;
use skai_server::{
    app::jobs,
    domain::{Day, ErrorKind, JobId, JobStatus},
    store::{AccountScope, jobs::Job, queue::Claimed},
};

use super::{PROMPT, cap, used, view};
use crate::support::deeds::{Deeds, caller, failure, micros, model};

const USERS: [&str; 3] = ["a", "b", "a/b"];
const DAY_MS: i64 = 86_400_000;

/// Something that happens. Jobs are picked modulo those that there are.
#[derive(Clone, Debug)]
enum Step {
    Submit { user: usize, max_tokens: u64 },
    Anonymous,
    Begin(usize),
    Succeed { at: usize, tokens: u32 },
    Fail { at: usize, again: bool },
    Cancel(usize),
    Retry(usize),
    Cap { user: usize, cap: Option<u64> },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let cap = prop::option::of(prop_oneof![Just(0), 1_u64..2_000]);
    prop_oneof![
        6 => (0..3_usize, 1_u64..300).prop_map(|(user, max_tokens)| Step::Submit { user, max_tokens }),
        1 => Just(Step::Anonymous),
        6 => any::<usize>().prop_map(Step::Begin),
        4 => (any::<usize>(), 0_u32..600).prop_map(|(at, tokens)| Step::Succeed { at, tokens }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, again)| Step::Fail { at, again }),
        2 => any::<usize>().prop_map(Step::Cancel),
        3 => any::<usize>().prop_map(Step::Retry),
        2 => (0..3_usize, cap).prop_map(|(user, cap)| Step::Cap { user, cap }),
        1 => (1_u64..30).prop_map(Step::Pass),
    ]
}

#[derive(Default)]
struct User {
    cap: Option<u64>,
    in_flight: u64,
    days: BTreeMap<i64, u64>,
    charged: i64,
    jobs: u64,
    last_active_on: Option<i64>,
}

struct Known {
    id: JobId,
    seq: i64,
    user: usize,
    bound: u64,
    status: JobStatus,
    running: Option<(Claimed, Job)>,
}

struct Model {
    deeds: Deeds,
    scope: AccountScope,
    users: [Option<User>; 3],
    jobs: Vec<Known>,
    token: i64,
}

impl Model {
    fn new() -> Self {
        let deeds = Deeds::with([model("m", 0)], |settings| {
            settings.end_users.daily_token_caps = true;
            settings.end_users.daily_token_cap = 1_000;
            settings.job_ttl = Duration::from_hours(10_000);
        });
        let scope = deeds.funded(1_000_000_000);
        Self { deeds, scope, users: [None, None, None], jobs: Vec::new(), token: 100 }
    }

    fn today(&self) -> i64 {
        self.deeds.ambient.now().millis() / DAY_MS
    }

    /// Whether the cap of the user lets another job in.
    fn lets_in(&self, user: usize) -> bool {
        let Some(user) = &self.users[user] else { return true };
        let today = user.days.get(&self.today()).copied().unwrap_or(0);
        today + user.in_flight < user.cap.unwrap_or(1_000)
    }

    /// The picked job that stands so.
    fn pick(&mut self, at: usize, stands: impl Fn(JobStatus) -> bool) -> Option<usize> {
        let found: Vec<_> = (0..self.jobs.len()).filter(|&n| stands(self.jobs[n].status)).collect();
        (!found.is_empty()).then(|| found[at % found.len()])
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Submit { user, max_tokens } => self.submit(user, max_tokens),
            Step::Anonymous => {
                self.deeds.submit(self.scope, &json!({})).unwrap();
            }
            Step::Begin(at) => self.begin(at),
            Step::Succeed { at, tokens } => self.succeed(at, tokens),
            Step::Fail { at, again } => self.fail(at, again),
            Step::Cancel(at) => self.cancel(at),
            Step::Retry(at) => self.retry(at),
            Step::Cap { user, cap: value } => {
                cap(&self.deeds, self.scope, USERS[user], value);
                self.users[user].get_or_insert_default().cap = value;
            }
            Step::Pass(hours) => self.deeds.ambient.advance(Duration::from_hours(hours)),
        }
    }

    fn submit(&mut self, user: usize, max_tokens: u64) {
        let request = json!({"user": USERS[user], "max_tokens": max_tokens});
        let submitted = self.deeds.submit(self.scope, &request);
        if !self.lets_in(user) {
            assert_eq!(submitted.unwrap_err().kind(), ErrorKind::DailyTokenCap);
            return;
        }
        let (job, bound) = (submitted.unwrap(), PROMPT + max_tokens);
        assert_eq!(job.token_bound, bound);
        self.users[user].get_or_insert_default().in_flight += bound;
        let status = JobStatus::Queued;
        self.jobs.push(Known { id: job.id, seq: job.seq, user, bound, status, running: None });
    }

    fn begin(&mut self, at: usize) {
        let Some(at) = self.pick(at, |status| status == JobStatus::Queued) else { return };
        self.token += 1;
        let begun = self.deeds.begin(self.jobs[at].seq, self.token);
        let job = &mut self.jobs[at];
        (job.status, job.running) = (JobStatus::Running, Some(begun));
    }

    fn succeed(&mut self, at: usize, tokens: u32) {
        let Some(at) = self.pick(at, |status| status == JobStatus::Running) else { return };
        let (claimed, job) = self.jobs[at].running.take().unwrap();
        assert!(self.deeds.finish(&claimed, job, used(tokens)));
        let today = self.today();
        let known = &mut self.jobs[at];
        known.status = JobStatus::Succeeded;
        let user = self.users[known.user].as_mut().unwrap();
        user.in_flight -= known.bound;
        *user.days.entry(today).or_default() += u64::from(tokens);
        user.charged += i64::from(tokens);
        user.jobs += 1;
        user.last_active_on = Some(today);
    }

    fn fail(&mut self, at: usize, again: bool) {
        let Some(at) = self.pick(at, |status| status == JobStatus::Running) else { return };
        let (claimed, job) = self.jobs[at].running.take().unwrap();
        let retry_at = again.then(|| self.deeds.ambient.now());
        assert!(self.deeds.finish(&claimed, job, failure(retry_at)));
        if again {
            self.jobs[at].status = JobStatus::Queued;
        } else {
            self.end(at, JobStatus::Failed);
        }
    }

    fn cancel(&mut self, at: usize) {
        let open = |status| matches!(status, JobStatus::Queued | JobStatus::Running);
        let Some(at) = self.pick(at, open) else { return };
        self.deeds.cancel(&caller(self.scope), self.jobs[at].id).unwrap();
        // The late answer of an attempt that was being made is discarded.
        if let Some((claimed, job)) = self.jobs[at].running.take() {
            assert!(!self.deeds.finish(&claimed, job, used(9_999)));
        }
        self.end(at, JobStatus::Canceled);
    }

    fn end(&mut self, at: usize, status: JobStatus) {
        let job = &mut self.jobs[at];
        job.status = status;
        self.users[job.user].as_mut().unwrap().in_flight -= job.bound;
    }

    fn retry(&mut self, at: usize) {
        let unsuccessful = |status| matches!(status, JobStatus::Failed | JobStatus::Canceled);
        let Some(at) = self.pick(at, unsuccessful) else { return };
        let (app, caller) = (&self.deeds.app, caller(self.scope));
        let retried = jobs::retry(app, &caller, self.jobs[at].id, None, |_| Ok(Vec::new())).wait();
        let user = self.jobs[at].user;
        if !self.lets_in(user) {
            assert_eq!(retried.unwrap_err().kind(), ErrorKind::DailyTokenCap);
            return;
        }
        retried.unwrap();
        let job = &mut self.jobs[at];
        job.status = JobStatus::Queued;
        self.users[user].as_mut().unwrap().in_flight += job.bound;
    }

    fn check(&self) {
        for (name, user) in USERS.iter().zip(&self.users) {
            let seen = view(&self.deeds, self.scope, name);
            let Some(user) = user else {
                assert_eq!(seen.unwrap_err().kind(), ErrorKind::NotFound);
                continue;
            };
            let seen = seen.unwrap();
            assert_eq!(seen.daily_token_cap, Some(user.cap.unwrap_or(1_000)));
            let seen = seen.user;
            let today = user.days.get(&self.today()).copied().unwrap_or(0);
            let figures = (seen.daily_token_cap, seen.open_tokens, seen.tokens_today, seen.tokens);
            assert_eq!(figures, (user.cap, user.in_flight, today, user.days.values().sum()));
            let figures = (seen.charged, seen.jobs, seen.last_active_on.map(Day::number));
            assert_eq!(figures, (micros(user.charged), user.jobs, user.last_active_on));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_figures_are_those_of_the_model(steps in prop::collection::vec(step(), 1..80)) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
            model.check();
        }
        model.deeds.verify();
    }
}
