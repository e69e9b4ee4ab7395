//! The triggers of the audit log: which tables and columns they watch, and what stays true of the log whoever writes.

use super::{Rig, forever, scope};
use crate::{
    domain::{ErrorKind, Timestamp},
    observe::origin::{self, Actor, Origin},
    store::{SystemScope, audit_log::AuditFilter},
};

/// What people configure: table, and what of a row is watched. Whatever jobs, deliveries and tickers write must not be
/// here: a trigger costs each of their writes its time.
const WATCHED: [(&str, &str); 44] = [
    ("account", "insert"),
    ("account", "update of name, suspended_at"),
    ("account_setting", "insert"),
    (
        "account_setting",
        "update of timezone, daily_token_caps, daily_token_cap, record_invocations",
    ),
    ("agent", "update of description, tags, active_version, archived_at"),
    ("agent_version", "insert"),
    ("api_key", "delete"),
    ("api_key", "insert"),
    (
        "api_key",
        "update of name, scopes, rate_limit, monthly_credit_limit, allowed_cidrs, expires_at, overlap_ends_at, revoked_at",
    ),
    ("balance", "update of low_mark"),
    ("credit_grant", "insert"),
    ("dashboard_session", "delete"),
    ("dashboard_session", "insert"),
    ("duty", "update of cron, timezone"),
    ("end_user", "update of daily_token_cap"),
    ("eval", "insert"),
    ("function", "delete"),
    ("function", "insert"),
    ("function", "update of kind, url, method, headers, timeout_ms, agent, input"),
    ("function", "update of secret"),
    ("member", "delete"),
    ("member", "insert"),
    ("member", "update of accepted_at"),
    ("member", "update of role"),
    ("person", "delete"),
    ("person", "update of is_operator"),
    ("person", "update of password_changed_at"),
    ("price", "insert"),
    ("project", "insert"),
    ("project", "update of name, monthly_credit_limit, record_invocations"),
    ("queue_pause", "delete"),
    ("queue_pause", "insert"),
    ("schedule", "insert"),
    (
        "schedule",
        "update of name, cron, timezone, function, payload, catch_up, overlap, jitter_ms, paused_at",
    ),
    ("schedule", "update of deleted_at"),
    ("sign_in_link", "insert"),
    ("sign_in_link", "insert"),
    ("stripe_customer", "delete"),
    ("stripe_customer", "insert"),
    ("stripe_event", "update of by_operator"),
    ("webhook_endpoint", "insert"),
    ("webhook_endpoint", "update of deleted_at"),
    ("webhook_endpoint", "update of secret"),
    (
        "webhook_endpoint",
        "update of url, events, description, active, disabled_reason, retry_policy",
    ),
];

/// A trigger of the writer: its table, and how it is made, in small letters with single spaces.
struct Trigger {
    table: String,
    sql: String,
}

fn triggers(rig: &Rig) -> Vec<Trigger> {
    let sql = "select tbl_name, sql from temp.sqlite_schema where type = 'trigger'";
    let found = rig.store.write(SystemScope::new(), |tx| {
        tx.all(sql, [], |row| {
            let sql: String = row.get("sql")?;
            let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            Ok(Trigger { table: row.get("tbl_name")?, sql })
        })
    });
    found.wait().unwrap()
}

#[test]
fn only_what_people_configure_is_watched() {
    let rig = Rig::new();
    let found = triggers(&rig).into_iter().map(|Trigger { table, sql }| {
        let (event, _) = sql.split_once(&format!(" on main.{table} ")).unwrap();
        let (name, event) = event.split_once(" after ").unwrap();
        assert!(name.starts_with(&format!("create trigger audit_{table}_")), "{name}");
        (table, event.to_owned())
    });
    let mut found: Vec<_> = found.collect();
    found.sort();
    let mut watched: Vec<_> =
        WATCHED.iter().map(|&(table, event)| (table.to_owned(), event.to_owned())).collect();
    watched.sort();
    assert_eq!(found, watched);
}

/// What the server does all the time.
const HOT: [&str; 14] = [
    "insert into main.end_user (account, id, external_id, open_tokens, created_at) values (1, x'01', 'u', 1, 1)
     on conflict (account, external_id) do update set open_tokens = open_tokens + excluded.open_tokens",
    "update main.end_user set open_tokens = 1, tokens = 1, charged = 1, jobs = 1",
    "update main.end_user set last_active_on = 1",
    "update main.balance set free = 1, paid = 1, reserved_free = 1, reserved_paid = 1, entries = 1, open_jobs = 1",
    "update main.credit_grant set remaining = 1",
    "update main.webhook_endpoint set failing_since = 1",
    "update main.schedule set last_at = 1, next_at = 1",
    "update main.schedule set skipped = 1, skipped_at = 1, skipped_why = 'x'",
    "update main.api_key set last_used_at = 1",
    "update main.dashboard_session set last_seen_at = 1, expires_at = 1",
    "update main.member set last_signed_in_at = 1",
    "update main.duty set started_at = 1, begun = 1, finished_at = null, duration_ms = null, result = null, error = null",
    "insert into main.job_event (job, n, account, name, created_at) values (1, 1, 1, 'x', 1)",
    "insert into main.ledger (account, n, kind, bucket, delta, balance_after, created_at)
     values (1, 1, 'grant', 'free', 1, 1, 1)",
];

#[test]
fn what_the_server_does_all_the_time_fires_no_trigger() {
    let rig = Rig::new();
    let programs = |sql: &str| {
        let sql = forever(format!("explain {sql}"));
        let steps = rig.store.write(SystemScope::new(), move |tx| {
            tx.all(sql, [], |row| row.get::<_, String>("opcode"))
        });
        steps.wait().unwrap().iter().filter(|opcode| *opcode == "Program").count()
    };
    for sql in HOT {
        assert_eq!(programs(sql), 0, "{sql}");
    }
    assert_eq!(programs("update main.end_user set daily_token_cap = 1"), 1);
}

const PROJECT: &str = "insert into main.project (account, id, name, environment, created_at)
     values (current_account(), randomblob(16), 'p', 'live', 1)";

/// A store with the accounts 1 and 2.
fn rig() -> Rig {
    let rig = Rig::new();
    for account in [1, 2] {
        let sql = format!(
            "insert into main.account (seq, id, name, created_at) values ({account}, randomblob(16), 'a', 1)"
        );
        rig.run(SystemScope::new(), sql).unwrap();
    }
    rig
}

#[test]
fn nothing_of_the_log_is_changed_and_only_the_system_takes_away() {
    let rig = rig();
    for sql in
        ["update main.audit_entry set action = 'x'", "update main.audit_entry set seq = seq + 1"]
    {
        assert!(rig.run(SystemScope::new(), sql).is_err(), "{sql}");
        assert!(rig.outside().execute_batch(sql).is_err(), "{sql}");
    }
    let own = "update main.audit_entry set action = 'x' where account = current_account()";
    assert!(rig.run(scope(1), own).is_err());
    assert_eq!(rig.look(scope(1), "select action from audit_entry").unwrap(), ["account.created"]);
    rig.run(SystemScope::new(), "delete from main.audit_entry where account = 2").unwrap();
    assert_eq!(
        rig.look(SystemScope::new(), "select count(*) from main.audit_entry").unwrap().len(),
        1
    );
}

#[test]
fn a_tenants_change_is_told_within_its_account() {
    let rig = rig();
    rig.run(scope(1), PROJECT).unwrap();
    let actions = "select action from audit_entry order by seq";
    assert_eq!(rig.look(scope(1), actions).unwrap(), ["account.created", "project.created"]);
    assert_eq!(rig.look(scope(2), actions).unwrap(), ["account.created"]);
}

/// The deed that fails after it wrote spoils its batch, and the others run again, each for whom it did before.
#[test]
fn a_deed_that_runs_again_is_told_of_once_and_by_who_made_it() {
    let rig = rig();
    let key = |n: u128| Actor::Key(crate::domain::ApiKeyId::from_uuid(uuid::Uuid::from_u128(n)));
    let of = |actor| Some(std::sync::Arc::new(Origin { actor, ..Origin::operator() }));
    // Holds the writer until all others wait, so that they share a commit.
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    let gate = rig.store.write(SystemScope::new(), move |_| {
        crate::ambient::lock(&receiver).recv().ok();
        Ok(())
    });
    let commits: Vec<_> = (1..=20_u128)
        .map(|n| {
            let write = || {
                rig.store.write(scope(1), move |tx| {
                    let sql =
                        "insert into main.project (account, id, name, environment, created_at)
                               values (current_account(), randomblob(16), ?1, 'live', 1)";
                    tx.execute(sql, [n.to_string()])?;
                    assert!(n != 13, "on purpose");
                    let fails = n % 5 == 0;
                    if fails {
                        Err(crate::domain::Error::new(ErrorKind::Conflict, "no"))
                    } else {
                        Ok(())
                    }
                })
            };
            if n == 20 { write() } else { origin::within(of(key(n)), write) }
        })
        .collect();
    // It may run again too, and then nothing holds it any more.
    drop(sender);
    gate.wait().unwrap();
    let succeeded: Vec<_> = commits.into_iter().map(|commit| commit.wait().is_ok()).collect();
    assert_eq!(succeeded.iter().filter(|done| **done).count(), 15);
    let filter =
        AuditFilter { action: Some("project.created".to_owned()), ..AuditFilter::default() };
    let found =
        rig.store.read(scope(1), |snapshot| crate::store::audit_log::list(snapshot, &filter, 100));
    let entries = found.unwrap().rows;
    assert_eq!(entries.len(), 15);
    for entry in entries {
        let n: u128 = entry.name.unwrap().parse().unwrap();
        assert_eq!(entry.actor, key(n), "{n}");
        assert!(entry.created_at > Timestamp::from_millis(1_000_000_000_000));
    }
}

/// They are let through tenancy by their name, so what they do is held here: each adds one entry to the log and nothing
/// else, for the account of the row that fired it or one that is looked up by it.
#[test]
fn triggers_of_the_log_do_nothing_but_add_an_entry() {
    let rig = Rig::new();
    let found = triggers(&rig);
    assert_eq!(found.len(), WATCHED.len());
    for Trigger { table, sql } in found {
        let words: Vec<_> = sql.split(' ').collect();
        for pair in words.windows(2).filter(|pair| ["from", "join"].contains(&pair[0])) {
            let is_whole = pair[1].starts_with("main.") || pair[1] == "(";
            assert!(is_whole, "{sql} may read the view of {}", pair[1]);
        }
        let name = &sql[..sql.find(" after ").unwrap()];
        let (_, body) = sql.split_once(" begin ").unwrap();
        let body = body.strip_suffix("; end").unwrap();
        let written = body.strip_prefix("insert into audit_entry (");
        let (columns, values) = written.expect(name).split_once(')').unwrap();
        assert!(!body.contains(';'), "{name} does more than one thing");
        for word in ["insert", "update", "delete", "replace", "raise"] {
            assert!(
                !values.split(|c: char| !c.is_alphanumeric()).any(|it| it == word),
                "{name}: {word}"
            );
        }
        if !columns.split(", ").any(|column| column == "account") {
            continue;
        }
        assert!(columns.starts_with("account"), "{name}");
        let value = values.trim_start_matches([' ', '(']).trim_start_matches("values").trim_start();
        let value = value.trim_start_matches(['(', ' ']).trim_start_matches("select ");
        let is_own = ["new.account,", "old.account,"].iter().any(|own| value.starts_with(own))
            || table == "account" && value.starts_with("new.seq,")
            || value.starts_with("m.account,")
                && value.contains("left join main.member m on m.id = p.id and ");
        assert!(is_own, "{name} writes for {value}");
    }
}
