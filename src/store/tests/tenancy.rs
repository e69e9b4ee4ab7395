//! The second belt: whatever the SQL says, a statement under one account's scope neither sees nor
//! changes another's rows.

use super::{Rig, scope};
use crate::store::{SystemScope, tenancy::TENANT_TABLES};

/// One row per tenant table: its columns and values. `$a` is the account, `$k` what makes the row's
/// keys differ, `$t` a text that tells whose it is.
const ROWS: [(&str, &str, &str); 37] = [
    ("account_setting", "account, timezone", "$a, '$t'"),
    ("project", "seq, account, id, name, environment, created_at", "$k, $a, x'0$k', '$t$k', 'live', 1"),
    (
        "api_key",
        "seq, account, project, id, name, prefix, hash, scopes, created_at",
        "$k, $a, $a, x'0$k', '$t', '$t$k', '$t', '$t', 1",
    ),
    ("member", "seq, account, id, email, role, created_at", "$k, $a, x'0$k', '$t', 'owner', 1"),
    (
        "idempotency",
        "seq, account, key, body_hash, response, expires_at",
        "$k, $a, x'0$k', x'01', x'02', 1",
    ),
    (
        "audit_entry",
        "seq, account, actor, actor_id, actor_name, address, request_id, action, object, created_at",
        "$k, $a, 'key', x'01', '$t', '$t', '$t', '$t', '$t', 1",
    ),
    ("balance", "account, free", "$a, 7"),
    (
        "ledger",
        "seq, account, n, kind, bucket, delta, balance_after, job, round, reason, created_at",
        "$k, $a, $k, 'charge', 'free', 1, 1, $k, 1, '$t', 1",
    ),
    (
        "credit_grant",
        "account, id, bucket, amount, debt, remaining, reason, created_at",
        "$a, x'0$k', 'free', 5, 0, 5, '$t', 1",
    ),
    (
        "job",
        "seq, account, id, project, api_key, status, round, attempts, max_attempts, priority, model,
         reserved_free, reserved_paid, spending, price_list, completion_bound, request_id, run_at, created_at,
         started_at",
        "$k, $a, x'0$k', $a, $a, 2, 1, 0, 1, 0, '$t', 0, 0, $k, 0, 1, '$t', 1, 1, 1",
    ),
    ("removed_job", "seq, account, id, removed_at", "$k, $a, x'0$k', 1"),
    ("spending", "seq, account, month, project, api_key, reserved", "$k, $a, 1, x'0$k', x'0$k', 1"),
    (
        "agent",
        "seq, account, id, name, tags, active_version, latest_version, created_at, updated_at",
        "$k, $a, x'0$k', '$t$k', '$t', 1, 1, 1, 1",
    ),
    (
        "agent_version",
        "seq, account, agent, n, id, model, messages, parameters, warnings, created_at",
        "$k, $a, $k, 1, x'0$k', '$t', '$t', '$t', '$t', 1",
    ),
    (
        "agent_hour",
        "account, agent, hour, version, jobs, succeeded, schema_failed, repairs, latency_ms,
         prompt_tokens, completion_tokens, charged",
        "$a, $k, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1",
    ),
    ("agent_drift", "account, agent, metric, told_at", "$a, $k, '$t', 1"),
    (
        "end_user",
        "seq, account, id, external_id, created_at",
        "$k, $a, x'0$k', '$t$k', 1",
    ),
    ("end_user_day", "account, end_user, day, tokens, charged, jobs", "$a, $k, 1, 1, 1, 1"),
    ("streak_bonus", "account, day, granted", "$a, 1, 1"),
    ("usage_tail", "seq, account, day, outcome, spending, model", "$k, $a, 1, 3, $k, '$t'"),
    (
        "usage_day",
        "account, dimension, day, subject, succeeded, failed, canceled, prompt_tokens, completion_tokens,
         charged, latency_ms, latencies",
        "$a, 3, 1, x'0$k', 1, 1, 1, 1, 1, 1, 1, x'01'",
    ),
    (
        "eval",
        "seq, account, id, agent, name, cases, created_at",
        "$k, $a, x'0$k', $k, '$t', '$t', 1",
    ),
    (
        "eval_run",
        "seq, account, id, eval, version, total, created_at",
        "$k, $a, x'0$k', $k, 1, 1, 1",
    ),
    ("eval_result", "run, n, account, reasons", "$k, 1, $a, '$t'"),
    (
        "batch",
        "seq, account, id, request_id, total, created_at",
        "$k, $a, x'0$k', '$t', 1, 1",
    ),
    ("batch_item", "batch, n, account, custom_id, job", "$k, 1, $a, '$t', $k"),
    ("job_request", "job, account, messages, parameters", "$k, $a, '$t', '$t'"),
    ("job_result", "job, account, output, charged, finished_at", "$k, $a, '$t', 0, 1"),
    ("job_event", "job, n, account, name, created_at", "$k, 1, $a, '$t', 1"),
    (
        "queue",
        "queue, subject, account, lane, priority, run_at, expires_at, attempts, crashes",
        "2, $k, $a, $a, 0, 1, 1, 0, 0",
    ),
    (
        "dead_letter",
        "seq, account, id, queue, subject, reason, message, attempts, created_at",
        "$k, $a, x'0$k', 2, $k, '$t', '$t', 1, 1",
    ),
    (
        "function",
        "seq, account, id, name, kind, created_at, updated_at",
        "$k, $a, x'0$k', '$t$k', 'builtin', 1, 1",
    ),
    (
        "schedule",
        "seq, account, id, name, function, cron, timezone, catch_up, overlap, jitter_ms, anchor, next_at,
         created_at, updated_at",
        "$k, $a, x'0$k', '$t$k', '$t', '$t', '$t', 'one', 'skip', 0, 1, 1, 1, 1",
    ),
    (
        "scheduled_task",
        "seq, account, id, function, scheduled_time, request_id, status, created_at",
        "$k, $a, x'0$k', '$t', 1, '$t', 2, 1",
    ),
    (
        "webhook_endpoint",
        "seq, account, id, url, events, active, retry_policy, secret, created_at",
        "$k, $a, x'0$k', '$t', '$t', 1, 'standard', x'0102', 1",
    ),
    (
        "webhook_delivery",
        "seq, account, id, endpoint, event_id, event_type, payload, status, attempts, created_at,
         finished_at",
        "$k, $a, x'0$k', $a, x'01', '$t', '$t', 2, 0, 1, 1",
    ),
    (
        "webhook_attempt",
        "delivery, n, account, error, duration_ms, created_at",
        "$k, 1, $a, '$t', 1, 1",
    ),
];

const OURS: i64 = 1;
const THEIRS: i64 = 2;

fn insert(
    verb: &str,
    (table, columns, values): (&str, &str, &str),
    account: i64,
    key: i64,
) -> String {
    let whose = if account == OURS { "ours" } else { "theirs" };
    let values = values
        .replace("$a", &account.to_string())
        .replace("$k", &key.to_string())
        .replace("$t", whose);
    format!("{verb} into main.{table} ({columns}) values ({values})")
}

/// The insert as a tenant's statement says it, of a row with another's key.
fn own_insert((table, columns, values): (&str, &str, &str), key: i64) -> String {
    let columns = columns.split(", ").map(str::trim).collect::<Vec<_>>();
    let values = values.split(", ").map(str::trim).collect::<Vec<_>>();
    let others = |list: &[&str]| {
        let rest = columns.iter().zip(list).filter(|(column, _)| **column != "account");
        rest.map(|(_, text)| *text).collect::<Vec<_>>().join(", ")
    };
    let (names, values) = (others(&columns), others(&values));
    let values = values.replace("$a", "1").replace("$k", &key.to_string()).replace("$t", "ours");
    format!("insert into main.{table} (account, {names}) values (current_account(), {values})")
}

/// A store in which both accounts have one row in each table.
fn rig() -> Rig {
    let rig = Rig::new();
    let outside = rig.outside();
    for account in [OURS, THEIRS] {
        let sql = format!(
            "insert into account (seq, id, name, created_at) values ({account}, x'0{account}', 'a', 1)"
        );
        outside.execute_batch(&sql).unwrap();
        for row in ROWS {
            outside.execute_batch(&insert("insert", row, account, account)).unwrap();
        }
    }
    rig
}

/// All rows of an account, as a program that is not ours sees them.
fn rows_of(rig: &Rig, account: i64) -> Vec<String> {
    let outside = rig.outside();
    let rows = TENANT_TABLES.iter().flat_map(|table| {
        let sql = format!("select '{table}', * from {table} where account = {account}");
        let mut statement = outside.prepare(&sql).unwrap();
        let rows = statement.query_map([], super::text).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>()
    });
    rows.collect()
}

#[test]
fn the_list_of_tenant_tables_is_that_of_the_schema() {
    let rig = rig();
    let outside = rig.outside();
    let sql = "select m.name from sqlite_schema m join pragma_table_info(m.name) c
               where m.type = 'table' and c.name = 'account' order by 1";
    let mut statement = outside.prepare(sql).unwrap();
    let tables: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(tables, TENANT_TABLES);
    let mut tested = ROWS.map(|(table, ..)| table);
    tested.sort_unstable();
    assert_eq!(tested, TENANT_TABLES, "each tenant table needs a row in this test");
}

#[test]
fn each_account_sees_its_own_rows_alone() {
    let rig = rig();
    for table in TENANT_TABLES {
        let count = |account, filter: &str| {
            let sql = format!("select * from {table} {filter}");
            let seen = rig.look(scope(account), sql.clone()).unwrap();
            match rig.run(scope(account), sql) {
                // It has no view of the log, so that its triggers find the table.
                Err(_) => assert_eq!(table, "audit_entry"),
                Ok(written) => assert_eq!(written, seen, "reader and writer differ"),
            }
            seen.len()
        };
        assert_eq!(count(OURS, ""), 1, "{table}");
        assert_eq!(count(OURS, "where account = 2"), 0, "{table}");
        assert_eq!(count(3, ""), 0, "{table}");
        assert_eq!(count(0, ""), 0, "{table}");
    }
}

#[test]
fn no_kind_of_statement_changes_a_foreign_row_of_any_table() {
    let rig = rig();
    let before = rows_of(&rig, THEIRS);
    assert_eq!(before.len(), TENANT_TABLES.len());
    for row in ROWS {
        let table = row.0;
        let foreign = format!("main.{table} set account = account where account = {THEIRS}");
        let none = [
            format!("update {foreign} returning 'seen'"),
            format!("delete from main.{table} where account = {THEIRS} returning 'seen'"),
        ];
        for sql in none {
            assert_eq!(rig.run(scope(OURS), sql.clone()).unwrap_or_default(), [""; 0], "{sql}");
        }
        let key = row.1.split(", ").find(|column| *column != "account").unwrap();
        for own in ["account = current_account()", "account_ok(account)"] {
            for sql in [
                format!("update main.{table} set {key} = {key} where {own} and account = {THEIRS}"),
                format!("delete from main.{table} where {own} and account = {THEIRS}"),
            ] {
                let sql = sql + " returning 'seen'";
                let written = rig.run(scope(OURS), sql.clone());
                // The triggers that guard some tables are not covered by the filter, so no tenant may fire them.
                let is_guarded =
                    ["audit_entry", "ledger", "job", "scheduled_task", "webhook_delivery"]
                        .contains(&table);
                assert!(is_guarded || written.is_ok(), "{sql} gave {written:?}");
                assert_eq!(written.unwrap_or_default(), [""; 0], "{sql}");
            }
        }
        let refused = [
            insert("insert", row, THEIRS, 9),
            insert("insert or replace", row, THEIRS, THEIRS),
            insert("insert or ignore", row, THEIRS, 9),
            format!("update main.{table} set account = {THEIRS}"),
            format!("update or replace main.{table} set account = {THEIRS}"),
            format!("select * from main.{table}"),
            format!("select count(*) from main.{table}"),
            format!("select account from main.{table}"),
        ];
        for sql in refused {
            assert!(rig.run(scope(OURS), sql.clone()).is_err(), "{sql}");
        }
        // Whether these are refused or do nothing depends on what their keys collide with.
        let harmless = [
            insert("insert or replace", row, OURS, THEIRS),
            insert("insert", row, OURS, THEIRS) + " on conflict do update set account = 1",
            own_insert(row, THEIRS),
            own_insert(row, THEIRS) + " on conflict do nothing",
            own_insert(row, THEIRS) + " on conflict (account) do update set account = 1",
            format!("update main.{table} set account = account"),
            format!("update main.{table} set {key} = {key} where account = current_account()"),
            format!("delete from main.{table}"),
            format!("delete from main.{table} where account = current_account()"),
        ];
        for sql in harmless {
            let _refused = rig.run(scope(OURS), sql.clone());
            assert_eq!(rows_of(&rig, THEIRS), before, "{sql}");
        }
    }
    assert_eq!(rows_of(&rig, THEIRS), before);
}

/// Statements that reach for foreign rows past the views and the words.
const BYPASSES: [&str; 60] = [
    "select model from main.job",
    "select model from MAIN.JOB where account = 2",
    "select seq from main.job",
    "select (select model from main.job where account = 2)",
    "select model from job union all select model from main.job",
    "select f.model from job j join main.job f on f.seq != j.seq",
    "select model from job where exists (select 1 from main.job f where f.model = 'theirs')",
    "select model from job order by (select max(model) from main.job)",
    "with t as (select * from main.job) select model from t",
    "with job as (select * from main.job) select model from job",
    "with recursive t (n) as (select model from main.job union select n from t) select n from t",
    "select count(*) from main.job",
    "select max(model) over () from main.job",
    "select json_group_array(model) from main.job",
    "update main.job set end_user = (select model from main.job f where f.account = 2)
     where account = current_account()",
    "update main.job set end_user = f.model from main.job f
     where account = current_account() and f.account = 2",
    "update main.job set end_user = f.model from (select model from main.job) f
     where account = current_account()",
    "update main.job set end_user = 'x' where account = current_account()
     returning (select model from main.job where account = 2)",
    "update main.job_event set name = (select model from main.job where account = 2)
     where account = current_account()",
    "insert into main.job_event (account, job, n, name, created_at)
     select current_account(), 1, 50, model, 1 from main.job where account = 2",
    "insert into main.job_event (account, job, n, name, created_at)
     select current_account(), seq, 50, 'x', 1 from main.job where account = 2",
    "insert into main.job_event (account, job, n, name, created_at)
     values (current_account(), 1, 51, (select model from main.job where seq = 2), 1)",
    "insert into main.job_event (account, job, n, name, created_at) values (current_account(), 1, 52, 'x', 1)
     returning (select model from main.job where account = 2)",
    "insert into main.job_event (account, job, n, name, created_at) values (current_account(), 1, 1, 'x', 1)
     on conflict (account) do update set name = (select model from main.job where account = 2)",
    "delete from main.job_event where account = current_account()
     and exists (select 1 from main.job where model = 'theirs')",
    "delete from main.job where account = current_account() returning (select model from main.job where account = 2)",
    "select name from main.account",
    "select seq from main.account",
    "select value from main.meta",
    "update main.account set name = 'x'",
    "update main.job set account = 2 where account = current_account()",
    "update main.job set status = 3",
    "update main.job set status = 3 where account = current_account() and seq = 1 or(seq = 2)",
    "update main.job set status = 3 where account = current_account() and (seq = 1)or seq = 2",
    "insert into main.job_event (account, job, n, name, created_at)
     select current_account(), 1, 9, 'x', (1)union all select 2, 2, 9, 'x', 1",
    "with t as (select 1)delete from main.job_event",
    "delete from main.job",
    "insert into main.meta values ('x', 1)",
    "delete from main.queue_pause",
    "insert into main.price values (1, 'm', 1, 1, 0, 0, 0, 0, 1)",
    "update main.price set free = 1",
    "select p.model from price p join main.job j on j.model = p.model",
    "select sql from sqlite_schema",
    "select sql from main.sqlite_schema",
    "select name from temp.sqlite_schema",
    "select name from pragma_table_info('job')",
    "pragma recursive_triggers = off",
    "pragma table_list",
    "attach database ':memory:' as other",
    "drop view temp.job",
    "drop view if exists temp.job",
    "create temp trigger t after insert on main.job begin delete from job_event; end",
    "create temp table t as select * from job",
    "select action from main.audit_entry",
    "with audit_x as (select * from main.job) select model from audit_x",
    "with \"audit_x\" as (select * from main.audit_entry) select action from \"audit_x\"",
    "insert into main.audit_entry (account, action, object) values (2, 'x', 'x')",
    "insert into main.audit_entry (account, action, object)
     select current_account(), action, object from main.audit_entry where account = 2",
    "update main.audit_entry set action = 'x' where account = current_account()",
    "insert into main.project (account, id, name, environment, created_at)
     select current_account(), x'77', name, 'live', 1 from main.project where account = 2",
];

#[test]
fn every_known_way_around_is_refused() {
    let rig = rig();
    let before = [rows_of(&rig, OURS), rows_of(&rig, THEIRS)];
    for sql in BYPASSES {
        let written = rig.run(scope(OURS), sql);
        assert!(written.is_err(), "{sql} gave {written:?}");
        let read = rig.look(scope(OURS), sql);
        assert!(read.is_err(), "{sql} gave {read:?}");
    }
    assert_eq!([rows_of(&rig, OURS), rows_of(&rig, THEIRS)], before);
}

#[test]
fn conflict_clauses_cannot_steal_a_foreign_row() {
    let rig = rig();
    let before = rows_of(&rig, THEIRS);
    for sql in [
        "update or replace main.job set seq = 2",
        "update or replace main.api_key set prefix = 'theirs2'",
        "update or replace main.project set seq = 2, id = x'09'",
        "update or replace main.queue set subject = 2",
        "update or replace main.job_event set job = 2",
        "replace into main.webhook_attempt (delivery, n, account, duration_ms, created_at)
         values (2, 1, 1, 1, 1)",
    ] {
        assert!(rig.run(scope(OURS), sql).is_err(), "{sql}");
        assert_eq!(rows_of(&rig, THEIRS), before, "{sql}");
    }
    // The function of that name is no harm.
    let sql = "update main.job set end_user = replace (model, 'a', 'b')
               where account = current_account()";
    rig.run(scope(OURS), sql).unwrap();
}

#[test]
fn a_statement_that_the_system_ran_before_is_still_checked() {
    let rig = rig();
    let sql = super::forever("select model from main.job where account = 2");
    let run = || rig.store.write(SystemScope::new(), move |tx| tx.all(sql, [], super::text)).wait();
    assert_eq!(run().unwrap(), ["theirs"]);
    let tenant = rig.store.write(scope(OURS), move |tx| tx.all(sql, [], super::text));
    assert!(tenant.wait().is_err());
    assert_eq!(run().unwrap(), ["theirs"]);
}

#[test]
fn a_part_within_an_account_is_confined_and_the_rest_is_not() {
    let rig = rig();
    let update = super::forever("update main.job set end_user = 'seen' where account_ok(account)");
    let counts = rig.store.write(SystemScope::new(), move |tx| {
        let before = tx.execute(update, [])?;
        let within = tx.within(scope(THEIRS), |tx| tx.execute(update, []))?;
        let failed = tx.within(scope(THEIRS), |tx| tx.execute("select model from main.job", []));
        Ok((before, within, failed.is_err(), tx.execute(update, [])?))
    });
    assert_eq!(counts.wait().unwrap(), (2, 1, true, 2));
}

#[test]
fn the_ledger_is_append_only_for_the_system_too() {
    let rig = rig();
    for sql in [
        "update main.ledger set delta = 2",
        "update main.ledger set reason = null where n = 1",
        "delete from main.ledger",
        "delete from main.ledger where account = 2",
        "insert or replace into main.ledger select * from main.ledger",
        "update or replace main.ledger set n = n + 1",
        "update main.ledger set listed = 1, delta = 2",
        "insert into main.ledger select * from main.ledger where true
           on conflict do update set delta = 0",
    ] {
        let refused = rig.run(SystemScope::new(), sql);
        assert!(refused.is_err(), "{sql} gave {refused:?}");
        assert!(rig.outside().execute_batch(&sql.replace("replace into", "fail into")).is_err());
    }
}

#[test]
fn a_reservation_is_released_and_charged_once() {
    let rig = rig();
    let entry = |n: i64, kind: &str, round: i64| {
        let sql = format!(
            "insert into main.ledger
               (account, n, kind, bucket, delta, balance_after, job, round, created_at)
             values (1, {n}, '{kind}', 'free', 1, 1, 1, {round}, 1)"
        );
        rig.run(SystemScope::new(), sql)
    };
    for (n, kind) in [(10, "reserve"), (12, "release")] {
        entry(n, kind, 1).unwrap();
        assert!(entry(n + 1, kind, 1).is_err(), "a second {kind}");
    }
    assert!(entry(20, "charge", 1).is_err(), "a second charge");
    entry(21, "charge", 2).unwrap();
}
