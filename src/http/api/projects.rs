//! `/v1/projects`: the parts of an account.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::{
    app::projects::{self, ProjectPatch, ProjectRequest},
    domain::{Credits, Environment, ErrorKind, Page, ProjectId, Result, Scope, Timestamp},
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
    store::projects::Project,
};

/// The account's projects.
pub(super) fn routes() -> [Route; 4] {
    [
        Route::post("/v1/projects", "createProject", handler!(create))
            .summary(
                "Makes a project. Keys of a test project run on the sandbox alone, see nothing that is \
                 live, and spend test credits.",
            )
            .scope(Scope::KeysWrite)
            .takes::<ProjectRequest>()
            .answers::<ProjectBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Conflict]),
        Route::get("/v1/projects", "listProjects", handler!(list))
            .summary("Lists projects, newest first.")
            .scope(Scope::KeysRead)
            .paged()
            .answers::<Page<ProjectBody<'_>>>(StatusCode::OK),
        Route::get("/v1/projects/{id}", "getProject", handler!(get))
            .summary("Shows a project.")
            .scope(Scope::KeysRead)
            .answers::<ProjectBody<'_>>(StatusCode::OK),
        Route::patch("/v1/projects/{id}", "updateProject", handler!(update))
            .summary("Renames a project or changes its limit. What is left out stays.")
            .scope(Scope::KeysWrite)
            .takes::<ProjectPatch>()
            .answers::<ProjectBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
    ]
}

/// A part of an account.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Project")]
pub(super) struct ProjectBody<'a> {
    id: ProjectId,
    #[schemars(extend("const" = "project"))]
    object: &'static str,
    name: &'a str,
    /// Where its keys work.
    environment: Environment,
    /// Credits that its jobs may be charged in a calendar month (UTC); null where it has no limit of its own.
    monthly_credit_limit: Option<Credits>,
    /// Whether what its jobs were asked and answered is recorded; null: as its account says.
    record_invocations: Option<bool>,
    created_at: Timestamp,
}

impl<'a> ProjectBody<'a> {
    pub(super) fn of(project: &'a Project) -> Self {
        Self {
            id: project.id,
            object: "project",
            name: &project.name,
            environment: project.environment,
            monthly_credit_limit: project.monthly_credit_limit,
            record_invocations: project.record_invocations,
            created_at: project.created_at,
        }
    }
}

/// `POST /v1/projects`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let (home, body, once) = (request.session()?.home, request.json()?, request.idempotency);
    let render = |project: &_| json(&ProjectBody::of(project));
    let done = projects::create(&request.app, home, body, once, render).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `GET /v1/projects`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, home) = (request.page()?, request.session()?.home);
    let page = request.blocking(move |app| projects::list(app, home, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(ProjectBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/projects/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (id, home) = (request.id("id")?, request.session()?.home);
    let project = request.blocking(move |app| projects::get(app, home, id)).await?;
    Reply::ok(&ProjectBody::of(&project))
}

/// `PATCH /v1/projects/{id}`
pub(super) async fn update(request: Request) -> Result<Reply> {
    let (id, home) = (request.id("id")?, request.session()?.home);
    let project = projects::update(&request.app, home, id, request.json()?).await?;
    Reply::ok(&ProjectBody::of(&project))
}
