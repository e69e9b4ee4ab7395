//! What is recorded: rows on their way to the file, and the reports that become rows.

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    domain::{
        Credits, ExecutionStatus, InvocationId, JobId, RecordKind, RequestRecordId, Timestamp,
        UsageEventId,
    },
    store::scope::AccountSeq,
};

/// A record on its way to the file, and whose it is.
#[derive(Debug)]
pub enum Row {
    /// A request; nobody's where no key was verified.
    Request(Option<AccountSeq>, RequestRecord),
    /// An execution.
    UsageEvent(AccountSeq, UsageEvent),
    /// What an execution was asked and answered.
    Invocation(AccountSeq, Invocation),
}

impl Row {
    pub(super) const fn kind(&self) -> RecordKind {
        match self {
            Self::Request(..) => RecordKind::Request,
            Self::UsageEvent(..) => RecordKind::UsageEvent,
            Self::Invocation(..) => RecordKind::Invocation,
        }
    }
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// Public id.
    pub id: RequestRecordId,
    /// The request's name.
    pub request_id: String,
    /// The prefix of the API key, where one was verified.
    pub api_key: Option<String>,
    /// The method.
    pub method: String,
    /// The route's path as in the table of routes; `None` where no path matched.
    pub route: Option<String>,
    /// The path, without its query.
    pub path: String,
    /// The answer's status.
    pub status: u16,
    /// The code of the error, where it was one.
    pub error_code: Option<String>,
    /// From the end of the headers to the end of the answer's body, in microseconds.
    pub duration_us: u64,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// The client's address.
    pub client: String,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The name of the machine.
    pub host: String,
    /// What the process took of one core lately, in thousandths.
    pub cpu_permille: u32,
    /// Memory that the process holds, in bytes.
    pub memory_bytes: u64,
    /// When it was answered.
    pub created_at: Timestamp,
}

/// An execution that ended or was refused.
#[derive(Clone, Debug)]
pub struct UsageEvent {
    /// Public id.
    pub id: UsageEventId,
    /// The job that it was; `None` where none was accepted.
    pub job: Option<JobId>,
    /// On whose behalf: the end user, or the account.
    pub user_uid: Uuid,
    /// The agent's name, or else the model's.
    pub skill_name: String,
    /// The agent.
    pub source_skill_uid: Uuid,
    /// The same for people, as it was then.
    pub display_name: String,
    /// JSON array of the agent's tags, as they were then.
    pub tags: Box<RawValue>,
    /// What was charged.
    pub cost: Credits,
    /// How it ended.
    pub status: ExecutionStatus,
    /// What its client branches on, where it did not succeed.
    pub error_code: Option<String>,
    /// How long the last attempt took, in milliseconds.
    pub latency_ms: u64,
    /// JSON object: what there is to know when it is looked into.
    pub metadata: Box<RawValue>,
    /// When it ended.
    pub created_at: Timestamp,
}

/// What an execution was asked and what it answered.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Public id.
    pub id: InvocationId,
    /// The job that it was.
    pub job: JobId,
    /// The agent.
    pub skill_uid: Uuid,
    /// On whose behalf: the end user, or the account.
    pub user_uid: Uuid,
    /// Whether there is an answer that keeps its contract.
    pub is_success: bool,
    /// JSON of what was asked.
    pub input_payload: Box<RawValue>,
    /// JSON of what was answered.
    pub output_payload: Box<RawValue>,
    /// How long the last attempt took, in milliseconds.
    pub duration_ms: u64,
    /// When it ended.
    pub created_at: Timestamp,
}

/// Something to record. It becomes rows on the thread that writes them, so that whoever reports does no more than
/// hand over what it has.
pub struct Report {
    kinds: &'static [RecordKind],
    bytes: usize,
    make: Box<dyn FnOnce() -> Vec<Row> + Send>,
}

impl Report {
    /// A report that holds about so many bytes until `make` turns it into rows, of these kinds or some of them.
    pub fn new(
        kinds: &'static [RecordKind],
        bytes: usize,
        make: impl FnOnce() -> Vec<Row> + Send + 'static,
    ) -> Self {
        Self { kinds, bytes, make: Box::new(make) }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn kinds(&self) -> &'static [RecordKind] {
        self.kinds
    }

    pub(super) fn rows(self) -> Vec<Row> {
        (self.make)()
    }
}
