//! Jobs without what they were asked, for whoever ends many of them.

use rusqlite::Row;

use super::{
    jobs::{Job, JobAgent, agent},
    ledger::JobRound,
    row::{reserved, status},
    scope::AccountScope,
    spending::SetAside,
    tx::Tx,
};
use crate::domain::{JobId, JobStatus, Result, Split, Timestamp, TraceContext};

/// What is set aside for a job that is not over, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Reservation<'a> {
    /// The job and its round.
    pub of: JobRound,
    /// What is set aside.
    pub aside: SetAside,
    /// The client's own end user.
    pub user: Option<&'a str>,
}

/// What is to be known of a job that ends without an answer: all but what it was asked, which may be long.
#[derive(Clone, Debug)]
pub struct OpenJob {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// The newest reservation.
    pub round: JobRound,
    /// What that set aside.
    pub reserved: Split,
    /// Internal number of the row that counts it in its payer's budgets.
    pub spending: i64,
    /// The model as the client names it.
    pub model: String,
    /// The version of an agent that it runs.
    pub agent: Option<JobAgent>,
    /// Internal number of the batch that it is part of.
    pub batch: Option<i64>,
    /// The client's own end user.
    pub user: Option<String>,
    /// How many of that one's tokens it counts as in flight.
    pub token_bound: u64,
    /// The request that made it.
    pub request_id: String,
    /// Attempts made in this round.
    pub attempts: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// The step of a trace that made it, where there was one.
    pub trace: Option<TraceContext>,
}

impl OpenJob {
    /// That much of a job.
    pub fn of(job: &Job) -> Self {
        Self {
            seq: job.seq,
            id: job.id,
            status: job.status,
            round: job.round(),
            reserved: job.reserved,
            spending: job.spending,
            model: job.model.clone(),
            agent: job.agent.clone(),
            batch: job.batch,
            user: job.user.clone(),
            token_bound: job.token_bound,
            request_id: job.request_id.clone(),
            attempts: job.attempts,
            created_at: job.created_at,
            started_at: job.started_at,
            trace: job.trace,
        }
    }

    /// What is set aside for it.
    pub fn reservation(&self) -> Reservation<'_> {
        let Self { round, reserved, spending, token_bound, .. } = *self;
        let aside = SetAside { held: reserved, spending, tokens: token_bound };
        Reservation { of: round, aside, user: self.user.as_deref() }
    }
}

impl Job {
    /// What is set aside for it.
    pub fn reservation(&self) -> Reservation<'_> {
        let Self { reserved, spending, token_bound, .. } = *self;
        let aside = SetAside { held: reserved, spending, tokens: token_bound };
        Reservation { of: self.round(), aside, user: self.user.as_deref() }
    }
}

/// Remembers how many tokens of its end user the job counts as in flight.
pub fn count_tokens(tx: &Tx<'_, AccountScope>, job: i64, tokens: u64) -> Result<()> {
    tx.execute(
        "update main.job set token_bound = ?2 where account = current_account() and seq = ?1",
        (job, tokens),
    )?;
    Ok(())
}

/// Reads an [`OpenJob`] from `job` and the name of its agent.
pub(in crate::store) fn read(row: &Row<'_>) -> rusqlite::Result<OpenJob> {
    let (seq, attempts) = (row.get("seq")?, row.get("attempts")?);
    Ok(OpenJob {
        seq,
        id: row.get("id")?,
        status: status(row)?,
        round: JobRound { job: seq, round: row.get("round")? },
        reserved: reserved(row)?,
        spending: row.get("spending")?,
        model: row.get("model")?,
        agent: agent(row)?,
        batch: row.get("batch")?,
        user: row.get("end_user")?,
        token_bound: row.get("token_bound")?,
        request_id: row.get("request_id")?,
        attempts,
        created_at: row.get("created_at")?,
        started_at: if attempts > 0 { Some(row.get("started_at")?) } else { None },
        trace: row.get("trace")?,
    })
}
