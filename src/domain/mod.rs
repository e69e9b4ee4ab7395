//! Pure rules and the words for them. Nothing here reads a clock, draws a random number or does I/O.

mod agent;
mod api_key;
mod batch;
mod batch_request;
mod budget;
mod builtin;
mod chat;
mod chat_request;
mod checks;
mod credits;
mod deadline;
mod drift;
mod duration;
mod duty;
mod end_user;
mod environment;
mod error;
mod eval;
mod function;
mod generation;
mod handed;
mod id;
mod idempotency;
mod job;
pub mod json;
mod latencies;
mod ledger;
mod member_role;
mod names;
mod networks;
mod objects;
mod page;
mod person;
mod pricing;
mod queue;
mod rate_limit;
mod response_format;
mod retry;
mod schedule;
pub mod schema;
mod scope;
mod secret;
mod streak;
pub mod stripe;
mod task;
mod telemetry;
mod template;
mod time;
mod time_zone;
mod token_bucket;
mod tokens;
mod topic;
mod trace;
mod usage_totals;
mod webhook;

pub use agent::{AgentDefinition, AgentRequest, RunRequest, VersionRequest};
pub use api_key::{ApiKey, DEFAULT_PROJECT, MalformedApiKey};
pub use batch::{BatchCounts, BatchStatus, BatchStep, check_custom_id};
pub use batch_request::{BatchRequest, Named};
pub use budget::{Month, Payer, thresholds_reached};
pub use builtin::Builtin;
pub use chat::{ChatMessage, ChatRole, Content, Part};
pub use chat_request::{ChatRequest, StreamOptions};
pub use credits::{Credits, MalformedCredits};
pub use deadline::Deadline;
pub use drift::{AgentTotals, DriftLimits, DriftMetric, drifting, ratio};
pub use duration::{format_duration, parse_duration};
pub use duty::{DutyName, Rhythm};
pub use end_user::{
    AccountSettings, CapPolicy, DAILY_TOKEN_CAP_MAX, DailyTokens, DayOfUse, check_daily_token_cap,
    check_external_id,
};
pub use environment::Environment;
pub use error::{Error, ErrorKind, Result};
pub use eval::{CaseOutcome, Compile, EvalCase, EvalRequest, Expect, ExpectAt, ExpectedStatus};
pub use function::{FunctionKind, FunctionRequest, FunctionTarget, HttpMethod, HttpTarget};
pub use generation::{GenerationRequest, Parameters};
pub use id::{
    AccountId, AgentId, AgentVersionId, ApiKeyId, AuditEntryId, BatchId, DashboardSessionId,
    DeadLetterId, DeliveryId, EndUserId, EndpointId, EvalId, EvalRunId, EventId, FunctionId,
    GrantId, InvocationId, JobId, LedgerEntryId, MalformedId, ProjectId, RequestRecordId,
    ScheduleId, TaskId, UsageEventId, UserId,
};
pub use idempotency::{Idempotency, IdempotencyKey, MalformedIdempotencyKey};
pub use job::{JobError, JobErrorCode, JobStatus, Message, Role, Usage};
pub use latencies::Latencies;
pub use ledger::{Bucket, EntryKind, Split};
pub use member_role::MemberRole;
pub use networks::{MalformedNetwork, Networks};
pub use page::{Cursor, Page, PageRequest, Rows};
pub use person::{PASSWORD_MAX, PASSWORD_MIN, check_email, check_password, email_key};
pub use pricing::{Catalog, Model, Price, PriceVersion, Tariff};
pub use queue::QueueName;
pub use rate_limit::{MalformedRateLimit, RateLimit};
pub use retry::{Backoff, RETRY_AFTER_MAX, parse_retry_after};
pub use schedule::{BadRecurrence, CatchUp, Missed, Overlap, Recurrence};
pub use schema::{Contract, SchemaFault, Violation};
pub use scope::{RefusedScope, Scope, ScopeSet};
pub use secret::Secret;
pub use streak::{AHEAD, ActiveDay, Streak, StreakChange, StreakPolicy};
pub use task::{TaskError, TaskRequest, TaskStatus, check_payload};
pub use telemetry::{ExecutionStatus, OFFICIAL_UUID, RecordKind, uuid_or_official};
pub use template::{Budget, MAX_OUTPUT, MAX_TEMPLATE, Template, TemplateFault};
pub use time::{MalformedTime, Timestamp};
pub use time_zone::{Day, TimeZone, UnknownTimeZone};
pub use token_bucket::{Quota, TokenBucket};
pub use tokens::{estimate_prompt_tokens, estimate_tokens, prompt_upper_bound};
pub use topic::{Topic, Topics};
pub use trace::TraceContext;
pub use usage_totals::{DaySpan, UsageBy, UsageTotals};
pub use webhook::{
    DeliveryStatus, EndpointUrl, EventFilter, EventType, MalformedSecret, RetryPolicy,
    WebhookSecret,
};
