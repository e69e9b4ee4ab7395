//! Jobs: what was asked for, where it stands, and what came of it.

use rusqlite::Row;
use serde_json::value::RawValue;

use super::{
    ledger::JobRound,
    row::{job_error, raw, reserved, status, status_number, unknown, usage},
    scope::AccountScope,
    signal::Signal,
    spending::SetAside,
    tx::{Snapshot, Tx},
    usage_tail,
};
use crate::domain::{
    AgentId, Credits, JobError, JobId, JobStatus, Result, Split, Timestamp, TraceContext, Usage,
};

/// The version of an agent that a job runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAgent {
    /// Internal number of the agent.
    pub seq: i64,
    /// The agent's public id.
    pub id: AgentId,
    /// The agent's name.
    pub name: String,
    /// JSON array of the agent's tags.
    pub tags: String,
    /// The version's number.
    pub version: u32,
}

/// A job as its client sees it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: JobId,
    /// Internal number of the project of the key that asked for it.
    pub project: i64,
    /// Where it stands.
    pub status: JobStatus,
    /// Which reservation is the newest.
    pub round: u32,
    /// The model as the client names it.
    pub model: String,
    /// The version of an agent that it runs.
    pub agent: Option<JobAgent>,
    /// Internal number of the batch that it is part of.
    pub batch: Option<i64>,
    /// Whether its client waits on its connection.
    pub direct: bool,
    /// The client's own end user.
    pub user: Option<String>,
    /// How many tokens of that one it counts as in flight until it is over: as many as it may use. 0 without one, and
    /// before it begins where that is on a later day than the one on which it was accepted.
    pub token_bound: u64,
    /// Attempts made in this round.
    pub attempts: u32,
    /// Attempts before it is given up.
    pub max_attempts: u32,
    /// Higher goes first within the account.
    pub priority: i32,
    /// What the newest reservation set aside.
    pub reserved: Split,
    /// Internal number of the row that counts it in its payer's budgets.
    pub spending: i64,
    /// The number of the newest price when that was estimated: the job is charged at the prices up to there.
    pub price_list: i64,
    /// For how many completion tokens its reservation was made: no answer may be longer.
    pub completion_bound: u32,
    /// The request that made it.
    pub request_id: String,
    /// The step of a trace that made it, where there was one; of a job that runs, its attempt.
    pub trace: Option<TraceContext>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// What was asked for.
    pub request: JobRequest,
    /// What came of it, once it ended.
    pub result: Option<JobResult>,
}

/// What the client asked for.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// JSON array of messages.
    pub messages: Box<RawValue>,
    /// JSON Schema that the output has to satisfy.
    pub output_schema: Option<Box<RawValue>>,
    /// JSON object that comes back with the job.
    pub metadata: Option<Box<RawValue>>,
    /// JSON object with the settings of the call.
    pub parameters: String,
}

impl JobRequest {
    /// What its texts hold, in bytes.
    pub fn bytes(&self) -> usize {
        let json = |json: Option<&RawValue>| json.map_or(0, |json| json.get().len());
        let schemas = json(self.output_schema.as_deref()) + json(self.metadata.as_deref());
        self.messages.get().len() + self.parameters.len() + schemas
    }
}

/// What came of a job.
#[derive(Clone, Debug, Default)]
pub struct JobResult {
    /// The validated JSON, as text.
    pub output: Option<Box<RawValue>>,
    /// What the model said.
    pub output_text: Option<String>,
    /// The model that answered: the one that was asked for, or one to fall back to.
    pub model: Option<String>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// Tokens that the provider counted.
    pub usage: Option<Usage>,
    /// Whether they are an estimate, because the provider reported none.
    pub estimated: bool,
    /// What it cost.
    pub charged: Credits,
    /// Why there is no output.
    pub error: Option<JobError>,
    /// When it ended.
    pub finished_at: Timestamp,
}

impl Job {
    /// The newest reservation.
    pub fn round(&self) -> JobRound {
        JobRound { job: self.seq, round: self.round }
    }
}

/// What [`job`] reads.
macro_rules! job_columns {
    () => {
        concat!(
            "j.*, g.id as agent_id, g.name as agent_name, g.tags as agent_tags, q.messages, q.output_schema, q.metadata, q.parameters, ",
            $crate::store::jobs::result_columns!()
        )
    };
}

/// What [`job_result`] reads.
macro_rules! result_columns {
    () => {
        "r.output, r.output_text, r.model as answered_by, r.provider, r.prompt_tokens, \
         r.completion_tokens, r.cached_tokens, r.estimated, r.charged, r.error_code, r.error_message, r.finished_at"
    };
}

/// The tables beside `job j` that it is read from.
macro_rules! job_tables {
    () => {
        "join job_request q on q.job = j.seq left join job_result r on r.job = j.seq \
         left join agent g on g.seq = j.agent"
    };
}

/// Selects rows for [`job`], by the conditions that follow.
macro_rules! select_job {
    ($($rest:expr),+) => {
        concat!(
            "select ",
            $crate::store::jobs::job_columns!(),
            " from job j ",
            $crate::store::jobs::job_tables!(),
            " where ",
            $($rest),+
        )
    };
}

pub(in crate::store) use {job_columns, job_tables, result_columns, select_job};

pub(in crate::store) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let attempts: u32 = row.get("attempts")?;
    Ok(Job {
        seq: row.get("seq")?,
        id: row.get("id")?,
        project: row.get("project")?,
        status: status(row)?,
        round: row.get("round")?,
        model: row.get("model")?,
        agent: agent(row)?,
        batch: row.get("batch")?,
        direct: row.get("direct")?,
        user: row.get("end_user")?,
        token_bound: row.get("token_bound")?,
        attempts,
        max_attempts: row.get("max_attempts")?,
        priority: row.get("priority")?,
        reserved: reserved(row)?,
        spending: row.get("spending")?,
        price_list: row.get("price_list")?,
        completion_bound: row.get("completion_bound")?,
        request_id: row.get("request_id")?,
        trace: row.get("trace")?,
        created_at: row.get("created_at")?,
        started_at: if attempts > 0 { Some(row.get("started_at")?) } else { None },
        request: JobRequest {
            messages: raw(row, "messages")?.ok_or_else(|| unknown("messages"))?,
            output_schema: raw(row, "output_schema")?,
            metadata: raw(row, "metadata")?,
            parameters: row.get("parameters")?,
        },
        result: job_result(row)?,
    })
}

pub(in crate::store) fn agent(row: &Row<'_>) -> rusqlite::Result<Option<JobAgent>> {
    let Some(seq) = row.get("agent")? else { return Ok(None) };
    Ok(Some(JobAgent {
        seq,
        id: row.get("agent_id")?,
        name: row.get("agent_name")?,
        tags: row.get("agent_tags")?,
        version: row.get("agent_version")?,
    }))
}

/// Reads what came of a job; `None` where it is not over.
pub(in crate::store) fn job_result(row: &Row<'_>) -> rusqlite::Result<Option<JobResult>> {
    let Some(finished_at) = row.get("finished_at")? else { return Ok(None) };
    Ok(Some(JobResult {
        output: raw(row, "output")?,
        output_text: row.get("output_text")?,
        model: row.get("answered_by")?,
        provider: row.get("provider")?,
        estimated: row.get("estimated")?,
        usage: usage(row)?,
        charged: row.get("charged")?,
        error: job_error(row)?,
        finished_at,
    }))
}

/// Sets where the job stands.
pub fn set_status(tx: &Tx<'_, AccountScope>, job: i64, to: JobStatus) -> Result<()> {
    tx.execute(
        "update main.job set status = ?2 where account = current_account() and seq = ?1",
        (job, status_number(to)),
    )?;
    Ok(())
}

/// An attempt begins: the job runs.
pub fn start(tx: &Tx<'_, AccountScope>, job: i64, attempts: u32) -> Result<()> {
    tx.execute(
        "update main.job set status = 3, attempts = ?2, started_at = ?3
         where account = current_account() and seq = ?1",
        (job, attempts, tx.now()),
    )?;
    Ok(())
}

/// Lets a job that ended wait again, in a new round for which that much is set aside by this price list and bound.
pub fn restart(
    tx: &Tx<'_, AccountScope>,
    of: JobRound,
    aside: SetAside,
    price_list: i64,
    completion_bound: u32,
) -> Result<()> {
    tx.execute(
        "delete from main.job_result where account = current_account() and job = ?1",
        [of.job],
    )?;
    tx.execute(
        "update main.job set status = 2, attempts = 0, direct = 0, round = ?2, reserved_free = ?3,
           reserved_paid = ?4, spending = ?5, price_list = ?6, token_bound = ?7, completion_bound = ?8
         where account = current_account() and seq = ?1",
        rusqlite::params![
            of.job,
            of.round,
            aside.held.free,
            aside.held.paid,
            aside.spending,
            price_list,
            aside.tokens,
            completion_bound,
        ],
    )?;
    Ok(())
}

/// Writes down what came of the job, sets where it stands, and lets it count for the day.
pub fn end(tx: &Tx<'_, AccountScope>, job: i64, to: JobStatus, result: &JobResult) -> Result<()> {
    set_status(tx, job, to)?;
    tx.execute(
        "insert into main.job_result (account, job, output, output_text, model, provider,
           prompt_tokens, completion_tokens, cached_tokens, estimated, charged, error_code,
           error_message, finished_at)
         values (current_account(), ?1, ?2, ?3, ?11, ?4, ?5, ?6, ?13, ?12, ?7, ?8, ?9, ?10)",
        rusqlite::params![
            job,
            result.output.as_deref().map(RawValue::get),
            result.output_text,
            result.provider,
            result.usage.map(|usage| usage.prompt_tokens),
            result.usage.map(|usage| usage.completion_tokens),
            result.charged,
            result.error.as_ref().map(|error| error.code.as_str()),
            result.error.as_ref().map(|error| error.message.as_str()),
            tx.now(),
            result.model,
            result.estimated,
            result.usage.map(|usage| usage.cached_tokens),
        ],
    )?;
    usage_tail::job(tx, job, to, result.usage, result.charged)?;
    tx.signal(Signal::Ended(to));
    Ok(())
}

/// The account's job of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: JobId) -> Result<Option<Job>> {
    snapshot.one(select_job!("j.id = ?1"), [id], job)
}

/// The account's job of that internal number.
pub fn by_seq(snapshot: &Snapshot<'_, AccountScope>, seq: i64) -> Result<Option<Job>> {
    snapshot.one(select_job!("j.seq = ?1"), [seq], job)
}
