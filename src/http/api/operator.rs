//! The operator's part of the table of routes.

use hyper::StatusCode;

use super::{accounts, api_keys, credits, queues, stats};
use crate::{
    app::{
        accounts::{AccountChange, NewAccount},
        credits::{AdjustRequest, GrantRequest},
    },
    domain::{AccountId, ErrorKind, Page},
    http::routes::{Access, Route, handler},
};

/// The operator's view of tenants and their credits.
pub(super) fn accounts() -> [Route; 6] {
    use accounts::{AccountBody, CreatedBody, DetailBody};
    const ALL: &str = "/admin/v1/accounts";
    const ONE: &str = "/admin/v1/accounts/{id}";
    [
        Route::post(ALL, "createAccount", handler!(accounts::create))
            .summary("Makes an account with a project `default` and no credits.")
            .takes::<NewAccount>()
            .answers::<CreatedBody<'_>>(StatusCode::CREATED),
        Route::get(ALL, "listAccounts", handler!(accounts::list))
            .summary("Lists accounts, newest first.")
            .paged()
            .answers::<Page<AccountBody<'_>>>(StatusCode::OK),
        Route::get(ONE, "getAccount", handler!(accounts::get))
            .summary("Shows an account and its balance.")
            .answers::<DetailBody<'_>>(StatusCode::OK),
        Route::patch(ONE, "updateAccount", handler!(accounts::update))
            .summary("Renames, suspends or resumes an account, or changes its settings. What is left out stays.")
            .takes::<AccountChange>()
            .answers::<AccountBody<'_>>(StatusCode::OK),
        Route::post(
            "/admin/v1/accounts/{id}/credits/grants",
            "grantCredits",
            handler!(accounts::grant),
        )
        .summary("Gives an account credits.")
        .once()
        .takes::<GrantRequest>()
        .answers::<credits::GrantBody<'_>>(StatusCode::CREATED),
        Route::post(
            "/admin/v1/accounts/{id}/credits/adjust",
            "adjustCredits",
            handler!(accounts::adjust),
        )
        .summary("Corrects an account's balance. May take it below zero, as after a chargeback.")
        .once()
        .takes::<AdjustRequest>()
        .answers::<credits::BalanceBody>(StatusCode::CREATED),
    ]
    .map(|route| route.access(Access::Operator))
}

/// The operator's keys and queues.
pub(super) fn server() -> [Route; 7] {
    use api_keys::{IssueRequest, KeyBody, NewKeyBody};
    use queues::QueueBody;
    use stats::{SettingsBody, StatsBody};
    [
        Route::post("/admin/v1/keys", "issueApiKey", handler!(api_keys::issue))
            .summary("Makes a key for an account. Its secret is in this answer alone.")
            .takes::<IssueRequest>()
            .answers::<NewKeyBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::NotFound, ErrorKind::InsufficientScope, ErrorKind::Conflict]),
        Route::get("/admin/v1/keys", "listKeysOfAccount", handler!(api_keys::list_of_account))
            .summary("Lists the keys of an account, newest first, revoked ones included.")
            .paged()
            .query::<AccountId>("account_id", "The account; required.")
            .answers::<Page<KeyBody<'_>>>(StatusCode::OK)
            .errors(&[ErrorKind::NotFound]),
        Route::delete("/admin/v1/keys/{id}", "revokeAnyApiKey", handler!(api_keys::revoke_any))
            .summary(
                "Revokes a key of any account. It is refused at once. It can still be listed, so \
                 another DELETE answers 204 and changes nothing.",
            )
            .answers_nothing()
            .errors(&[ErrorKind::Conflict]),
        Route::get("/admin/v1/stats", "getStats", handler!(stats::stats))
            .summary("Shows the queues, the database, the providers, the backups and the version.")
            .answers::<StatsBody<'_>>(StatusCode::OK),
        Route::get("/admin/v1/settings", "getSettings", handler!(stats::settings))
            .summary("Shows the configuration in force, without its secrets.")
            .answers::<SettingsBody<'_>>(StatusCode::OK),
        Route::post("/admin/v1/queues/{name}/pause", "pauseQueue", handler!(queues::pause))
            .summary("Lets a queue stand still. Work that has begun ends as usual.")
            .answers::<QueueBody>(StatusCode::OK),
        Route::post("/admin/v1/queues/{name}/resume", "resumeQueue", handler!(queues::resume))
            .summary("Lets a queue go on.")
            .answers::<QueueBody>(StatusCode::OK),
    ]
    .map(|route| route.access(Access::Operator))
}
