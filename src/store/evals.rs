//! Evals, their runs, and what became of each case.

use rusqlite::Row;
use serde_json::value::RawValue;

use super::{
    row::{job_error, raw, status_of, unknown},
    scope::{AccountScope, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{
    BatchId, Credits, Cursor, EvalId, EvalRunId, JobError, JobId, JobStatus, Result, Rows,
    Timestamp,
};

/// Outputs that [`results`] reads, in bytes; the others are left out.
const OUTPUT_BYTES: usize = 4 << 20;

/// Cases that an agent is judged by.
#[derive(Clone, Debug)]
pub struct Eval {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: EvalId,
    /// The agent's name.
    pub agent: String,
    /// A name of its owner.
    pub name: String,
    /// JSON array of cases.
    pub cases: Box<RawValue>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a new eval is made of.
#[derive(Clone, Debug)]
pub struct NewEval {
    /// Public id.
    pub id: EvalId,
    /// A name of its owner.
    pub name: String,
    /// JSON array of cases.
    pub cases: String,
}

/// A version of an agent put to an eval.
#[derive(Clone, Debug)]
pub struct EvalRun {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: EvalRunId,
    /// Internal number of the eval.
    pub eval: i64,
    /// The eval.
    pub eval_id: EvalId,
    /// The agent's name.
    pub agent: String,
    /// The version's number.
    pub version: u32,
    /// The jobs of its cases; `None` where no case made one.
    pub batch_id: Option<BatchId>,
    /// How many cases there are.
    pub total: u64,
    /// How many passed.
    pub passed: u64,
    /// How many failed; before the scoring those whose input the version does not take.
    pub failed: u64,
    /// When it was scored.
    pub finished_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a new run of an eval is made of.
#[derive(Clone, Debug)]
pub struct NewEvalRun {
    /// Public id.
    pub id: EvalRunId,
    /// Internal number of the eval.
    pub eval: i64,
    /// The version's number.
    pub version: u32,
    /// How many cases there are.
    pub total: u64,
    /// Those that made jobs: their places from 1, in the order of the batch's requests.
    pub taken: Vec<i64>,
    /// Those that made no job: their places from 1, and why as a JSON array of strings.
    pub refused: Vec<(i64, String)>,
}

/// What became of a case.
#[derive(Clone, Debug)]
pub struct EvalResult {
    /// Its place in the eval, from 1.
    pub n: i64,
    /// Its job; `None` where it made none.
    pub job: Option<JobId>,
    /// How the job stands.
    pub status: Option<JobStatus>,
    /// Whether it passed; `None` until it is scored.
    pub passed: Option<bool>,
    /// JSON array of why it did not.
    pub reasons: Option<Box<RawValue>>,
    /// The validated JSON.
    pub output: Option<Box<RawValue>>,
    /// What the model said.
    pub output_text: Option<String>,
    /// Why there is no output.
    pub error: Option<JobError>,
    /// How long the last attempt took.
    pub latency_ms: Option<u64>,
    /// What it cost.
    pub charged: Option<Credits>,
}

/// The verdict on a case.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its place in the eval, from 1.
    pub n: i64,
    /// Whether it passed.
    pub passed: bool,
    /// JSON array of why it did not.
    pub reasons: String,
}

fn eval(row: &Row<'_>) -> rusqlite::Result<Eval> {
    Ok(Eval {
        seq: row.get("seq")?,
        id: row.get("id")?,
        agent: row.get("agent_name")?,
        name: row.get("name")?,
        cases: raw(row, "cases")?.ok_or_else(|| unknown("cases"))?,
        created_at: row.get("created_at")?,
    })
}

fn run(row: &Row<'_>) -> rusqlite::Result<EvalRun> {
    Ok(EvalRun {
        seq: row.get("seq")?,
        id: row.get("id")?,
        eval: row.get("eval")?,
        eval_id: row.get("eval_id")?,
        agent: row.get("agent_name")?,
        version: row.get("version")?,
        batch_id: row.get("batch_id")?,
        total: row.get("total")?,
        passed: row.get("passed")?,
        failed: row.get("failed")?,
        finished_at: row.get("finished_at")?,
        created_at: row.get("created_at")?,
    })
}

fn result(row: &Row<'_>) -> rusqlite::Result<EvalResult> {
    let status: Option<i64> = row.get("status")?;
    Ok(EvalResult {
        n: row.get("n")?,
        job: row.get("job_id")?,
        status: status.map(status_of).transpose()?,
        passed: row.get("passed")?,
        reasons: raw(row, "reasons")?,
        output: raw(row, "output")?,
        output_text: row.get("output_text")?,
        error: job_error(row)?,
        latency_ms: row.get("latency_ms")?,
        charged: row.get("charged")?,
    })
}

/// Adds an eval to an agent.
pub fn insert(tx: &Tx<'_, AccountScope>, agent: i64, new: &NewEval) -> Result<()> {
    tx.execute(
        "insert into main.eval (account, id, agent, name, cases, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5)",
        (new.id, agent, &new.name, &new.cases, tx.now()),
    )?;
    Ok(())
}

/// How many evals an agent has.
pub fn count(snapshot: &Snapshot<'_, AccountScope>, agent: i64) -> Result<u32> {
    let sql = "select count(*) from eval where agent = ?1";
    Ok(snapshot.one(sql, [agent], |row| row.get(0))?.unwrap_or(0))
}

/// How many evals the account has.
pub fn count_all(snapshot: &Snapshot<'_, AccountScope>) -> Result<u32> {
    Ok(snapshot.one("select count(*) from eval", [], |row| row.get(0))?.unwrap_or(0))
}

/// How many runs an eval has.
pub fn count_runs(snapshot: &Snapshot<'_, AccountScope>, eval: i64) -> Result<u32> {
    let sql = "select count(*) from eval_run where eval = ?1";
    Ok(snapshot.one(sql, [eval], |row| row.get(0))?.unwrap_or(0))
}

/// The eval of that id of the agent of that name.
pub fn find(
    snapshot: &Snapshot<'_, AccountScope>,
    agent: &str,
    id: EvalId,
) -> Result<Option<Eval>> {
    snapshot.one(
        "select e.*, g.name as agent_name from eval e join agent g on g.seq = e.agent
         where e.id = ?2 and g.name = ?1",
        (agent, id),
        eval,
    )
}

/// The account's eval of that internal number.
pub fn by_seq(snapshot: &Snapshot<'_, AccountScope>, seq: i64) -> Result<Option<Eval>> {
    snapshot.one(
        "select e.*, g.name as agent_name from eval e join agent g on g.seq = e.agent
         where e.seq = ?1",
        [seq],
        eval,
    )
}

/// The agent's evals, newest first: up to `limit`, fewer where they are large.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    agent: i64,
    before: Option<EvalId>,
    limit: usize,
) -> Result<Rows<Eval>> {
    let place = |id| snapshot.one("select seq from eval where id = ?1", [id], |row| row.get(0));
    let before = after_page(before.map(place))?;
    snapshot.page(LIST, (agent, before, limit.saturating_add(1)), limit, eval)
}

/// Adds a run whose taken cases are the requests of this batch. Where there is none, the run is over.
pub fn insert_run(tx: &Tx<'_, AccountScope>, new: &NewEvalRun, batch: Option<i64>) -> Result<()> {
    let finished_at = batch.is_none().then(|| tx.now());
    let seq = tx.insert(
        "insert into main.eval_run (account, id, eval, version, batch, total, failed, finished_at, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (new.id, new.eval, new.version, batch, new.total, new.refused.len(), finished_at, tx.now()),
    )?;
    for (n, reasons) in &new.refused {
        tx.execute(
            "insert into main.eval_result (account, run, n, passed, reasons)
             values (current_account(), ?1, ?2, 0, ?3)",
            (seq, n, reasons),
        )?;
    }
    for (request, n) in (1_i64..).zip(&new.taken) {
        tx.execute(
            "insert into main.eval_result (account, run, n, job)
             select current_account(), ?1, ?2, i.job from batch_item i where i.batch = ?3 and i.n = ?4",
            (seq, n, batch, request),
        )?;
    }
    Ok(())
}

/// Selects rows for [`run`], by the conditions that follow.
macro_rules! select_run {
    ($rest:expr) => {
        concat!(
            "select r.*, e.id as eval_id, g.name as agent_name, b.id as batch_id from eval_run r \
             join eval e on e.seq = r.eval join agent g on g.seq = e.agent \
             left join batch b on b.seq = r.batch where ",
            $rest
        )
    };
}

/// The run of that id.
pub fn find_run(snapshot: &Snapshot<'_, AccountScope>, id: EvalRunId) -> Result<Option<EvalRun>> {
    snapshot.one(select_run!("r.id = ?1"), [id], run)
}

/// The eval's runs, newest first.
pub fn runs(
    snapshot: &Snapshot<'_, AccountScope>,
    eval: i64,
    before: Option<EvalRunId>,
    limit: u32,
) -> Result<Vec<EvalRun>> {
    let place = |id| snapshot.one("select seq from eval_run where id = ?1", [id], |row| row.get(0));
    let before = after_page(before.map(place))?;
    snapshot.all(LIST_RUNS, (eval, before, limit), run)
}

/// The number that those of the next page are below, given that of the row that the last page ended with.
fn after_page(last: Option<Result<Option<i64>>>) -> Result<i64> {
    last.map_or(Ok(i64::MAX), |last| last?.ok_or_else(Cursor::refused))
}

/// In the order of their numbers, which an index has: the cases would have to be sorted with their ids.
const LIST: &str = "select e.*, g.name as agent_name from eval e join agent g on g.seq = e.agent
    where e.agent = ?1 and e.seq < ?2
    order by e.seq desc limit ?3";
const LIST_RUNS: &str = select_run!(
    "r.eval = ?1 and r.seq < ?2 \
     order by r.seq desc limit ?3"
);

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 2] = [LIST, LIST_RUNS];

/// Selects rows for [`result`]: the columns of the output, and the conditions that follow.
macro_rules! select_results {
    ($output:expr, $rest:expr) => {
        concat!(
            "select x.n, x.passed, x.reasons, j.id as job_id, j.status, q.charged, q.error_code, \
             q.error_message, case when j.attempts > 0 then max(q.finished_at - j.started_at, 0) end as latency_ms, ",
            $output,
            " from eval_result x left join job j on j.seq = x.job \
             left join job_result q on q.job = x.job where x.run = ?1 ",
            $rest
        )
    };
}

/// What became of the run's cases after number `after`, with all that they say: up to `limit`, fewer where they
/// are large.
pub fn outcomes(
    snapshot: &Snapshot<'_, AccountScope>,
    run: i64,
    after: i64,
    limit: usize,
) -> Result<Rows<EvalResult>> {
    snapshot.page(
        select_results!("q.output, q.output_text", "and x.n > ?2 order by x.n limit ?3"),
        (run, after, limit.saturating_add(1)),
        limit,
        result,
    )
}

/// What became of all of the run's cases, in their order. Outputs beyond the first 4 MiB are left out.
pub fn results(snapshot: &Snapshot<'_, AccountScope>, run: i64) -> Result<Vec<EvalResult>> {
    snapshot.all(
        select_results!(
            "case when sum(coalesce(octet_length(q.output), octet_length(q.output_text), 0)) \
               over (order by x.n) <= ?2 then q.output end as output, \
             case when sum(coalesce(octet_length(q.output), octet_length(q.output_text), 0)) \
               over (order by x.n) <= ?2 and q.output is null then q.output_text end as output_text",
            "order by x.n"
        ),
        (run, OUTPUT_BYTES),
        result,
    )
}

/// A run whose batch ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedRun {
    /// Whose it is.
    pub account: AccountScope,
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: EvalRunId,
}

/// The first run after number `after` whose batch ended and that is not scored.
pub fn to_score(snapshot: &Snapshot<'_, SystemScope>, after: i64) -> Result<Option<EndedRun>> {
    let system = snapshot.scope();
    snapshot.one(
        "select r.seq, r.id, a.seq, a.id, a.environment from main.eval_run r join main.batch b on b.seq = r.batch
         join main.account a on a.seq = r.account
         where r.finished_at is null and b.finished_at is not null and r.seq > ?1
         order by r.seq limit 1",
        [after],
        |row| {
            let account = system.account(row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(EndedRun { account, seq: row.get(0)?, id: row.get(1)? })
        },
    )
}

/// Writes the verdicts on a run, which is over then; false where it was already.
pub fn score(tx: &Tx<'_, AccountScope>, id: EvalRunId, verdicts: &[Verdict]) -> Result<bool> {
    let passed = verdicts.iter().filter(|verdict| verdict.passed).count();
    let finished = tx.one(
        "update main.eval_run set passed = ?2, failed = total - ?2, finished_at = ?3
         where account = current_account() and id = ?1 and finished_at is null returning seq",
        (id, passed, tx.now()),
        |row| row.get::<_, i64>(0),
    )?;
    let Some(run) = finished else { return Ok(false) };
    for verdict in verdicts {
        tx.execute(
            "update main.eval_result set passed = ?3, reasons = ?4
             where account = current_account() and run = ?1 and n = ?2",
            (run, verdict.n, verdict.passed, &verdict.reasons),
        )?;
    }
    tx.signal(Signal::EvalRunEnded(id));
    Ok(true)
}
