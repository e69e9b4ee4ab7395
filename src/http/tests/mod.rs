//! The edge over real sockets, with a small table of its own.

mod access;
mod connections;
mod requests;
mod rig;

use std::sync::Mutex;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;

use super::{
    api,
    reply::Reply,
    request::Request,
    routes::{Access, BodyLimit, Route, handler},
};
use crate::{
    ambient::lock,
    app::api_keys,
    domain::{Error, JobId, Result, Scope},
};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Echo {
    text: String,
}

async fn echo(request: Request) -> Result<Reply> {
    let body: Echo = request.json()?;
    let replayed = request.idempotency.is_some();
    Ok(Reply::created(&body)?.replayed(replayed))
}

async fn job(request: Request) -> Result<Reply> {
    let id: JobId = request.id("id")?;
    let wait: Option<u32> = request.query("wait", "a whole number")?;
    Reply::ok(&json!({"id": id, "wait": wait}))
}

async fn nothing(_: Request) -> Result<Reply> {
    Ok(Reply::no_content())
}

async fn fail(_: Request) -> Result<Reply> {
    Err(Error::internal("the secret cause"))
}

async fn panics(_: Request) -> Result<Reply> {
    panic!("as asked")
}

async fn stream(_: Request) -> Result<Reply> {
    let (sender, reply) = Reply::stream("text/event-stream");
    tokio::spawn(async move {
        for chunk in ["data: 1\n\n", "data: 2\n\n"] {
            sender.send(chunk).await.unwrap();
        }
    });
    Ok(reply)
}

static ENTERED: Notify = Notify::const_new();
static LEAVE: Notify = Notify::const_new();

/// Answers when it is told to.
async fn slow(_: Request) -> Result<Reply> {
    ENTERED.notify_one();
    LEAVE.notified().await;
    Ok(Reply::text("text/plain", "done"))
}

static HEAVY_ENTERED: Notify = Notify::const_new();
static HEAVY_HELD: Mutex<()> = Mutex::new(());

/// Works for as long as the lock is held.
async fn heavy(request: Request) -> Result<Reply> {
    let work = |_: &_| {
        HEAVY_ENTERED.notify_one();
        drop(lock(&HEAVY_HELD));
        Ok(())
    };
    request.heavy(work).await?;
    Ok(Reply::no_content())
}

static KEY_ENTERED: Notify = Notify::const_new();
static KEY_HELD: Mutex<()> = Mutex::new(());

/// Makes a key for as long as the lock is held.
async fn key(request: Request) -> Result<Reply> {
    let work = |_: &_| {
        KEY_ENTERED.notify_one();
        drop(lock(&KEY_HELD));
        Ok(())
    };
    request.hashing_key(work).await?;
    Ok(Reply::no_content())
}

/// Its own key ends before its turn.
async fn too_late(request: Request) -> Result<Reply> {
    let session = request.session()?;
    api_keys::revoke(&request.app, session.home, session.key).await?;
    request.app.auth.forget(session.key);
    request.hashing_key(|_| Ok(())).await?;
    Ok(Reply::no_content())
}

async fn forever(_: Request) -> Result<Reply> {
    ENTERED.notify_one();
    std::future::pending().await
}

/// The real routes that make keys, for whoever has one.
fn keys() -> impl Iterator<Item = Route> {
    let made = ["createApiKey", "rotateApiKey", "issueApiKey"];
    let keys = api::table().into_iter().filter(move |route| made.contains(&route.operation));
    keys.map(|route| match route.access {
        Access::Operator => route,
        _ => route.access(Access::AnyKey),
    })
}

fn table() -> Vec<Route> {
    let own = [
        Route::post("/v1/echo", "echo", handler!(echo)).takes::<Echo>(),
        Route::post("/v1/do", "do", handler!(nothing)).body_limit(BodyLimit::Bytes(1_000)),
        Route::post("/v1/maybe", "maybe", handler!(nothing)).may_take::<Echo>(),
        Route::get("/v1/jobs/{id}", "job", handler!(job)).query::<u32>("wait", "Seconds."),
        Route::delete("/v1/jobs/{id}", "deleteJob", handler!(nothing)),
        Route::get("/v1/mine", "mine", handler!(nothing)).scope(Scope::JobsRead),
        Route::get("/v1/keys", "keys", handler!(nothing)).scope(Scope::KeysRead),
        Route::get("/admin/v1/all", "all", handler!(nothing)).access(Access::Operator),
        Route::get("/fail", "fail", handler!(fail)),
        Route::get("/panics", "panics", handler!(panics)),
        Route::get("/stream", "stream", handler!(stream)),
        Route::get("/slow", "slow", handler!(slow)),
        Route::get("/heavy", "heavy", handler!(heavy)),
        Route::get("/key", "key", handler!(key)),
        Route::post("/gated", "gated", handler!(nothing)).takes_raw().gate(|_, _, _| Ok(())),
        Route::get("/too-late", "tooLate", handler!(too_late)).access(Access::AnyKey),
        Route::get("/forever", "forever", handler!(forever)),
    ];
    own.into_iter().chain(keys()).collect()
}
