//! The planner takes the way that each list was made for: one that reads an account's rows newest first
//! and stops, without sorting.

use super::{Rig, forever};
use crate::{
    domain::stripe::EventStatus,
    store::{
        SystemScope, accounts, agent_hours, agents, api_keys, audit_log, batches, canceled_jobs,
        dashboard_sessions, dead_letters, deliveries, end_user_days, end_users, evals, forward,
        functions, grants, job_list, ledger_entries, members, persons, projects, prune::Kept,
        queue, scheduled_tasks, schedules, sign_in_links, streaks, stripe::events, usage_days,
        usage_tail, webhooks,
    },
};

fn plan(sql: &str) -> String {
    let count = (1..=9).rev().find(|n| sql.contains(&format!("?{n}"))).unwrap_or(0);
    let sql = forever(format!("explain query plan {sql}"));
    let rig = Rig::new();
    // A tenant may not ask for plans. The views are the same for the system.
    let steps = rig.store.read(SystemScope::new(), |snapshot| {
        let params = rusqlite::params_from_iter(vec![1; count]);
        snapshot.all(sql, params, |row| row.get::<_, String>("detail"))
    });
    steps.unwrap().join("; ")
}

#[test]
fn lists_are_read_from_their_newest_end() {
    let [unlisted, listed, of_agent, unsuccessful, open] = job_list::LISTS;
    let [last_listed, last_of_agent, last_unsuccessful, last_open, newest, ..] = job_list::LASTS;
    let [ledger_unlisted, ledger_listed, last_entry, newest_entry] = ledger_entries::LISTS;
    let [deliveries_unlisted, deliveries_listed, last_delivery, newest_delivery, ..] =
        deliveries::LISTS;
    let [agents, versions] = agents::LISTS;
    let [evals, eval_runs] = evals::LISTS;
    let [batches, items, open_items] = batches::LISTS;
    for (sql, way) in [
        (agents, "SEARCH agent USING INDEX sqlite_autoindex_agent_1 (account=? AND id<?)"),
        (
            versions,
            "SEARCH agent_version USING INDEX sqlite_autoindex_agent_version_1 (account=? AND agent=? AND n<?)",
        ),
        (evals, "SEARCH eval USING INDEX eval_by_agent (account=? AND agent=? AND rowid<?)"),
        (
            eval_runs,
            "SEARCH eval_run USING INDEX eval_run_by_eval (account=? AND eval=? AND rowid<?)",
        ),
        (batches, "SEARCH batch USING INDEX sqlite_autoindex_batch_1 (account=? AND id<?)"),
        (items, "SEARCH batch_item USING PRIMARY KEY (batch=? AND n>?)"),
        (open_items, "SEARCH batch_item USING PRIMARY KEY (batch=? AND n>?)"),
        (unlisted, "SEARCH job USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (listed, "SEARCH job USING INDEX job_by_account (account=? AND rowid>? AND rowid<?)"),
        (
            of_agent,
            "SEARCH job USING INDEX job_by_agent (account=? AND agent=? AND rowid>? AND rowid<?)",
        ),
        (
            unsuccessful,
            "SEARCH job USING INDEX job_unsuccessful (account=? AND status=? AND rowid>? AND rowid<?)",
        ),
        (open, "SEARCH queue USING PRIMARY KEY (queue=? AND subject>? AND subject<?)"),
        (last_listed, "SEARCH job USING COVERING INDEX job_by_account (account=? AND rowid<?)"),
        (last_of_agent, "USING COVERING INDEX job_by_agent (account=? AND agent=? AND rowid<?)"),
        (
            last_unsuccessful,
            "USING COVERING INDEX job_unsuccessful (account=? AND status=? AND rowid<?)",
        ),
        (last_open, "SEARCH queue USING PRIMARY KEY (queue=? AND subject<?)"),
        (newest, "SEARCH job USING INDEX job_by_account (account=? AND rowid<?)"),
        (ledger_unlisted, "SEARCH ledger USING INTEGER PRIMARY KEY (rowid>?)"),
        (ledger_listed, "SEARCH ledger USING INDEX ledger_by_account (account=? AND n>? AND n<?)"),
        (last_entry, "SEARCH ledger USING COVERING INDEX ledger_by_account (account=? AND n<?)"),
        (newest_entry, "SEARCH ledger USING INDEX ledger_by_account (account=? AND n<?)"),
        (
            deliveries_unlisted,
            "SEARCH webhook_delivery USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
        (
            deliveries_listed,
            "SEARCH webhook_delivery USING INDEX webhook_delivery_by_account (account=? AND rowid>? AND rowid<?)",
        ),
        (last_delivery, "USING COVERING INDEX webhook_delivery_by_account (account=? AND rowid<?)"),
        (newest_delivery, "USING INDEX webhook_delivery_by_account (account=? AND rowid<?)"),
        (agent_hours::BUSY, "SEARCH g USING INTEGER PRIMARY KEY (rowid>?)"),
        (agent_hours::BUSY, "h EXISTS USING PRIMARY KEY (account=? AND agent=? AND hour>?)"),
        (ledger_entries::ENTRIES_OF_JOB, "USING INDEX ledger_by_job (job=? AND round>"),
        (ledger_entries::ENTRIES_OF_REMOVED, "USING INDEX ledger_by_job (job=? AND round>"),
    ] {
        let plan = plan(sql);
        assert!(plan.replace("main.", "").contains(way), "{way}\n{plan}\n{sql}");
        let of_job = [ledger_entries::ENTRIES_OF_JOB, ledger_entries::ENTRIES_OF_REMOVED];
        let is_sorted = !of_job.contains(&sql);
        assert!(!is_sorted || !plan.contains("TEMP B-TREE"), "sorts: {plan}\n{sql}");
    }
}

#[test]
fn the_place_of_a_row_that_was_removed_is_found_by_few_others() {
    let [.., newer, newer_unlisted] = job_list::LASTS;
    let [.., newer_delivery, newer_delivery_unlisted] = deliveries::LISTS;
    for (sql, way) in [
        (newer, "SEARCH job USING INDEX job_by_account (account=? AND rowid<?)"),
        (newer_unlisted, "SEARCH job USING INTEGER PRIMARY KEY (rowid>?)"),
        (newer_delivery, "USING INDEX webhook_delivery_by_account (account=? AND rowid<?)"),
        (newer_delivery_unlisted, "USING INTEGER PRIMARY KEY (rowid>?)"),
    ] {
        let plan = plan(sql);
        assert!(plan.replace("main.", "").contains(way), "{way}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[test]
fn events_of_stripe_are_found_by_their_indexes() {
    let [all, of_status, some, unmatched] = events::LISTS;
    for (sql, way) in [
        (all, "SEARCH e USING INTEGER PRIMARY KEY (rowid<?)"),
        (of_status, "SEARCH e USING INDEX stripe_event_by_status (status=? AND rowid<?)"),
        (some, "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (unmatched, "USING COVERING INDEX stripe_event_unmatched (customer=?)"),
        (events::TROUBLED, "USING COVERING INDEX stripe_event_by_status (status=?)"),
    ] {
        let plan = plan(sql);
        assert!(plan.contains(way) && !plan.contains("TEMP B-TREE"), "{way}\n{plan}");
    }
    let words = EventStatus::TROUBLED.map(|status| format!("'{}'", status.as_str())).join(", ");
    assert!(events::TROUBLED.contains(&format!("status in ({words})")), "{words}");
}

#[test]
fn short_lists_are_read_from_their_newest_end_too() {
    for (sql, way) in [
        (accounts::LIST, "SEARCH a USING INDEX sqlite_autoindex_account_1 (id<?)"),
        (
            projects::LIST,
            "SEARCH project USING INDEX sqlite_autoindex_project_1 (account=? AND id<?)",
        ),
        (
            api_keys::LIST,
            "SEARCH api_key USING INDEX sqlite_autoindex_api_key_2 (account=? AND id<?)",
        ),
        (
            webhooks::LIST,
            "SEARCH webhook_endpoint USING INDEX sqlite_autoindex_webhook_endpoint_1 (account=? AND id<?)",
        ),
        (
            dead_letters::LIST,
            "SEARCH dead_letter USING INDEX sqlite_autoindex_dead_letter_1 (account=? AND id<?)",
        ),
    ] {
        let plan = plan(sql).replace("main.", "");
        assert!(plan.contains(way) && !plan.contains("TEMP B-TREE"), "{way}\n{plan}");
    }
}

#[test]
fn people_and_their_sessions_are_found_by_indexes() {
    for (sql, way) in [
        (members::LIST, "SEARCH member USING INDEX sqlite_autoindex_member_1 (account=? AND id<?)"),
        (members::ACCOUNTS_OF, "SEARCH m USING INDEX member_by_person (id=?)"),
        (persons::LIST, "SEARCH person USING INDEX sqlite_autoindex_person_1 (id<?)"),
        (dashboard_sessions::PLACE, "SEARCH p USING INDEX project_by_id (id=?)"),
        (
            dashboard_sessions::PLACE,
            "SEARCH m USING INDEX sqlite_autoindex_member_1 (account=? AND id=?)",
        ),
        (dashboard_sessions::FIRST_PROJECT, "SEARCH m USING INDEX member_by_person (id=?)"),
        (
            dashboard_sessions::LIST,
            "SEARCH dashboard_session USING INDEX dashboard_session_by_person (person=?)",
        ),
        (dashboard_sessions::PRUNE, "INDEX dashboard_session_by_end (expires_at<?)"),
        (sign_in_links::PRUNE, "INDEX sign_in_link_by_end (expires_at<?)"),
    ] {
        let plan = plan(sql).replace("main.", "");
        assert!(plan.contains(way) && !plan.contains("SCAN"), "{way}\n{plan}\n{sql}");
    }
}

#[test]
fn open_dead_letters_are_counted_by_their_index() {
    let plan = plan(queue::DEAD);
    assert!(plan.ends_with("USING INDEX dead_letter_open"), "{plan}");
}

#[test]
fn the_next_try_of_a_delivery_is_found_by_its_key() {
    let plan = plan(deliveries::DUE_AT).replace("main.", "");
    assert!(plan.contains("SEARCH queue USING PRIMARY KEY (queue=? AND subject=?)"), "{plan}");
}

#[test]
fn the_audit_log_is_read_from_its_newest_end() {
    let own = "USING INDEX audit_entry_by_account (account=? AND rowid>? AND rowid<?)";
    let place = "USING COVERING INDEX audit_entry_by_account (account=? AND rowid<?)";
    let all = "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
    let place_of_all = "SEARCH audit_entry USING INTEGER PRIMARY KEY (rowid<?)";
    let ways = [own, place, all, own, place_of_all, place];
    for (sql, way) in audit_log::LISTS.into_iter().zip(ways) {
        let plan = plan(sql).replace("main.", "");
        assert!(plan.contains(way) && !plan.contains("TEMP B-TREE"), "{way}\n{plan}");
    }
}

#[test]
fn end_users_are_read_with_their_days_from_their_newest_end() {
    let plan = plan(end_users::LIST);
    for way in [
        "SEARCH end_user USING INDEX sqlite_autoindex_end_user_1 (account=? AND id<?)",
        "SEARCH end_user_day USING PRIMARY KEY (account=? AND end_user=? AND day=?)",
    ] {
        assert!(plan.replace("main.", "").contains(way), "{way}\n{plan}");
    }
    assert!(!plan.contains("TEMP B-TREE"), "sorts: {plan}");
}

#[test]
fn grants_are_found_without_those_that_are_spent() {
    for (sql, way) in [
        (ledger_entries::GRANTS, "USING PRIMARY KEY (account=? AND id<?)"),
        (grants::NEXT_TO_SPEND, "USING INDEX credit_grant_to_spend (account=? AND bucket=?)"),
        (
            grants::EXPIRED,
            "USING INDEX credit_grant_to_spend (account=? AND bucket=? AND <expr><?)",
        ),
    ] {
        let plan = plan(sql);
        assert!(plan.contains(way) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
    let way = "USING INDEX credit_grant_to_spend (account=? AND bucket=? AND <expr><?)";
    assert!(plan(grants::OVERDUE).contains(way));
}

#[test]
fn what_is_to_go_is_found_by_its_order() {
    let open_letter = "USING INDEX dead_letter_open (queue=? AND subject=?)";
    for (kept, ways) in [
        (
            Kept::Deliveries,
            &["SEARCH webhook_delivery USING INTEGER PRIMARY KEY (rowid>?)", open_letter][..],
        ),
        (
            Kept::Tasks,
            &["USING INDEX scheduled_task_over (finished_at>? AND finished_at<?)", open_letter],
        ),
        (Kept::DeadLetters, &["SEARCH dead_letter USING INTEGER PRIMARY KEY (rowid>?)"]),
        (Kept::OpenLetters, &["SEARCH dead_letter USING INTEGER PRIMARY KEY (rowid>?)"]),
        (Kept::AuditLog, &["SEARCH audit_entry USING INTEGER PRIMARY KEY (rowid>?)"]),
        (
            Kept::StripePayloads,
            &["USING INDEX stripe_event_to_empty (processed_at>? AND processed_at<?)"],
        ),
    ] {
        let plan = plan(kept.find()).replace("main.", "");
        let found = ways.iter().all(|way| plan.contains(way));
        assert!(found && !plan.contains("TEMP B-TREE"), "{ways:?}\n{plan}");
    }
}

#[test]
fn what_a_crash_left_of_direct_jobs_is_found_by_the_queue() {
    let plan = plan(queue::LEFT_DIRECT);
    let ways = ["SEARCH q USING PRIMARY KEY (queue=?)", "SEARCH j USING INTEGER PRIMARY KEY"];
    assert!(ways.iter().all(|way| plan.contains(way)), "{plan}");
    assert!(plan.find(ways[0]) < plan.find(ways[1]) && !plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn what_builtin_functions_look_for_is_found_by_indexes() {
    let [to_count, active_days, to_end] = streaks::LISTS;
    let [used_on, forgettable] = end_user_days::LISTS;
    let ([canceled], [in_background]) = (canceled_jobs::LISTS, forward::LISTS);
    for (sql, way) in [
        (to_count, "USING INDEX end_user_to_count (account=? AND rowid>?)"),
        (active_days, "USING PRIMARY KEY (account=? AND end_user=? AND day>?)"),
        (to_end, "USING INDEX end_user_streak (account=? AND streak_day<?)"),
        (used_on, "USING INDEX end_user_day_by_day (account=? AND day>? AND day<?)"),
        (forgettable, "USING INDEX end_user_day_by_day (account=? AND day>? AND day<?)"),
        (canceled, "USING INDEX job_unsuccessful (account=? AND status=? AND rowid>?)"),
        (in_background, "SEARCH queue USING PRIMARY KEY (queue=? AND subject>?)"),
        (api_keys::ENDED, "USING INDEX sqlite_autoindex_api_key_2 (account=? AND id<?)"),
    ] {
        let plan = plan(sql).replace("main.", "");
        assert!(plan.contains(way) && !plan.contains("TEMP B-TREE"), "{way}\n{plan}\n{sql}");
    }
    // Each number once: they are sorted.
    let plan = plan(api_keys::NEEDED);
    for way in ["INDEX schedule_by_function (account=?)", "INDEX scheduled_task_open (account=?)"] {
        assert!(plan.contains(way), "{way}\n{plan}");
    }
}

#[test]
fn scheduled_tasks_are_found_by_what_is_open() {
    let by_id = "USING INDEX sqlite_autoindex_scheduled_task_1 (account=? AND id>? AND id<?)";
    for (sql, way) in [
        (scheduled_tasks::OPEN_OF, "USING INDEX scheduled_task_open (account=? AND schedule=?)"),
        (scheduled_tasks::NEXT_HELD, "USING INDEX scheduled_task_open (account=? AND schedule=?)"),
        (scheduled_tasks::PENDING_OF, "USING INDEX scheduled_task_open (account=? AND schedule=?)"),
        (scheduled_tasks::DUE, "USING INDEX scheduled_task_open (account=?)"),
        (scheduled_tasks::OPEN, "INDEX scheduled_task_open (account=?)"),
        (scheduled_tasks::WAITING_FOR, "USING INDEX scheduled_task_by_job (job=?)"),
        (scheduled_tasks::LIST, by_id),
        (schedules::LIST, "USING INDEX sqlite_autoindex_schedule_1 (account=? AND id<?)"),
        (schedules::DUE, "USING INDEX schedule_due (next_at<?)"),
        (functions::LIST, "USING INDEX sqlite_autoindex_function_1 (account=? AND id<?)"),
    ] {
        let plan = plan(sql).replace("main.", "");
        assert!(plan.contains(way), "{way}\n{plan}\n{sql}");
    }
}

#[test]
fn what_was_used_is_found_by_its_key() {
    let [each, waiting, oldest] = usage_tail::LISTS;
    let [list, of_days, old_users] = usage_days::LISTS;
    for (sql, way) in [
        (
            list,
            "SEARCH usage_day USING PRIMARY KEY (account=? AND dimension=? AND day>? AND (day,subject)<(?,?))",
        ),
        (
            of_days,
            "SEARCH usage_day USING PRIMARY KEY (account=? AND dimension=? AND day>? AND day<?)",
        ),
        (old_users, "SEARCH d USING PRIMARY KEY (account=? AND dimension=? AND day<?)"),
        (old_users, "SEARCH a USING INTEGER PRIMARY KEY (rowid>?)"),
        (each, "SCAN usage_tail"),
        (each, "SEARCH spending USING INTEGER PRIMARY KEY (rowid=?)"),
        (oldest, "SEARCH t USING INTEGER PRIMARY KEY (rowid<?)"),
        (waiting, "SEARCH usage_tail"),
    ] {
        let plan = plan(sql);
        assert!(plan.replace("main.", "").contains(way), "{way}\n{plan}\n{sql}");
        assert!(!plan.contains("TEMP B-TREE"), "sorts: {plan}\n{sql}");
    }
}
