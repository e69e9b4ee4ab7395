//! `/v1/audit-log`: who changed what of an account; `/admin/v1/audit-log`: of all, and of the server itself.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    app::audit_log::{self, Change},
    domain::{
        AccountId, ApiKeyId, AuditEntryId, Environment, Error, Page, Result, Scope, Timestamp,
    },
    http::{
        reply::Reply,
        request::{A_TIME, AN_ID, Request},
        routes::{Access, Route, handler},
    },
    store::audit_log::{AuditEntry, AuditFilter},
};

/// The audit log.
pub(super) fn routes() -> [Route; 2] {
    let account = Route::get("/v1/audit-log", "listAuditLog", handler!(list))
        .summary(
            "Lists changes of the account's configuration, newest first: who changed what, from where, and what it was \
             before. Of a change, `before` and `after` have what differs. What jobs, batches and tasks do is not among \
             them. A page ends before its limit where few entries match among many: then it may be empty and \
             `next_cursor` still leads on.",
        )
        .scope(Scope::LogsRead)
        .answers::<Page<EntryBody<'_>>>(StatusCode::OK);
    let all = Route::get("/admin/v1/audit-log", "listAuditLogOfAll", handler!(list_all))
        .summary(
            "Lists changes of the configuration of all accounts, and of the server itself, newest first, as \
             `GET /v1/audit-log` does those of an account.",
        )
        .access(Access::Operator)
        .query::<AccountId>("account_id", "Only changes of this account.")
        .query::<Environment>(
            "environment",
            "With `account_id`: the part of the account, `live` where it is left out.",
        )
        .answers::<Page<AnyEntryBody<'_>>>(StatusCode::OK);
    [account, all].map(filtered)
}

fn filtered(route: Route) -> Route {
    route
        .paged()
        .query::<String>("action", "Only changes of this kind, such as `project.updated`.")
        .query::<String>("target", "Only changes of this kind of object, such as `project`.")
        .query::<Uuid>("actor", "Only changes by the key or user of this id.")
        .query::<Timestamp>("created_after", "Only changes made at this time or later.")
        .query::<Timestamp>("created_before", "Only changes made before this time.")
}

/// Who changed something.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditActor")]
struct ActorBody<'a> {
    /// `user`, `key`, `operator`, or `system`: the server by itself.
    kind: &'static str,
    /// The key or user; null where it is not known.
    id: Option<Uuid>,
    /// The key's name or the user's e-mail at that time; null where it is not known. An account is not told
    /// which operator it was, by neither of them.
    name: Option<&'a str>,
}

/// What was changed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditTarget")]
struct TargetBody<'a> {
    /// Its kind, as its `object` says.
    object: &'a str,
    id: Option<&'a str>,
    name: Option<&'a str>,
}

/// A change.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub(super) struct EntryBody<'a> {
    id: AuditEntryId,
    #[schemars(extend("const" = "audit_entry"))]
    object: &'static str,
    created_at: Timestamp,
    actor: ActorBody<'a>,
    /// The client's address; null where no request asked for it, and where an account is told of an operator.
    address: Option<&'a str>,
    /// The request's name, as in its answer's `X-Request-Id`.
    request_id: Option<&'a str>,
    /// What was done, such as `project.updated`.
    action: &'a str,
    target: TargetBody<'a>,
    /// What was there, in the words of the API and without secrets; null where that was nothing.
    before: Option<Map<String, Value>>,
    /// What is there now; null where it is gone.
    after: Option<Map<String, Value>>,
}

/// A change of an account, or of the server itself.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnyAuditEntry")]
pub(super) struct AnyEntryBody<'a> {
    #[serde(flatten)]
    entry: EntryBody<'a>,
    /// The account; null for changes of the server itself.
    account_id: Option<AccountId>,
    environment: Option<Environment>,
}

impl<'a> EntryBody<'a> {
    fn of(entry: &'a AuditEntry) -> Result<Self> {
        let Change { before, after } = audit_log::change(entry)?;
        Ok(Self {
            id: entry.id,
            object: "audit_entry",
            created_at: entry.created_at,
            actor: ActorBody {
                kind: entry.actor.kind(),
                id: entry.actor.id(),
                name: entry.actor_name.as_deref(),
            },
            address: entry.address.as_deref(),
            request_id: entry.request_id.as_deref(),
            action: &entry.action,
            target: TargetBody {
                object: &entry.object,
                id: entry.target.as_deref(),
                name: entry.name.as_deref(),
            },
            before,
            after,
        })
    }
}

impl<'a> AnyEntryBody<'a> {
    fn of(entry: &'a AuditEntry) -> Result<Self> {
        let (account_id, environment) = entry.account.unzip();
        Ok(Self { entry: EntryBody::of(entry)?, account_id, environment })
    }
}

/// `GET /v1/audit-log`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, filter) = (request.page()?, filter(&request)?);
    let session = request.session()?.clone();
    let page = request.blocking(move |app| audit_log::list(app, &session, filter, &page)).await?;
    let bodies = page.data.iter().map(EntryBody::of).collect::<Result<Vec<_>>>()?;
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /admin/v1/audit-log`
pub(super) async fn list_all(request: Request) -> Result<Reply> {
    let (page, filter) = (request.page()?, filter(&request)?);
    let account = request.query::<AccountId>("account_id", AN_ID)?;
    let environment = request.choice("environment", Environment::ALL, Environment::as_str)?;
    if environment.is_some() && account.is_none() {
        let message = "environment goes with account_id; give that too, or leave both out";
        return Err(Error::invalid("environment", message));
    }
    let account = account.map(|id| (id, environment.unwrap_or_default()));
    let page =
        request.blocking(move |app| audit_log::list_all(app, account, filter, &page)).await?;
    let bodies = page.data.iter().map(AnyEntryBody::of).collect::<Result<Vec<_>>>()?;
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

fn filter(request: &Request) -> Result<AuditFilter> {
    let text = |name| request.query_text(name).map(str::to_owned);
    Ok(AuditFilter {
        action: text("action"),
        object: text("target"),
        actor: request.query::<ApiKeyId>("actor", AN_ID)?.map(ApiKeyId::uuid),
        created_after: request.query("created_after", A_TIME)?,
        created_before: request.query("created_before", A_TIME)?,
        ..AuditFilter::default()
    })
}
