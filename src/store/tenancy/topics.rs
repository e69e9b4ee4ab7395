//! Which pages a table's rows are shown on.

use crate::domain::{Topic, Topics};

/// What is told to have changed where a statement writes these tables.
pub(super) fn of<'a>(tables: impl IntoIterator<Item = &'a String>) -> Topics {
    let known = tables.into_iter().filter_map(|table| topic(table));
    known.fold(Topics::NONE, Topics::with)
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
    fn every_table_has_a_topic_or_none_on_purpose() {
        for table in tenant_tables() {
            assert_eq!(topic(table).is_none(), SILENT.contains(table), "{table}");
        }
    }
}
