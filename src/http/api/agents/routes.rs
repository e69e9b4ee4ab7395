//! The rows of agents in the table of all routes.

use hyper::StatusCode;

use super::{
    super::jobs::JobBody,
    ActivateRequest,
    body::{AgentBody, VersionBody},
    health::HealthBody,
};
use crate::{
    domain::{AgentRequest, ErrorKind, Page, RunRequest, Scope, VersionRequest},
    http::routes::{Route, Whole, handler},
};

/// What makes a version of an agent unfit.
const UNFIT: &[ErrorKind] = &[
    ErrorKind::InvalidSchema,
    ErrorKind::UnknownModel,
    ErrorKind::ModelNotPriced,
    ErrorKind::Conflict,
];

/// Agents and their versions.
pub(in crate::http::api) fn routes() -> [Route; 8] {
    const ALL: &str = "/v1/agents";
    const ONE: &str = "/v1/agents/{name}";
    const VERSIONS: &str = "/v1/agents/{name}/versions";
    [
        Route::post(ALL, "createAgent", handler!(super::create))
            .summary("Makes an agent with its version 1, which is active.")
            .scope(Scope::AgentsWrite)
            .takes::<AgentRequest>()
            .answers::<AgentBody<'_>>(StatusCode::CREATED)
            .errors(UNFIT),
        Route::get(ALL, "listAgents", handler!(super::list))
            .summary(
                "Lists agents with their active versions, newest first. A page of large agents ends \
                 before its limit, at some 4 MiB.",
            )
            .scope(Scope::AgentsRead)
            .paged()
            .query::<bool>("archived", "Archived agents instead of the others.")
            .answers::<Page<AgentBody<'_>>>(StatusCode::OK),
        Route::get(ONE, "getAgent", handler!(super::get))
            .summary("Shows an agent with its active version, also when it is archived.")
            .scope(Scope::AgentsRead)
            .answers::<AgentBody<'_>>(StatusCode::OK),
        Route::delete(ONE, "archiveAgent", handler!(super::archive))
            .summary(
                "Archives an agent: it takes no new runs, and its history is kept. It can still be \
                 shown, so another DELETE answers 204 and changes nothing.",
            )
            .scope(Scope::AgentsWrite)
            .answers_nothing(),
        Route::get(VERSIONS, "listAgentVersions", handler!(super::versions))
            .summary("Lists an agent's versions, newest first.")
            .scope(Scope::AgentsRead)
            .paged()
            .answers::<Page<VersionBody<'_>>>(StatusCode::OK),
        Route::post(VERSIONS, "createAgentVersion", handler!(super::add_version))
            .summary("Adds a version to an agent and activates it, unless told otherwise.")
            .scope(Scope::AgentsWrite)
            .takes::<VersionRequest>()
            .answers::<VersionBody<'_>>(StatusCode::CREATED)
            .errors(UNFIT),
        Route::get("/v1/agents/{name}/versions/{n}", "getAgentVersion", handler!(super::version))
            .summary("Shows a version of an agent. Versions never change.")
            .scope(Scope::AgentsRead)
            .answers::<VersionBody<'_>>(StatusCode::OK),
        Route::post("/v1/agents/{name}/activate", "activateAgentVersion", handler!(super::activate))
            .summary("Lets runs use a version from now on, be it newer or older.")
            .scope(Scope::AgentsWrite)
            .takes::<ActivateRequest>()
            .answers::<AgentBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
    ]
}

/// What agents do, and how they do.
pub(in crate::http::api) fn runs() -> [Route; 2] {
    [
        Route::get("/v1/agents/{name}/health", "getAgentHealth", handler!(super::health))
            .summary("Shows how an agent does: its latest hours beside as many before them.")
            .scope(Scope::AgentsRead)
            .query::<String>("window", "Whole hours or days from `1h` to `30d`; `24h` by default.")
            .answers::<HealthBody<'_>>(StatusCode::OK),
        Route::post("/v1/agents/{name}/runs", "createRun", handler!(super::run))
            .summary(
                "Runs an agent: accepts a job, durable once it is answered. With `wait`, 200 where \
                 the job ended within that time.",
            )
            .scope(Scope::JobsWrite)
            .may_take::<RunRequest>()
            .query::<Whole<0, 60>>("wait", "Seconds to wait for a terminal status.")
            .answers::<JobBody<'_>>(StatusCode::ACCEPTED)
            .headers(&["Location"])
            .spends()
            .errors(&[
                ErrorKind::UnknownModel,
                ErrorKind::ModelNotPriced,
                ErrorKind::Conflict,
                ErrorKind::InputSchemaMismatch,
            ]),
    ]
}
