//! `/v1/users`: the members of an account, who sign in on the dashboard.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::{
    app::members::{self, Invited, Manager, MemberPatch, MemberRequest},
    domain::{ErrorKind, MemberRole, Page, Result, Scope, Timestamp, UserId},
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
    store::members::Member,
};

/// The account's members.
pub(super) fn routes() -> [Route; 6] {
    const ONE: &str = "/v1/users/{id}";
    [
        Route::post("/v1/users", "createUser", handler!(create))
            .summary(
                "Invites somebody to the account, with a role that may do no more than you may. `invite_url`, which \
                 works once, is in this answer alone.",
            )
            .scope(Scope::KeysWrite)
            .takes::<MemberRequest>()
            .answers::<InvitedBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Conflict]),
        Route::get("/v1/users", "listUsers", handler!(list))
            .summary("Lists the members of the account, newest first, with those that are invited.")
            .scope(Scope::KeysRead)
            .paged()
            .answers::<Page<MemberBody<'_>>>(StatusCode::OK),
        Route::get(ONE, "getUser", handler!(get))
            .summary("Shows a member.")
            .scope(Scope::KeysRead)
            .answers::<MemberBody<'_>>(StatusCode::OK),
        Route::patch(ONE, "updateUser", handler!(update))
            .summary("Gives a member another role, at once. The last owner stays one.")
            .scope(Scope::KeysWrite)
            .takes::<MemberPatch>()
            .answers::<MemberBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
        Route::delete(ONE, "removeUser", handler!(remove))
            .summary("Removes a member, at once. The last owner stays.")
            .scope(Scope::KeysWrite)
            .answers_nothing()
            .errors(&[ErrorKind::Conflict]),
        Route::post("/v1/users/{id}/invite", "inviteUser", handler!(invite))
            .summary(
                "Makes a new link for a member, in place of the one before: to the invitation while that is open, else \
                 to a new password.",
            )
            .scope(Scope::KeysWrite)
            .answers::<InvitedBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Conflict]),
    ]
}

/// A member of the account.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
struct MemberBody<'a> {
    id: UserId,
    #[schemars(extend("const" = "user"))]
    object: &'static str,
    email: &'a str,
    /// What they may do.
    role: MemberRole,
    /// `invited` until they took the invitation.
    #[schemars(extend("enum" = ["invited", "active"]))]
    status: &'static str,
    created_at: Timestamp,
    /// When they last signed in.
    last_signed_in_at: Option<Timestamp>,
}

impl<'a> MemberBody<'a> {
    fn of(member: &'a Member) -> Self {
        Self {
            id: member.id,
            object: "user",
            email: &member.email,
            role: member.role,
            status: if member.accepted_at.is_some() { "active" } else { "invited" },
            created_at: member.created_at,
            last_signed_in_at: member.last_signed_in_at,
        }
    }
}

/// A member with a new link.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserWithLink")]
struct InvitedBody<'a> {
    #[serde(flatten)]
    user: MemberBody<'a>,
    /// The address to give to the person; it works once and is shown this once.
    invite_url: &'a str,
}

fn with_link(invited: &Invited) -> Result<Vec<u8>> {
    json(&InvitedBody { user: MemberBody::of(&invited.member), invite_url: invited.url.expose() })
}

/// `POST /v1/users`
async fn create(request: Request) -> Result<Reply> {
    let (session, body): (_, MemberRequest) = (request.session()?, request.json()?);
    let (manager, origin) = (Manager::of(session), request.origin());
    let once = request.idempotency;
    let done = members::create(&request.app, manager, body, &origin, once, with_link).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `GET /v1/users`
async fn list(request: Request) -> Result<Reply> {
    let (page, home) = (request.page()?, request.session()?.home);
    let page = request.blocking(move |app| members::list(app, home, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(MemberBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/users/{id}`
async fn get(request: Request) -> Result<Reply> {
    let (id, home) = (request.id("id")?, request.session()?.home);
    let member = request.blocking(move |app| members::get(app, home, id)).await?;
    Reply::ok(&MemberBody::of(&member))
}

/// `PATCH /v1/users/{id}`
async fn update(request: Request) -> Result<Reply> {
    let (id, body): (_, MemberPatch) = (request.id("id")?, request.json()?);
    let manager = Manager::of(request.session()?);
    let member = members::update(&request.app, manager, id, &body).await?;
    Reply::ok(&MemberBody::of(&member))
}

/// `DELETE /v1/users/{id}`
async fn remove(request: Request) -> Result<Reply> {
    let (id, session) = (request.id("id")?, request.session()?);
    members::remove(&request.app, Manager::of(session), id).await?;
    Ok(Reply::no_content())
}

/// `POST /v1/users/{id}/invite`
async fn invite(request: Request) -> Result<Reply> {
    let (id, session) = (request.id("id")?, request.session()?);
    let (manager, origin) = (Manager::of(session), request.origin());
    let once = request.idempotency;
    let done = members::invite(&request.app, manager, id, &origin, once, with_link).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}
