//! What is kept, for how long, and whose it is.

use std::{path::PathBuf, time::Duration};

use rusqlite::Connection;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::{
    Report, Row, Telemetry, TelemetrySettings, Window, file,
    file::{TABLES, Writing, open_to_read},
    invocations::{self, Invocation, InvocationFilter},
    list::first_of,
    prune::{self, Pruning},
    requests::{self, RequestFilter, RequestRecord},
    usage_events::{self, UsageEvent, UsageEventFilter},
};
use crate::{
    ambient::Ambient,
    domain::{
        AccountId, Credits, Environment, ExecutionStatus, InvocationId, JobId, RecordKind,
        RequestRecordId, Timestamp, UsageEventId,
    },
    store::{AccountScope, SystemScope, scope::AccountSeq},
};

const HOUR: Duration = Duration::from_hours(1);
const WHOLE: Window = Window { after: None, from: None, to: None, limit: 100 };

struct Rig {
    path: PathBuf,
    writing: Writing,
    _folder: tempfile::TempDir,
}

fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telemetry.db");
    Rig { writing: Writing::open(&path).unwrap(), path, _folder: folder }
}

fn settings() -> TelemetrySettings {
    TelemetrySettings {
        max_size: 1 << 40,
        requests: HOUR,
        usage_events: 2 * HOUR,
        invocations: 3 * HOUR,
        ..TelemetrySettings::default()
    }
}

fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

/// An id of that time; `n` makes it differ.
fn id(at: Timestamp, n: u32) -> Uuid {
    Uuid::from_u128(first_of(at).as_u128() + u128::from(n) + 1)
}

fn text(bytes: usize) -> Box<RawValue> {
    to_raw_value(&"x".repeat(bytes)).unwrap()
}

fn request(account: i64, at: Timestamp, n: u32) -> RequestRecord {
    RequestRecord {
        id: RequestRecordId::from_uuid(id(at, n)),
        request_id: format!("of {account}"),
        api_key: None,
        method: "GET".to_owned(),
        route: None,
        path: "/".to_owned(),
        status: 200,
        error_code: None,
        duration_us: 1,
        bytes_in: 0,
        bytes_out: 0,
        client: "127.0.0.1".to_owned(),
        user_agent: None,
        host: String::new(),
        cpu_permille: 0,
        memory_bytes: 0,
        created_at: at,
    }
}

/// One row of each kind.
fn insert(sql: &Connection, account: i64, at: Timestamp, n: u32, payload: usize) {
    requests::insert(sql, Some(AccountSeq(account)), &request(account, at, n)).unwrap();
    let (account, id) = (AccountSeq(account), id(at, n));
    let (job, uid) = (JobId::from_uuid(id), Uuid::nil());
    let event = UsageEvent {
        id: UsageEventId::from_uuid(id),
        job: Some(job),
        user_uid: uid,
        skill_name: format!("of {}", account.number()),
        source_skill_uid: uid,
        display_name: String::new(),
        tags: text(0),
        cost: Credits::ZERO,
        status: ExecutionStatus::Success,
        error_code: None,
        latency_ms: 0,
        metadata: text(0),
        created_at: at,
    };
    usage_events::insert(sql, account, &event).unwrap();
    let invocation = Invocation {
        id: InvocationId::from_uuid(id),
        job,
        skill_uid: uid,
        user_uid: uid,
        is_success: true,
        input_payload: text(payload),
        output_payload: text(0),
        duration_ms: 0,
        created_at: at,
    };
    invocations::insert(sql, account, &invocation).unwrap();
}

/// Rows by kind.
fn counts(sql: &Connection) -> [u32; 3] {
    let count = |table| format!("select count(*) from {table}");
    TABLES.map(|table| sql.query_row(&count(table), [], |row| row.get(0)).unwrap())
}

fn run(rig: &Rig, settings: TelemetrySettings, is_wanted: bool) -> bool {
    let is_wanted = &|| is_wanted;
    Pruning { sql: &rig.writing.sql, settings: &settings, is_wanted, is_over: &|| false }
        .run(now())
        .unwrap()
}

#[test]
fn each_kind_is_kept_as_long_as_it_is_to_be() {
    let rig = rig();
    for hours in 0..5_u32 {
        for account in [0, 1, 7] {
            for n in 0..300 {
                insert(&rig.writing.sql, account, now().minus(HOUR * hours), n, 10);
            }
        }
    }
    assert!(run(&rig, settings(), false));
    // What is exactly as old as it may be stays.
    assert_eq!(counts(&rig.writing.sql), [2 * 900, 3 * 900, 4 * 900]);
    assert!(run(&rig, settings(), false));
    assert_eq!(counts(&rig.writing.sql), [2 * 900, 3 * 900, 4 * 900]);
}

#[test]
fn a_step_is_made_also_where_there_is_something_better_to_do() {
    let rig = rig();
    for n in 0..300 {
        insert(&rig.writing.sql, 1, now().minus(9 * HOUR), n, 10);
    }
    assert!(!run(&rig, settings(), true));
    assert_eq!(counts(&rig.writing.sql), [100, 300, 300]);
    while !run(&rig, settings(), true) {}
    assert_eq!(counts(&rig.writing.sql), [0, 0, 0]);
}

#[test]
fn a_file_that_is_too_large_loses_its_oldest_and_gives_the_disk_back() {
    let rig = rig();
    for n in 0..1_000 {
        insert(
            &rig.writing.sql,
            1,
            now().minus(HOUR).plus(Duration::from_secs(n.into())),
            n,
            8_000,
        );
    }
    let pages = || -> u32 {
        rig.writing.sql.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
    };
    let before = pages();
    let settings = TelemetrySettings { max_size: 4 << 20, ..settings() };
    assert!(run(&rig, settings, false));
    let [_, _, left] = counts(&rig.writing.sql);
    assert!((100..600).contains(&left), "{left}");
    let newest = id(now().minus(HOUR).plus(Duration::from_secs(999)), 999);
    let sql = "select count(*) from invocation where id = ?1";
    let kept: u32 = rig.writing.sql.query_row(sql, [newest.as_bytes()], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1);
    // A thousand pages a minute, and what SQLite noted of them.
    assert!(pages() <= before - 1_000);
}

#[test]
fn a_clock_that_was_set_back_ends_nowhere_else() {
    let rig = rig();
    for n in 0..500 {
        insert(&rig.writing.sql, 1, now().plus(24 * HOUR), n, 8_000);
    }
    let settings = TelemetrySettings { max_size: 1 << 20, ..settings() };
    assert!(run(&rig, settings, false));
    assert_eq!(counts(&rig.writing.sql), [0, 0, 0]);
    // Nothing left to take away, and still too large.
    assert!(run(&rig, TelemetrySettings { max_size: 1, ..settings }, false));
}

fn scope(seq: i64) -> AccountScope {
    let id = AccountId::from_uuid(Uuid::from_u128(7));
    SystemScope::new().account(AccountSeq(seq), id, Environment::Live)
}

#[test]
fn nobody_sees_or_forgets_what_is_anothers() {
    let rig = rig();
    for account in [0, 1, 2] {
        insert(&rig.writing.sql, account, now(), 0, 10);
    }
    let ambient = Ambient::manual(now(), 1);
    let telemetry = Telemetry::new(&rig.path, settings(), &ambient);
    let of = |seq| {
        let requests = telemetry
            .read(scope(seq), |look| requests::list(look, &WHOLE, &RequestFilter::default()));
        let events = telemetry.read(scope(seq), |look| {
            usage_events::list(look, &WHOLE, &UsageEventFilter::default())
        });
        let invocations = telemetry
            .read(scope(seq), |look| invocations::list(look, &WHOLE, &InvocationFilter::default()));
        let requests: Vec<_> = requests.unwrap().rows.into_iter().map(|it| it.request_id).collect();
        let events: Vec<_> = events.unwrap().rows.into_iter().map(|it| it.skill_name).collect();
        (requests, events, invocations.unwrap().rows.len())
    };
    for seq in [1, 2] {
        let name = vec![format!("of {seq}")];
        assert_eq!(of(seq), (name.clone(), name, 1));
    }
    assert_eq!(of(3), (Vec::new(), Vec::new(), 0));
    let one = InvocationId::from_uuid(id(now(), 0));
    let find = |seq| telemetry.read(scope(seq), |look| invocations::find(look, one)).unwrap();
    assert!(find(1).is_some() && find(3).is_none());
    assert_eq!(telemetry.forget(scope(1), now().plus(HOUR)).unwrap(), 3);
    assert_eq!((of(1).2, of(2).2), (0, 1));
    assert_eq!(counts(&rig.writing.sql), [2, 2, 2]);
}

#[test]
fn the_list_of_tables_is_that_of_the_schema() {
    let rig = rig();
    let sql = "select m.name from sqlite_schema m join pragma_table_info(m.name) c
               where m.type = 'table' and c.name = 'account' order by m.rootpage";
    let mut statement = rig.writing.sql.prepare(sql).unwrap();
    let tables = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(tables.map(Result::unwrap).collect::<Vec<_>>(), TABLES);
    assert_eq!(RecordKind::ALL.len(), TABLES.len());
}

#[test]
fn no_statement_reads_a_whole_table() {
    let rig = rig();
    let confined = open_to_read(&rig.path).unwrap();
    let plan = |sql: &str| {
        let count = (1..=9).rev().find(|n| sql.contains(&format!("?{n}"))).unwrap_or(0);
        let mut plan = confined.sql.prepare(&format!("explain query plan {sql}")).unwrap();
        let params = rusqlite::params_from_iter(vec![1; count]);
        let steps = plan.query_map(params, |row| row.get::<_, String>("detail")).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let pruned = prune::TABLES.into_iter().flat_map(|it| [it.next_account, it.oldest, it.delete]);
    let pruned = pruned.map(|sql| sql.replacen("from ", "from main.", 1));
    let looks = [requests::LOOKS.as_slice(), &usage_events::LOOKS, &invocations::LOOKS].concat();
    for sql in looks.into_iter().map(str::to_owned).chain(pruned) {
        let plan = plan(&sql);
        for table in TABLES {
            assert!(!plan.contains(&format!("SCAN {table}")), "{sql}: {plan}");
        }
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[test]
fn a_file_of_another_version_is_left_alone() {
    let rig = rig();
    rig.writing.sql.pragma_update(None, "user_version", 9).unwrap();
    for error in [Writing::open(&rig.path).err().unwrap(), open_to_read(&rig.path).err().unwrap()] {
        assert!(file::is_of_another_version(&error), "{error}");
    }
}

#[test]
fn who_listens_holds_nothing_up_and_may_panic() {
    let rig = rig();
    let settings =
        TelemetrySettings { enabled: true, waiting: 8, waiting_bytes: 1 << 20, ..settings() };
    let telemetry = Telemetry::new(&rig.path, settings, &Ambient::system());
    let (tell, told) = std::sync::mpsc::channel();
    let asks = telemetry.clone();
    telemetry.listen(move |rows| {
        tell.send((rows.len(), asks.0.trouble.try_lock().is_ok())).unwrap();
        panic!("as asked");
    });
    let thread = telemetry.start().unwrap().unwrap();
    for n in 0..2 {
        let row = Row::Request(Some(AccountSeq(1)), request(1, now(), n));
        telemetry.report(Report::new(&[RecordKind::Request], 0, move || vec![row]));
        assert_eq!(told.recv(), Ok((1, true)));
    }
    telemetry.close();
    thread.join().unwrap();
    assert_eq!((counts(&rig.writing.sql)[0], telemetry.totals().written[0]), (2, 2));
}
