//! What goes after its time, and what stays whatever its age.

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{
    app::{
        duties::{self, Retention},
        fill_lists,
    },
    domain::{DutyName::Prune, Timestamp},
};

use super::{friday, run};
use crate::support::{
    Receiver,
    deeds::{Deeds, model},
    eventually,
    server::TestServer,
};

const DAY: Duration = Duration::from_hours(24);

/// Everything is kept for ninety days.
fn deeds() -> Deeds {
    let kept = Some(90 * DAY);
    Deeds::with([model("m", 0)], |settings| {
        settings.duties.retention = Retention {
            deliveries: kept,
            tasks: kept,
            dead_letters: kept,
            open_dead_letters: Some(180 * DAY),
            stripe_events: kept,
            audit_log: kept,
            usage_by_user: kept,
            snapshots: kept,
        };
    })
}

/// What a run of the duty took away.
fn prune(deeds: &Deeds) -> Value {
    let did = duties::run(&deeds.app, Prune).unwrap();
    deeds.verify();
    did
}

fn ago(deeds: &Deeds, days: u32) -> Timestamp {
    deeds.ambient.now().minus(days * DAY)
}

/// Adds deliveries with that status, each with two attempts, which were made and ended so long ago; gives the number of
/// the last.
fn deliver(deeds: &Deeds, count: u32, status: u32, days: u32, payload: usize) -> i64 {
    let outside = deeds.outside();
    let (at, size) = (ago(deeds, days).millis(), i64::try_from(payload).unwrap());
    let ten = |sql: &str, params: &[&dyn rusqlite::ToSql]| outside.execute(sql, params).unwrap();
    ten(
        "with recursive n (i) as (select 1 union all select i + 1 from n where i < ?1)
         insert into webhook_delivery (account, id, endpoint, event_id, event_type, payload, status, attempts,
           created_at, finished_at)
         select 1, randomblob(16), 1, randomblob(16), 'ping', hex(zeroblob(?4 / 2)), ?2, 2, ?3, ?3 from n",
        &[&count, &status, &at, &size],
    );
    let last = outside.last_insert_rowid();
    ten(
        "insert into webhook_attempt (delivery, n, account, duration_ms, created_at)
         select d.seq, n.column1, 1, 1, d.created_at from webhook_delivery d, (values (1), (2)) n
         where d.seq > ?1 - ?2 and d.seq <= ?1",
        &[&last, &count],
    );
    last
}

/// Adds a dead letter about that work.
fn bury(deeds: &Deeds, queue: i64, subject: i64, days: u32, redriven: Option<u32>) {
    let redriven_at = redriven.map(|days| ago(deeds, days).millis());
    let sql = "insert into dead_letter (account, id, queue, subject, reason, message, attempts, created_at, redriven_at)
         values (1, randomblob(16), ?1, ?2, 'r', 'm', 1, ?3, ?4)";
    let params = (queue, subject, ago(deeds, days).millis(), redriven_at);
    deeds.outside().execute(sql, params).unwrap();
}

fn numbers(deeds: &Deeds, sql: &str) -> Vec<i64> {
    let outside = deeds.outside();
    let mut statement = outside.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn deliveries_go_with_their_attempts_and_none_that_is_wanted_does() {
    let deeds = deeds();
    deeds.account("a");
    deliver(&deeds, 1_200, 3, 100, 10);
    deliver(&deeds, 2, 4, 100, 3 << 20);
    let pending = deliver(&deeds, 1, 2, 100, 10);
    let dead = deliver(&deeds, 1, 4, 100, 10);
    bury(&deeds, 3, dead, 100, None);
    let redriven = deliver(&deeds, 1, 3, 95, 10);
    bury(&deeds, 3, redriven, 100, Some(1));
    let both = deliver(&deeds, 1, 4, 95, 10);
    bury(&deeds, 3, both, 100, Some(96));
    bury(&deeds, 3, both, 95, None);
    let young = deliver(&deeds, 1, 3, 80, 10);
    let newest = deliver(&deeds, 1, 3, 100, 10);
    fill_lists(&deeds.app).unwrap();
    let outside = deeds.outside();
    let sql = "insert into queue (queue, subject, account, lane, priority, run_at, expires_at, attempts, crashes)
         values (3, ?1, 1, 1, 0, 1, 9000000000000, 0, 0)";
    outside.execute(sql, [pending]).unwrap();

    let did = prune(&deeds);
    // The letter that was redriven a day ago goes with its delivery, that of 96 days ago by its age.
    assert_eq!((&did["deliveries"], &did["dead_letters"]), (&json!(1_203), &json!(2)), "{did}");
    let left = [pending, dead, both, young, newest];
    assert_eq!(numbers(&deeds, "select seq from webhook_delivery order by seq"), left);
    let attempts = "select distinct delivery from webhook_attempt order by delivery";
    assert_eq!(numbers(&deeds, attempts), left);
    let open = "select subject from dead_letter order by subject";
    assert_eq!(numbers(&deeds, open), [dead, both]);
    assert_eq!(prune(&deeds)["deliveries"], 0);

    // Once they are redriven and over, they go too; a new delivery's number is new.
    outside.execute_batch("update dead_letter set redriven_at = 1").unwrap();
    let next = deliver(&deeds, 1, 3, 0, 10);
    assert_eq!(next, newest + 1);
    assert_eq!(prune(&deeds)["deliveries"], 3);
    assert_eq!(
        numbers(&deeds, "select seq from webhook_delivery order by seq"),
        [pending, young, next]
    );
    assert_eq!(numbers(&deeds, open), [0; 0]);
}

#[test]
fn many_that_are_wanted_do_not_keep_those_behind_them() {
    let deeds = deeds();
    deeds.account("a");
    let last = deliver(&deeds, 1_100, 4, 100, 10);
    for subject in last - 1_099..=last {
        bury(&deeds, 3, subject, 100, None);
    }
    deliver(&deeds, 10, 3, 100, 10);
    deliver(&deeds, 1_100, 3, 0, 10);
    let newest = deliver(&deeds, 1, 3, 0, 10);
    let did = prune(&deeds);
    assert_eq!((&did["deliveries"], &did["dead_letters"]), (&json!(10), &json!(0)), "{did}");
    assert_eq!(newest, last + 1_111);
}

#[test]
fn the_audit_log_goes_by_its_age() {
    let deeds = deeds();
    deeds.account("a");
    let outside = deeds.outside();
    let count = "select count(*) from audit_entry";
    let young = numbers(&deeds, count);
    let sql = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 1_200)
         insert into audit_entry (actor, actor_id, actor_name, address, request_id, action, object, created_at)
         select 'system', null, null, null, null, 'x', 'x', ?1 from n";
    outside.execute(sql, [ago(&deeds, 91).millis()]).unwrap();
    let did = prune(&deeds);
    assert_eq!(did["audit_log"], 1_200, "{did}");
    assert_eq!(numbers(&deeds, count), young);
    assert_eq!(prune(&deeds)["audit_log"], 0);
}

#[test]
fn tasks_go_but_the_newest_and_those_with_dead_letters() {
    let deeds = deeds();
    deeds.account("a");
    let outside = deeds.outside();
    let add = |count: u32, status: u32, days: u32| {
        let at = ago(&deeds, days).millis();
        let sql = "with recursive n (i) as (select 1 union all select i + 1 from n where i < ?1)
             insert into scheduled_task (account, id, function, scheduled_time, request_id, status, finished_at, created_at)
             select 1, randomblob(16), 'f', ?3, 'r', ?2, iif(?2 >= 4, ?3, null), ?3 from n";
        outside.execute(sql, (count, status, at)).unwrap();
        outside.last_insert_rowid()
    };
    add(1_001, 4, 91);
    add(1, 6, 91);
    let (dead, pending, young) = (add(1, 5, 91), add(1, 2, 91), add(1, 4, 89));
    let waits = "insert into queue values (5, ?1, 1, 1, 0, 1, 1, 0, 0, null)";
    deeds.outside().execute(waits, [pending]).unwrap();
    bury(&deeds, 5, dead, 91, None);
    let newest = add(1, 4, 91);
    assert_eq!(prune(&deeds)["tasks"], 1_002);
    let left = "select seq from scheduled_task order by seq";
    assert_eq!(numbers(&deeds, left), [dead, pending, young, newest]);
    assert_eq!(prune(&deeds)["tasks"], 0);
}

#[test]
fn work_that_nobody_redrives_goes_with_its_letter_and_jobs_keep_theirs() {
    let deeds = deeds();
    deeds.account("a");
    let dead: Vec<i64> = [181, 179]
        .map(|days| {
            let dead = deliver(&deeds, 1, 4, days, 10);
            bury(&deeds, 3, dead, days, None);
            dead
        })
        .to_vec();
    let newest = deliver(&deeds, 1, 3, 0, 10);
    let at = ago(&deeds, 181).millis();
    let sql = "insert into scheduled_task (account, id, function, scheduled_time, request_id, status, finished_at, created_at)
         values (1, randomblob(16), 'f', ?1, 'r', 5, ?1, ?1)";
    deeds.outside().execute(sql, [at]).unwrap();
    bury(&deeds, 5, 1, 181, None);
    deeds.outside().execute(sql, [at]).unwrap();
    // One whose job is gone, or never was, is not asked about that.
    bury(&deeds, 2, 7, 2_000, None);
    bury(&deeds, 4, 7, 2_000, None);
    let did = prune(&deeds);
    let counts =
        ["open_dead_letters", "deliveries", "tasks", "dead_letters"].map(|it| did[it].clone());
    assert_eq!(counts, [2, 1, 1, 0].map(|count| json!(count)), "{did}");
    let left = "select seq from webhook_delivery order by seq";
    assert_eq!(numbers(&deeds, left), [dead[1], newest]);
    assert_eq!(numbers(&deeds, "select queue from dead_letter order by queue"), [2, 3, 4]);
    // Nobody can redrive to an endpoint that is gone.
    let sql = "insert into webhook_endpoint (account, id, url, events, active, retry_policy, secret, created_at, deleted_at)
         values (1, randomblob(16), 'u', '[]', 0, 'standard', x'00', 1, 1)";
    deeds.outside().execute(sql, []).unwrap();
    let did = prune(&deeds);
    let counts = ["open_dead_letters", "deliveries", "dead_letters"].map(|it| did[it].clone());
    assert_eq!(counts, [0, 1, 1].map(|count| json!(count)), "{did}");
    assert_eq!(numbers(&deeds, left), [newest]);
}

#[test]
fn events_of_stripes_keep_their_row_and_lose_their_payload() {
    let deeds = deeds();
    let outside = deeds.outside();
    let add = |id: &str, status: &str, days: Option<u32>| {
        let sql = "insert into stripe_event (id, type, payment, status, created_at, processed_at, payload)
             values (?1, 'invoice.paid', 1, ?2, ?3, ?4, '{}')";
        let at = days.map(|days| ago(&deeds, days).millis());
        outside.execute(sql, (id, status, ago(&deeds, 200).millis(), at)).unwrap();
    };
    add("evt_old", "processed", Some(91));
    add("evt_twin", "duplicate", Some(91));
    add("evt_young", "processed", Some(89));
    add("evt_lost", "unmatched", None);
    add("evt_odd", "ignored", None);
    assert_eq!(prune(&deeds)["stripe_payloads"], 2);
    let known = "select count(*) from stripe_event where payload = ''";
    assert_eq!(numbers(&deeds, known), [2]);
    assert_eq!(prune(&deeds)["stripe_payloads"], 0);
    let payload = |id| skai_server::app::stripe::event(&deeds.app, id).unwrap().1;
    assert_eq!((payload("evt_old"), payload("evt_young")), (None, Some("{}".to_owned())));
}

#[test]
fn copies_of_migrations_go_but_the_newest() {
    let deeds = deeds();
    let folder = deeds.app.store.path().parent().unwrap().to_owned();
    let old = ago(&deeds, 91).seconds();
    let files = [
        format!("skai.before-v2-{}.db", old - 1),
        format!("skai.before-v3-{old}.db"),
        format!("skai.before-v4-{}.db", old + 1),
        "skai.before-v1-mine.db".to_owned(),
        "notes.txt".to_owned(),
    ];
    for file in &files {
        std::fs::write(folder.join(file), b"x").unwrap();
    }
    assert_eq!(prune(&deeds)["snapshots"], 2);
    let left = files.map(|file| folder.join(file).exists());
    assert_eq!(left, [false, false, true, true, true]);
}

#[test]
fn nothing_goes_that_is_kept_for_ever() {
    let deeds = Deeds::new([model("m", 0)]);
    deeds.account("a");
    deliver(&deeds, 5, 3, 3_000, 10);
    let nothing = json!({
        "deliveries": 0, "tasks": 0, "dead_letters": 0, "open_dead_letters": 0, "stripe_payloads": 0,
        "audit_log": 0, "usage_by_user": 0, "snapshots": 0
    });
    assert_eq!(prune(&deeds), nothing);
}

#[test]
fn what_was_delivered_is_listed_until_its_time_is_over() {
    let clock = friday();
    let receiver = Receiver::start();
    let server = TestServer::builder().clock(&clock).start();
    let account = server.account();
    let endpoint = account.endpoint(&receiver, "/", &json!({"events": ["ping"]}));
    let ping = || {
        let sent =
            account.client.send("POST", &endpoint.path("/test"), &[], None).expect(202).json();
        let path = format!("/v1/webhooks/deliveries/{}", sent["id"].as_str().unwrap());
        eventually("it is delivered", || {
            let delivery = account.client.get(&path).expect(200).json();
            (delivery["status"] == "delivered").then_some(delivery)
        })
    };
    let deliveries = || account.list("/v1/webhooks/deliveries");
    let (first, second) = (ping(), ping());
    clock.advance(91 * DAY);
    let pruned = run(&server, Prune);
    assert_eq!(pruned["result"]["deliveries"], 1, "{pruned}");
    assert_eq!(deliveries()[0]["id"], second["id"]);
    let path = format!("/v1/webhooks/deliveries/{}", first["id"].as_str().unwrap());
    account.client.get(&path).expect(404);
    let third = ping();
    let ids: Vec<_> = deliveries().iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, [third["id"].clone(), second["id"].clone()]);
}
