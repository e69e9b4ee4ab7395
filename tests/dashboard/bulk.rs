//! Many finished jobs in a database, quickly: two that a real server ran are copied row by row, so that every copy
//! looks as the server writes it, and the books stay right.

use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use crate::support::{
    Provider, Receiver, eventually,
    provider::error,
    server::{Account, TestServer},
};

/// One of so many failed.
const FAILS: usize = 50;
/// One of so many was told to an endpoint, and is in the log of requests.
const TOLD: usize = 10;
const DAYS: usize = 90;
/// Rows that the server keeps to count later.
const TAIL: i64 = 500;

/// A server with so many jobs in its last 90 days, which it has counted.
pub(super) fn server_with(
    jobs: usize,
    provider: &Provider,
    receiver: &Receiver,
) -> (TestServer, Account) {
    let server = TestServer::builder().provider(provider).start();
    let account = server.account();
    account.endpoint(receiver, "/hook", &json!({}));
    let more = json!({"model": "exact", "user": "ann", "metadata": {"order": "17"}});
    let good = account.run_job(&more);
    receiver.wait_for_deliveries(1);
    provider.queue(error(400, "no"));
    let bad = account.run_job(&more);
    receiver.wait_for_deliveries(2);
    assert_eq!((&good["status"], &bad["status"]), (&json!("succeeded"), &json!("failed")));
    eventually("both are told, and what was asked is in the log", || {
        let told = server.outside().query_row(
            "select count(*) from webhook_delivery where status = 3",
            [],
            |row| row.get::<_, i64>(0),
        );
        let asked = telemetry(server.folder()).query_row(
            "select count(*) from request where path = '/v1/jobs/generations'",
            [],
            |row| row.get::<_, i64>(0),
        );
        // The file of telemetry is made by its own thread.
        (told.unwrap() == 2 && asked.unwrap_or(0) == 2).then_some(())
    });
    let server =
        server.restart_after(|server| fill(&server.outside(), &telemetry(server.folder()), jobs));
    let account = account.at(&server);
    let left = |sql: &str| server.outside().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let left = || left("select coalesce(max(seq) - min(seq), 0) from usage_tail");
    let mut before = left();
    while before > TAIL {
        before = eventually("more is counted", || Some(left()).filter(|left| *left < before));
    }
    (server, account)
}

fn telemetry(folder: &Path) -> Connection {
    Connection::open(folder.join("data").join("telemetry.db")).unwrap()
}

fn fill(database: &Connection, telemetry: &Connection, jobs: usize) {
    begin(database, jobs);
    let seqs = |status: &str| {
        database
            .query_row(
                &format!("select seq, (select max(seq) from job) from job where status {status}"),
                [],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
            )
            .unwrap()
    };
    let ((good, last), (bad, _)) = (seqs("= 4"), seqs("= 5"));
    let source = format!("iif(k % {FAILS} = 0, {bad}, {good})");
    let (of_job, new_job) = (format!("t.job = {source}"), format!("{last} + k"));
    let job = [("seq", new_job.as_str()), ("id", &id("created_at")), ("listed", "1")];
    copy(database, "job", &format!("t.seq = {source}"), &job, jobs);
    for table in ["job_request", "job_result", "job_event"] {
        copy(database, table, &of_job, &[("job", &new_job)], jobs);
    }
    copy_books(database, &of_job, &new_job, jobs);
    copy_deliveries(database, jobs);
    list(database);
    count(database, last);
    database.execute_batch("commit; pragma wal_checkpoint(truncate)").unwrap();
    begin(telemetry, jobs / TOLD);
    let one = "t.path = '/v1/jobs/generations' and t.id = (select max(id) from request where path = t.path)";
    copy(telemetry, "request", one, &[("id", &id("created_at"))], jobs / TOLD);
    telemetry.execute_batch("commit").unwrap();
}

/// A transaction with a table of the numbers of the copies, from 1.
fn begin(database: &Connection, copies: usize) {
    database
        .execute_batch(
            "pragma synchronous = off; create temp table copies (k integer primary key); begin",
        )
        .unwrap();
    let sql = "with recursive n (k) as (select 1 union all select k + 1 from n where k < ?1) insert into copies select k from n";
    database.execute(sql, [copies]).unwrap();
}

/// How much older a copy is than what it is copied from, in milliseconds; the last is as old.
fn age(copies: usize) -> String {
    format!("({copies} - k) * {}", DAYS * 86_400_000 / copies.max(1))
}

/// A new id of this time, which is a column that is moved.
fn id(time: &str) -> String {
    format!("cast(unhex(printf('%012x7000', {{{time}}})) || x'80' || randomblob(7) as blob)")
}

/// Copies the rows of a table that `of` chooses for each copy, with other values in some columns, and older.
fn copy(database: &Connection, table: &str, of: &str, other: &[(&str, &str)], copies: usize) {
    let names = database
        .prepare("select name from pragma_table_info(?1)")
        .unwrap()
        .query_map([table], |row| row.get::<_, String>(0))
        .unwrap()
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    let moved = |name: &str| format!("t.{name} - {}", age(copies));
    let value = |name: &String| match other.iter().find(|(column, _)| column == name) {
        Some((_, value)) => value.replace("{created_at}", &moved("created_at")),
        None if name.ends_with("_at") => moved(name),
        None => format!("t.{name}"),
    };
    let values: Vec<_> = names.iter().map(value).collect();
    let sql = format!(
        "insert into {table} ({}) select {} from copies join {table} t on {of} where k <= {copies} order by k",
        names.join(", "),
        values.join(", ")
    );
    database.execute(&sql, []).unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// The entries of the copied jobs, one after the other, and the sums that follow from them.
fn copy_books(database: &Connection, of_job: &str, new_job: &str, jobs: usize) {
    let last: (i64, i64) = database
        .query_row("select n, balance_after from ledger order by n desc limit 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let (n, after) = last;
    let entry = [
        ("seq", "(select max(seq) from ledger) + row_number() over (order by k, t.n)"),
        ("n", &format!("{n} + row_number() over (order by k, t.n)")),
        ("balance_after", &format!("{after} + sum(t.delta) over (order by k, t.n)")),
        ("job", new_job),
        ("listed", "1"),
    ];
    copy(database, "ledger", of_job, &entry, jobs);
    let sum = format!("(select coalesce(sum(delta), 0) from ledger where n > {n})");
    let sums = format!(
        "update balance set paid = paid + {sum}, entries = (select max(n) from ledger);
         update credit_grant set remaining = remaining + {sum};"
    );
    database.execute_batch(&sums).unwrap();
    database.execute_batch(SUMS).unwrap();
}

/// What months of a key and the end user sum up.
const SUMS: &str = "
    insert into spending (account, month, project, api_key, reserved)
      select s.account, cast(strftime('%Y%m', j.created_at / 1000, 'unixepoch') as integer) as day_month, s.project, s.api_key, 0
      from (select distinct account, spending, created_at / 86400000 * 86400000 as created_at from job) j
      join spending s on s.seq = j.spending where true group by day_month
      on conflict do nothing;
    update job set spending = (select s.seq from spending s
      where s.month = cast(strftime('%Y%m', job.created_at / 1000, 'unixepoch') as integer));
    update spending set charged = (select coalesce(sum(charged), 0) from job j join job_result r on r.job = j.seq
      where j.spending = spending.seq);
    update end_user set (jobs, tokens, charged) = (select count(*), sum(prompt_tokens + completion_tokens), sum(charged)
      from job j join job_result r on r.job = j.seq where j.status = 4);
    delete from end_user_day;
    insert into end_user_day (account, end_user, day, jobs, tokens, charged)
      select j.account, e.seq, finished_at / 86400000 as on_day, count(*), sum(prompt_tokens + completion_tokens), sum(r.charged)
      from job j join job_result r on r.job = j.seq join end_user e where j.status = 4 group by on_day;
";

fn copy_deliveries(database: &Connection, jobs: usize) {
    let last: i64 =
        database.query_row("select max(seq) from webhook_delivery", [], |row| row.get(0)).unwrap();
    let new = format!("{last} + k");
    let delivery = [("seq", new.as_str()), ("id", &id("created_at")), ("listed", "1")];
    copy(database, "webhook_delivery", &format!("t.seq = {last}"), &delivery, jobs / TOLD);
    copy(
        database,
        "webhook_attempt",
        &format!("t.delivery = {last}"),
        &[("delivery", &new)],
        jobs / TOLD,
    );
}

/// Puts all rows into the indexes of lists, which the server does by and by.
fn list(database: &Connection) {
    for (table, mark) in [
        ("job", "jobs_listed"),
        ("ledger", "ledger_listed"),
        ("webhook_delivery", "deliveries_listed"),
    ] {
        let sql = format!(
            "update {table} set listed = 1 where listed = 0;
             insert into meta (name, value) select '{mark}', max(seq) from {table}
               where true on conflict (name) do update set value = excluded.value"
        );
        database.execute_batch(&sql).unwrap();
    }
}

/// What the server counts by day.
fn count(database: &Connection, last: i64) {
    let sql = "insert into usage_tail (account, day, outcome, spending, agent, model, end_user, latency_ms, prompt_tokens,
            completion_tokens, charged)
          select j.account, finished_at / 86400000, status - 2, spending, agent, j.model, end_user,
            iif(status = 4, max(finished_at - created_at, 0), null), iif(status = 4, prompt_tokens, null),
            iif(status = 4, completion_tokens, null), iif(status = 4, charged, null)
          from job j join job_result r on r.job = j.seq where j.seq > ?1 order by j.seq";
    database.execute(sql, [last]).unwrap();
}

#[test]
fn copies_are_as_good_as_what_they_were_copied_from() {
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let (server, account) = server_with(1_000, &provider, &receiver);
    let summary = account.client.get("/v1/usage/summary").expect(200).json();
    let counts = ["jobs", "succeeded", "failed"].map(|name| summary[name].as_u64().unwrap());
    assert!((300..400).contains(&counts[0]) && counts[0] == counts[1] + counts[2], "{summary}");
    for list in ["/v1/jobs", "/v1/credits/ledger", "/v1/webhooks/deliveries", "/v1/logs"] {
        let rows = account.list(&format!("{list}?limit=100"));
        assert_eq!(rows.len(), 100, "{list}");
    }
    let job = account.list("/v1/jobs?limit=100").remove(99);
    assert_eq!(account.story(&job), ["queued", "started", "succeeded"]);
    assert_eq!(account.entries(&job).len(), 3);
    drop(server);
}
