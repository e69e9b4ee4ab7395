//! Lists of jobs take no longer however much history an account has, and miss nothing for it.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;
use skai_server::{
    app::jobs,
    domain::{Cursor, JobId, JobStatus, Timestamp},
    store::{AccountScope, job_list::JobFilter},
};

use crate::support::deeds::{Deeds, model};

const MINUTE: Duration = Duration::from_mins(1);

struct Bench {
    deeds: Deeds,
    scope: AccountScope,
    outside: Connection,
}

impl Bench {
    fn new() -> Self {
        let deeds = Deeds::new([model("m", 1)]);
        let scope = deeds.funded(1_000_000);
        let outside = deeds.outside();
        Self { deeds, scope, outside }
    }

    /// A job that waits.
    fn submit(&self, user: &str) -> JobId {
        self.deeds.submit(self.scope, &json!({"user": user})).unwrap().id
    }

    /// Adds so many jobs that succeeded, whose times are given in minutes by SQL of `n`, and has all listed.
    fn add_history(&self, jobs: u32, minutes: &str) {
        let from = self.deeds.ambient.now().millis();
        let sql = format!(
            "begin;
             insert into job (account, id, project, api_key, status, round, attempts, max_attempts,
               priority, model, reserved_free, reserved_paid, spending, price_list, completion_bound,
               request_id, run_at, created_at, started_at)
             with recursive c (n) as (select 1 union all select n + 1 from c where n < {jobs})
             select 1, randomblob(16), 1, 1, 4, 1, 1, 1, 0, 'm', 0, 0, 1, 1, 1, 'r', 0,
               {from} + 60000 * ({minutes}), 0 from c;
             insert into job_request (account, job, messages, parameters)
             select account, seq, '[]', '{{}}' from job
             where true on conflict do nothing;
             update job set listed = 1;
             insert into meta (name, value) select 'jobs_listed', max(seq) from job
             where true on conflict (name) do update set value = excluded.value;
             commit"
        );
        self.outside.execute_batch(&sql).unwrap();
    }

    /// The jobs of each page.
    fn pages(&self, filter: &JobFilter, limit: usize) -> Vec<Vec<JobId>> {
        let (mut pages, mut before) = (Vec::new(), None);
        loop {
            let filter = JobFilter { before, ..filter.clone() };
            let page = jobs::list(&self.deeds.app, self.scope, &filter, limit).unwrap();
            assert_eq!(page.has_more, page.next_cursor.is_some());
            pages.push(page.data.iter().map(|job| job.id).collect());
            let Some(next) = page.next_cursor else { return pages };
            before = Some(JobId::from_uuid(Cursor::parse(&next).unwrap().uuid().unwrap()));
        }
    }

    fn count(&self, condition: &str) -> usize {
        let sql = format!("select count(*) from job where {condition}");
        self.outside.query_row(&sql, [], |row| row.get(0)).unwrap()
    }
}

fn with_status(status: JobStatus) -> JobFilter {
    JobFilter { status: Some(status), ..JobFilter::default() }
}

#[test]
fn a_page_ends_early_where_few_jobs_match_among_many() {
    let bench = Bench::new();
    let oldest = bench.submit("rare");
    bench.add_history(45_000, "n");
    let newest = bench.submit("rare");
    let rare = JobFilter { user: Some("rare".to_owned()), ..JobFilter::default() };
    for limit in [1, 10] {
        assert_eq!(bench.pages(&rare, limit), [vec![newest], vec![], vec![oldest]]);
    }
    let none = JobFilter { model: Some("none".to_owned()), ..JobFilter::default() };
    assert_eq!(bench.pages(&none, 10), [const { Vec::new() }; 3]);
    let succeeded = bench.pages(&with_status(JobStatus::Succeeded), 10_000);
    assert_eq!(succeeded.concat().len(), 45_000);
    assert!(succeeded.iter().all(|page| page.len() <= 10_000));
    // Without a filter, each job that is looked at is shown.
    assert_eq!(bench.pages(&JobFilter::default(), 45_001).len(), 2);
}

#[test]
fn jobs_that_are_not_over_are_found_past_any_history() {
    let bench = Bench::new();
    let oldest = bench.submit("a");
    bench.add_history(25_000, "n");
    let newest = bench.submit("b");
    assert_eq!(bench.pages(&with_status(JobStatus::Queued), 10), [vec![newest, oldest]]);
    assert_eq!(bench.pages(&with_status(JobStatus::Queued), 1), [vec![newest], vec![oldest]]);
    assert_eq!(bench.pages(&with_status(JobStatus::Running), 10), [vec![]]);
    bench.deeds.begin(1, 1);
    assert_eq!(bench.pages(&with_status(JobStatus::Running), 10), [vec![oldest]]);
    let user = JobFilter { user: Some("a".to_owned()), ..with_status(JobStatus::Queued) };
    assert_eq!(bench.pages(&user, 10), [vec![]]);
    // Another account has none, and sees none.
    let other = bench.deeds.account("other");
    let page = jobs::list(&bench.deeds.app, other, &with_status(JobStatus::Queued), 10).unwrap();
    assert!(page.data.is_empty() && !page.has_more);
}

#[test]
fn times_lead_straight_to_their_jobs() {
    let bench = Bench::new();
    bench.add_history(45_000, "n");
    let at = |minutes: u32| bench.deeds.ambient.now().plus(minutes * MINUTE);
    let before = JobFilter { created_before: Some(at(11)), ..JobFilter::default() };
    let after = JobFilter { created_after: Some(at(44_991)), ..JobFilter::default() };
    let both = JobFilter { created_before: Some(at(30_000)), ..after.clone() };
    for (filter, jobs) in [(before, 10), (after, 10), (both, 0)] {
        let pages = bench.pages(&filter, 100);
        assert_eq!((pages.len(), pages[0].len()), (1, jobs), "{filter:?}");
    }
}

#[test]
fn times_miss_nothing_where_the_clock_was_set_back() {
    let bench = Bench::new();
    let first = bench.submit("a");
    // By half an hour after each fifty jobs, one a minute.
    bench.add_history(400, "n - (n / 50) * 30");
    let start = bench.deeds.ambient.now();
    for minutes in (0..250).step_by(7) {
        let time: Timestamp = start.plus(minutes * MINUTE);
        let after = JobFilter { created_after: Some(time), ..JobFilter::default() };
        let before = JobFilter { created_before: Some(time), ..JobFilter::default() };
        let (since, until) = (bench.pages(&after, 50).concat(), bench.pages(&before, 50).concat());
        let millis = time.millis();
        assert_eq!(since.len(), bench.count(&format!("created_at >= {millis}")), "{minutes}");
        assert_eq!(until.len(), bench.count(&format!("created_at < {millis}")), "{minutes}");
        assert_eq!(since.contains(&first), minutes == 0);
    }
}
