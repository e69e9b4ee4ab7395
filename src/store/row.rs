//! How the words of the domain are spelled in columns.

use rusqlite::{
    Result, Row,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::scope::AccountSeq;
use crate::domain::{
    AccountId, AgentId, AgentVersionId, ApiKeyId, BatchId, Credits, Day, DeadLetterId, DeliveryId,
    EndUserId, EndpointId, Environment, EvalId, EvalRunId, EventId, FunctionId, GrantId,
    InvocationId, JobError, JobErrorCode, JobId, JobStatus, LedgerEntryId, ProjectId,
    RequestRecordId, ScheduleId, Split, TaskId, Timestamp, TraceContext, Usage, UsageEventId,
    UserId,
};

macro_rules! blobs {
    ($($id:ident)+) => {$(
        impl ToSql for $id {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.as_bytes())))
            }
        }

        impl FromSql for $id {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let bytes = value.as_blob()?.try_into().map_err(FromSqlError::other)?;
                Ok(Self::from_uuid(Uuid::from_bytes(bytes)))
            }
        }
    )+};
}

blobs! {
    AccountId ProjectId ApiKeyId AgentId AgentVersionId BatchId JobId LedgerEntryId GrantId EndpointId
    DeliveryId EvalId EvalRunId EventId DeadLetterId EndUserId FunctionId ScheduleId TaskId RequestRecordId
    UsageEventId InvocationId UserId
}

macro_rules! integers {
    ($($name:ident: $to:expr, $from:expr;)+) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                let to: fn(&$name) -> i64 = $to;
                Ok(ToSqlOutput::from(to(self)))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let from: fn(i64) -> $name = $from;
                value.as_i64().map(from)
            }
        }
    )+};
}

integers! {
    Timestamp: |time| time.millis(), Timestamp::from_millis;
    Credits: |credits| credits.micros(), Credits::from_micros;
    AccountSeq: |seq| seq.0, AccountSeq;
    Day: |day| day.number(), Day::from_number;
}

impl ToSql for TraceContext {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.to_bytes().to_vec()))
    }
}

impl FromSql for TraceContext {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?.try_into().map_err(FromSqlError::other)?;
        Self::from_bytes(bytes).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for Environment {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_str()))
    }
}

impl FromSql for Environment {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

/// Reads a text column as one of the names that `parse` knows.
pub(in crate::store) fn named<T>(
    row: &Row<'_>,
    column: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T> {
    let value = row.get_ref(column)?;
    let text = value.as_str().map_err(|_| unknown(column))?;
    parse(text).ok_or_else(|| unknown(column))
}

/// A column holds what this program never wrote.
pub(in crate::store) fn unknown(column: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnName(format!("{column} holds an unknown value"))
}

/// Reads a column that holds JSON, as text.
pub(in crate::store) fn raw(row: &Row<'_>, column: &str) -> Result<Option<Box<RawValue>>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| RawValue::from_string(text).map_err(|_| unknown(column))).transpose()
}

/// A status as its number in the database.
pub(in crate::store) fn status_number(status: JobStatus) -> i64 {
    match status {
        JobStatus::Queued => 2,
        JobStatus::Running => 3,
        JobStatus::Succeeded => 4,
        JobStatus::Failed => 5,
        JobStatus::Canceled => 6,
        JobStatus::Expired => 7,
    }
}

/// Reads the status of a job.
pub(in crate::store) fn status(row: &Row<'_>) -> Result<JobStatus> {
    status_of(row.get("status")?)
}

/// The status of that number.
pub(in crate::store) fn status_of(number: i64) -> Result<JobStatus> {
    let mut all = JobStatus::ALL.into_iter();
    all.find(|status| status_number(*status) == number).ok_or_else(|| unknown("status"))
}

/// Reads why a job has no output; `None` where it has, or is not over.
pub(in crate::store) fn job_error(row: &Row<'_>) -> Result<Option<JobError>> {
    if row.get_ref("error_code")? == ValueRef::Null {
        return Ok(None);
    }
    let code = named(row, "error_code", JobErrorCode::parse)?;
    Ok(Some(JobError { code, message: row.get("error_message")? }))
}

/// Reads what is set aside, of each bucket.
pub(in crate::store) fn reserved(row: &Row<'_>) -> Result<Split> {
    Ok(Split { free: row.get("reserved_free")?, paid: row.get("reserved_paid")? })
}

/// Reads the tokens that a job took; `None` where it is not known that there were any.
pub(in crate::store) fn usage(row: &Row<'_>) -> Result<Option<Usage>> {
    let Some(prompt) = row.get("prompt_tokens")? else { return Ok(None) };
    let usage = Usage::new(prompt, row.get("completion_tokens")?);
    Ok(Some(usage.with_cached(row.get("cached_tokens")?)))
}

/// The public id of a row that is one of a numbered series: time, owner and number tell it apart from
/// every other of its table, so it need not be stored.
pub(in crate::store) fn derived_uuid(owner: i64, n: i64, created_at: Timestamp) -> Uuid {
    let unique = (u128::from(owner.unsigned_abs()) << 40) | u128::from(n.unsigned_abs());
    let mut low = [0; 10];
    low.copy_from_slice(&unique.to_be_bytes()[6..]);
    let millis = created_at.millis().unsigned_abs();
    uuid::Builder::from_unix_timestamp_millis(millis, &low).into_uuid()
}
