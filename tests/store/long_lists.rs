//! Lists of a long history: a page ends early where few rows match, and the next goes on from there.

use rusqlite::Connection;
use skai_server::{
    app::{
        credits::{self, EntryFilter},
        deliveries,
    },
    domain::{Cursor, DeliveryId, DeliveryStatus, EntryKind, PageRequest, Timestamp},
    store::{AccountScope, deliveries::DeliveryFilter},
};

use crate::support::deeds::{Deeds, caller};

/// Between the oldest and the newest row of each list, one for each minute.
const HISTORY: i64 = 45_000;
const MINUTE: i64 = 60_000;

struct Bench {
    deeds: Deeds,
    scope: AccountScope,
}

impl Bench {
    /// An account with this history, of which the index has all rows.
    fn new(history: &str) -> Self {
        let deeds = Deeds::new([]);
        let scope = deeds.account("a");
        let sql = history.replace("$rows", &HISTORY.to_string());
        let outside = Connection::open(deeds.app.store.path()).unwrap();
        outside.execute_batch(&format!("begin; {sql}; commit")).unwrap();
        Self { deeds, scope }
    }

    /// The numbers of the entries on each page.
    fn entries(&self, filter: EntryFilter) -> Vec<Vec<i64>> {
        let (mut pages, mut page) = (Vec::new(), PageRequest { limit: 10, after: None });
        loop {
            let found = credits::entries(&self.deeds.app, self.scope, filter, &page).unwrap();
            pages.push(found.data.iter().map(|entry| entry.n).collect());
            let Some(next) = found.next_cursor else { return pages };
            page.after = Some(Cursor::parse(&next).unwrap());
        }
    }

    /// How many deliveries are on each page.
    fn deliveries(&self, filter: &DeliveryFilter) -> Vec<usize> {
        let (mut pages, mut filter) = (Vec::new(), filter.clone());
        loop {
            let found =
                deliveries::list(&self.deeds.app, &caller(self.scope), &filter, 10).unwrap();
            pages.push(found.data.len());
            let Some(next) = found.next_cursor else { return pages };
            let next = Cursor::parse(&next).unwrap().uuid().unwrap();
            filter.before = Some(DeliveryId::from_uuid(next));
        }
    }
}

/// Charges, before and after them an adjustment.
const ENTRIES: &str =
    "insert into ledger (account, n, kind, bucket, delta, balance_after, created_at, listed)
     with recursive c (n) as (select 0 union all select n + 1 from c where n <= $rows)
     select 1, n + 1, case when n between 1 and $rows then 'charge' else 'adjust' end, 'paid', 0, 0,
       60000 * n, 1 from c;
     insert into meta (name, value) select 'ledger_listed', max(seq) from ledger";

#[test]
fn a_page_of_entries_ends_early_where_few_match_among_many() {
    let bench = Bench::new(ENTRIES);
    let of = |kind| EntryFilter { kind: Some(kind), ..EntryFilter::default() };
    assert_eq!(bench.entries(of(EntryKind::Adjust)), [vec![HISTORY + 2], vec![], vec![1]]);
    assert_eq!(bench.entries(of(EntryKind::Grant)), [const { Vec::<i64>::new() }; 3]);
}

#[test]
fn entries_of_a_time_are_found_past_any_history() {
    let bench = Bench::new(ENTRIES);
    let at = |minute: i64| Some(Timestamp::from_millis(minute * MINUTE));
    let between = |created_after, created_before| {
        bench.entries(EntryFilter { created_after, created_before, ..EntryFilter::default() })
    };
    assert_eq!(between(at(100), at(103)), [[103, 102, 101]]);
    assert_eq!(between(None, at(2)), [[2, 1]]);
    assert_eq!(between(at(HISTORY), None), [[HISTORY + 2, HISTORY + 1]]);
    assert_eq!(between(at(HISTORY + 2), None), [[0; 0]]);
}

/// Deliveries that were made, before and after them one that failed.
const DELIVERIES: &str =
    "insert into webhook_endpoint (seq, account, id, url, events, active, retry_policy, secret, created_at)
     values (1, 1, randomblob(16), 'http://a', '*', 1, 'standard', x'', 0);
     insert into webhook_delivery (account, id, endpoint, event_id, event_type, payload, status, attempts,
       created_at, finished_at, listed)
     with recursive c (n) as (select 0 union all select n + 1 from c where n <= $rows)
     select 1, randomblob(16), 1, randomblob(16), 'job.completed', '{}',
       case when n between 1 and $rows then 3 else 4 end, 1, 60000 * n, 60000 * n, 1 from c;
     insert into meta (name, value) select 'deliveries_listed', max(seq) from webhook_delivery";

#[test]
fn a_page_of_deliveries_ends_early_where_few_match_among_many() {
    let bench = Bench::new(DELIVERIES);
    let failed = Some(DeliveryStatus::Failed);
    let failed = DeliveryFilter { status: failed, ..DeliveryFilter::default() };
    assert_eq!(bench.deliveries(&failed), [1, 0, 1]);
    let other = Some("job.failed".to_owned());
    let other = DeliveryFilter { event_type: other, ..DeliveryFilter::default() };
    assert_eq!(bench.deliveries(&other), [0, 0, 0]);
}

#[test]
fn deliveries_of_a_time_are_found_past_any_history() {
    let bench = Bench::new(DELIVERIES);
    let at = |minute: i64| Some(Timestamp::from_millis(minute * MINUTE));
    let between = |created_after, created_before| {
        let filter = DeliveryFilter { created_after, created_before, ..DeliveryFilter::default() };
        bench.deliveries(&filter)
    };
    assert_eq!(between(at(100), at(103)), [3]);
    assert_eq!(between(None, at(2)), [2]);
    assert_eq!(between(at(HISTORY), None), [2]);
    assert_eq!(between(at(HISTORY + 2), None), [0]);
}
