//! Jobs that are being accepted.

use serde_json::value::RawValue;

use super::{jobs::JobAgent, scope::AccountScope, spending::SetAside, tx::Tx};
use crate::domain::{JobId, Result, Timestamp, TraceContext};

/// What a new job is made of. JSON is kept as the text it was sent as.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Public id.
    pub id: JobId,
    /// Internal number of the key's project.
    pub project: i64,
    /// Internal number of the key.
    pub api_key: i64,
    /// The model as the client names it.
    pub model: String,
    /// The version of an agent that it runs.
    pub agent: Option<JobAgent>,
    /// Internal number of the batch that it is part of.
    pub batch: Option<i64>,
    /// Whether its client waits on its connection: it runs at once, and only once.
    pub direct: bool,
    /// The client's own end user.
    pub user: Option<String>,
    /// Higher goes first within the account.
    pub priority: i32,
    /// Attempts before it is given up.
    pub max_attempts: u32,
    /// The request that made it.
    pub request_id: String,
    /// The step of a trace that made it, where there was one.
    pub trace: Option<TraceContext>,
    /// Not before this time.
    pub run_at: Timestamp,
    /// The number of the newest price when it was estimated: it is charged at the prices up to there.
    pub price_list: i64,
    /// For how many completion tokens its reservation was made: no answer may be longer.
    pub completion_bound: u32,
    /// JSON array of messages.
    pub messages: Box<RawValue>,
    /// JSON Schema that the output has to satisfy.
    pub output_schema: Option<Box<RawValue>>,
    /// JSON object that comes back with the job.
    pub metadata: Option<Box<RawValue>>,
    /// JSON object with the settings of the call.
    pub parameters: String,
}

/// Adds a job, for which that much is set aside; gives its internal number. A direct one runs, all others wait.
pub fn insert(tx: &Tx<'_, AccountScope>, new: &NewJob, aside: SetAside) -> Result<i64> {
    let seq = tx.insert(
        "insert into main.job (account, id, project, api_key, status, round, attempts, max_attempts,
           priority, model, agent, agent_version, batch, direct, end_user, token_bound,
           reserved_free, reserved_paid, spending, price_list, completion_bound, request_id, run_at,
           created_at, started_at, trace)
         values (current_account(), ?1, ?2, ?3, 2 + ?16, 1, ?16, ?4, ?5, ?6, ?13, ?14, ?15, ?16, ?7, ?19,
           ?11, ?12, ?17, ?18, ?20, ?8, ?9, ?10, ?10, ?21)",
        rusqlite::params![
            new.id,
            new.project,
            new.api_key,
            new.max_attempts,
            new.priority,
            new.model,
            new.user,
            new.request_id,
            new.run_at,
            tx.now(),
            aside.held.free,
            aside.held.paid,
            new.agent.as_ref().map(|agent| agent.seq),
            new.agent.as_ref().map(|agent| agent.version),
            new.batch,
            new.direct,
            aside.spending,
            new.price_list,
            aside.tokens,
            new.completion_bound,
            new.trace,
        ],
    )?;
    tx.execute(
        "insert into main.job_request (account, job, messages, output_schema, metadata, parameters)
         values (current_account(), ?1, ?2, ?3, ?4, ?5)",
        (
            seq,
            new.messages.get(),
            new.output_schema.as_deref().map(RawValue::get),
            new.metadata.as_deref().map(RawValue::get),
            &new.parameters,
        ),
    )?;
    Ok(seq)
}
