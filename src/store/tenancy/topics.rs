//! Which pages a table's rows are shown on.

use crate::domain::{Topic, Topics};

/// What is told to have changed where a statement of an account writes these tables, and the audit log tells of it.
pub(super) fn of<'a>(tables: impl IntoIterator<Item = &'a String>, is_logged: bool) -> Topics {
    let known = tables.into_iter().filter_map(|table| topic(table));
    known.chain(is_logged.then_some(Topic::Audit)).fold(Topics::NONE, Topics::with)
}

/// The same of a statement of the system. What it does to rows of an account, its function tells that account: the
/// statement does not say whose they are.
pub(super) fn of_server<'a>(
    tables: impl IntoIterator<Item = &'a String>,
    is_logged: bool,
) -> Topics {
    let is_shown = is_logged || tables.into_iter().any(|table| is_of_server(table));
    if is_shown { Topics::NONE.with(Topic::Server) } else { Topics::NONE }
}

/// Whether the operator is shown a table's rows. What the server writes all the time is not among them: claims of work,
/// the use of sessions, its counters in `meta`.
fn is_of_server(table: &str) -> bool {
    ["account", "duty", "person", "price", "queue_pause", "stripe_event", "stripe_customer"]
        .contains(&table)
}

/// The topic of a table; `None` where no page shows its rows.
fn topic(table: &str) -> Option<Topic> {
    Some(match table {
        "job" | "job_event" | "job_request" | "job_result" | "removed_job" => Topic::Jobs,
        "batch" | "batch_item" => Topic::Batches,
        "agent" | "agent_drift" | "agent_hour" | "agent_version" => Topic::Agents,
        "eval" | "eval_result" | "eval_run" => Topic::Evals,
        "balance" | "credit_grant" | "ledger" => Topic::Ledger,
        "webhook_endpoint" => Topic::Endpoints,
        "webhook_attempt" | "webhook_delivery" => Topic::Deliveries,
        "dead_letter" => Topic::DeadLetters,
        "function" => Topic::Functions,
        "scheduled_task" => Topic::Tasks,
        "schedule" => Topic::Schedules,
        "account_setting" | "project" => Topic::Projects,
        "api_key" => Topic::Keys,
        "member" => Topic::Members,
        "end_user" | "end_user_day" | "streak_bonus" => Topic::EndUsers,
        "spending" | "usage_day" | "usage_tail" => Topic::Usage,
        "audit_entry" => Topic::Audit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tenant_tables;

    /// What no page shows: answers that were given, and work that waits, which the job or task tells of itself.
    const SILENT: [&str; 2] = ["idempotency", "queue"];

    #[test]
    fn what_the_system_writes_all_the_time_is_told_to_nobody() {
        let told = |tables: &[&str], is_logged| {
            let tables: Vec<_> = tables.iter().map(|&table| table.to_owned()).collect();
            !of_server(&tables, is_logged).is_empty()
        };
        let silent =
            ["queue", "meta", "idempotency", "dashboard_session", "usage_day", "usage_tail"];
        assert!(!told(&silent, false));
        assert!(told(&["queue", "queue_pause"], false) && told(&["dashboard_session"], true));
    }

    #[test]
    fn every_table_has_a_topic_or_none_on_purpose() {
        for table in tenant_tables() {
            assert_eq!(topic(table).is_none(), SILENT.contains(table), "{table}");
        }
    }
}
