//! Lists are the same whatever part of their rows the indexes have.

use std::sync::Mutex;

use serde_json::json;
use skai_server::{
    app::{credits, deliveries, fill_lists, jobs},
    domain::{
        Bucket, Cursor, DeliveryId, EndpointId, EventId, JobId, JobStatus, Page, PageRequest,
    },
    store::{
        AccountScope, SystemScope,
        deliveries::{self as rows, DeliveryFilter, NewDelivery},
        job_list::JobFilter,
        listing::{self, Listing},
        webhooks,
    },
};

use crate::support::deeds::{Deeds, caller, failure, model, success};

/// Jobs of each account.
const JOBS: usize = 7;

fn pages<T>(mut read: impl FnMut(Option<Cursor>) -> Page<T>) -> Vec<T> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = read(after);
        assert!(page.data.len() <= 2 && page.has_more == page.next_cursor.is_some());
        all.extend(page.data);
        let Some(next) = page.next_cursor else { return all };
        after = Some(Cursor::parse(&next).unwrap());
    }
}

fn jobs_of(deeds: &Deeds, scope: AccountScope, status: Option<JobStatus>) -> Vec<JobId> {
    let page = |after: Option<Cursor>| {
        let before = after.map(|cursor| JobId::from_uuid(cursor.uuid().unwrap()));
        jobs::list(&deeds.app, scope, &JobFilter { status, before, ..JobFilter::default() }, 2)
    };
    pages(|after| page(after).unwrap()).iter().map(|job| job.id).collect()
}

fn entries_of(deeds: &Deeds, scope: AccountScope) -> Vec<i64> {
    let entries = |after| {
        let page = PageRequest { limit: 2, after };
        credits::entries(&deeds.app, scope, credits::EntryFilter::default(), &page).unwrap()
    };
    pages(entries).iter().map(|entry| entry.n).collect()
}

fn deliveries_of(deeds: &Deeds, scope: AccountScope) -> Vec<DeliveryId> {
    let page = |after: Option<Cursor>| {
        let before = after.map(|cursor| DeliveryId::from_uuid(cursor.uuid().unwrap()));
        let filter = DeliveryFilter { before, ..DeliveryFilter::default() };
        deliveries::list(&deeds.app, &caller(scope), &filter, 2)
    };
    pages(|after| page(after).unwrap()).iter().map(|delivery| delivery.id).collect()
}

/// An endpoint that no event of a job goes to.
fn endpoint(deeds: &Deeds, scope: AccountScope) -> i64 {
    let id = EndpointId::from_uuid(deeds.ambient.uuid());
    let added = deeds.app.store.write(scope, move |tx| {
        let new = webhooks::NewEndpoint {
            id,
            url: "https://example.com".to_owned(),
            events: "ping".to_owned(),
            description: None,
            active: true,
            retry_policy: "standard".to_owned(),
            secret: vec![1],
        };
        webhooks::insert(tx, &new)?;
        Ok(webhooks::find(tx, id)?.map_or(0, |endpoint| endpoint.seq))
    });
    added.wait().unwrap()
}

fn deliver(deeds: &Deeds, scope: AccountScope, endpoint: i64) -> DeliveryId {
    let id = DeliveryId::from_uuid(deeds.ambient.uuid());
    let event_id = EventId::from_uuid(deeds.ambient.uuid());
    let added = deeds.app.store.write(scope, move |tx| {
        rows::insert(
            tx,
            &NewDelivery { id, endpoint, event_id, event_type: "ping", payload: "{}", trace: None },
        )
    });
    added.wait().unwrap();
    id
}

/// What each list has to show, newest first.
struct Expected {
    scope: AccountScope,
    endpoint: i64,
    jobs: Vec<JobId>,
    failed: Vec<JobId>,
    entries: i64,
    deliveries: Vec<DeliveryId>,
}

impl Expected {
    fn is_shown_by(&self, deeds: &Deeds) {
        assert_eq!(jobs_of(deeds, self.scope, None), self.jobs);
        assert_eq!(jobs_of(deeds, self.scope, Some(JobStatus::Failed)), self.failed);
        assert_eq!(entries_of(deeds, self.scope), (1..=self.entries).rev().collect::<Vec<_>>());
        assert_eq!(deliveries_of(deeds, self.scope), self.deliveries);
    }
}

/// Two accounts whose jobs take turns; every third fails, the others succeed.
fn busy() -> (Deeds, Vec<Expected>) {
    let deeds = Deeds::new([model("m", 1)]);
    let mut accounts: Vec<Expected> = ["a", "b"]
        .map(|name| {
            let scope = deeds.account(name);
            deeds.grant(scope.account_id(), Bucket::Paid, 1_000_000, None);
            Expected {
                scope,
                endpoint: endpoint(&deeds, scope),
                jobs: Vec::new(),
                failed: Vec::new(),
                entries: 1,
                deliveries: Vec::new(),
            }
        })
        .into();
    for n in 0..JOBS {
        for account in &mut accounts {
            let job = deeds.submit(account.scope, &json!({})).unwrap();
            account.jobs.insert(0, job.id);
            let (claimed, begun) = deeds.begin(job.seq, job.seq);
            if n % 3 == 0 {
                account.failed.insert(0, job.id);
                deeds.finish(&claimed, begun, failure(None));
                account.entries += 2;
            } else {
                deeds.finish(&claimed, begun, success(1));
                account.entries += 3;
            }
            account.deliveries.insert(0, deliver(&deeds, account.scope, account.endpoint));
        }
    }
    (deeds, accounts)
}

fn all_are_shown(deeds: &Deeds, accounts: &[Expected]) {
    for account in accounts {
        account.is_shown_by(deeds);
    }
    deeds.verify();
}

#[test]
fn lists_are_whole_at_every_step_of_filling_their_indexes() {
    let (deeds, accounts) = busy();
    let unlisted = |table| {
        deeds.app.store.read(SystemScope::new(), |it| listing::unlisted(it, table)).unwrap()
    };
    while Listing::ALL.into_iter().any(|table| unlisted(table) > 0) {
        all_are_shown(&deeds, &accounts);
        for table in Listing::ALL {
            let store = &deeds.app.store;
            let filled = store.write(SystemScope::new(), move |tx| listing::advance(tx, table, 3));
            filled.wait().unwrap();
        }
    }
    all_are_shown(&deeds, &accounts);
}

#[test]
fn few_rows_are_left_unlisted_and_many_are_not() {
    let (deeds, _) = busy();
    assert_eq!(fill_lists(&deeds.app).unwrap(), 0, "too few to be worth a commit");
    let scope = deeds.account("c");
    deeds.grant(scope.account_id(), Bucket::Paid, 1_000_000, None);
    for _ in 0..500 {
        deeds.submit(scope, &json!({})).unwrap();
    }
    assert_eq!(fill_lists(&deeds.app).unwrap(), 1);
    assert_eq!(fill_lists(&deeds.app).unwrap(), 0);
    assert_eq!(jobs_of(&deeds, scope, None).len(), 500);
    deeds.verify();
}

#[test]
fn a_list_that_is_read_while_it_grows_has_no_gap() {
    let deeds = Deeds::new([model("m", 1)]);
    let scope = deeds.funded(1_000_000);
    let submitted = Mutex::new(Vec::new());
    let count = || submitted.lock().unwrap().len();
    let mut seen = Vec::new();
    std::thread::scope(|threads| {
        let writing = threads.spawn(|| {
            for n in 0..300 {
                let job = deeds.submit(scope, &json!({})).unwrap();
                submitted.lock().unwrap().push(job.id);
                if n % 7 == 0 {
                    let store = &deeds.app.store;
                    let filled = store.write(SystemScope::new(), |tx| {
                        Listing::ALL.into_iter().try_for_each(|it| listing::advance(tx, it, 9))
                    });
                    filled.wait().unwrap();
                }
            }
        });
        while !writing.is_finished() {
            let before = count();
            let page = jobs::list(&deeds.app, scope, &JobFilter::default(), 100).unwrap();
            let listed: Vec<JobId> = page.data.iter().rev().map(|job| job.id).collect();
            seen.push((before, listed, count()));
        }
    });
    let all = submitted.into_inner().unwrap();
    for (before, listed, after) in seen {
        let end = all.iter().position(|id| Some(id) == listed.last()).map_or(0, |at| at + 1);
        // The newest may be on disk before its submitter counts it.
        assert!((before..=after + 1).contains(&end));
        assert_eq!(listed, all[end.saturating_sub(100)..end]);
    }
    deeds.verify();
}

#[test]
fn the_newest_row_stays_so_that_no_number_is_used_twice() {
    let (deeds, accounts) = busy();
    let path = deeds.app.store.path();
    let outside = rusqlite::Connection::open(path).unwrap();
    for table in ["job", "webhook_delivery"] {
        let all = format!("delete from {table}");
        assert!(outside.execute_batch(&all).unwrap_err().to_string().contains("newest row stays"));
        let others = format!("{all} where seq < (select max(seq) from {table})");
        assert_eq!(outside.execute(&others, []).unwrap(), 2 * JOBS - 1);
    }
    assert_eq!(jobs_of(&deeds, accounts[0].scope, None).len(), 0);
    assert_eq!(jobs_of(&deeds, accounts[1].scope, None), accounts[1].jobs[..1]);
}

#[test]
fn a_page_follows_one_whose_last_row_was_removed() {
    let (deeds, accounts) = busy();
    let (ours, outside) = (&accounts[0], deeds.outside());
    let app = &deeds.app;
    // Some rows that the index has and some that it does not.
    let store = &app.store;
    let filled = store.write(SystemScope::new(), |tx| {
        Listing::ALL.into_iter().try_for_each(|it| listing::advance(tx, it, 4))
    });
    filled.wait().unwrap();
    for at in 1..JOBS {
        for (table, id) in
            [("job", ours.jobs[at].uuid()), ("webhook_delivery", ours.deliveries[at].uuid())]
        {
            let sql = format!("delete from {table} where id = ?1");
            assert_eq!(outside.execute(&sql, [id.as_bytes()]).unwrap(), 1);
        }
        let filter = JobFilter { before: Some(ours.jobs[at]), ..JobFilter::default() };
        let jobs = jobs::list(app, ours.scope, &filter, 100).unwrap().data;
        assert!(jobs.iter().map(|job| job.id).eq(ours.jobs[at + 1..].iter().copied()));
        let filter =
            DeliveryFilter { before: Some(ours.deliveries[at]), ..DeliveryFilter::default() };
        let found = deliveries::list(app, &caller(ours.scope), &filter, 100).unwrap().data;
        assert!(found.iter().map(|it| it.id).eq(ours.deliveries[at + 1..].iter().copied()));
    }
}

#[test]
fn a_cursor_of_another_account_shows_none_of_its_rows() {
    let (deeds, accounts) = busy();
    let foreign = JobFilter { before: accounts[0].jobs.first().copied(), ..JobFilter::default() };
    let page = jobs::list(&deeds.app, accounts[1].scope, &foreign, 100).unwrap();
    assert!(page.data.iter().map(|job| job.id).eq(accounts[1].jobs[1..].iter().copied()));
}
