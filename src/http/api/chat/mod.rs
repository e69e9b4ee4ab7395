//! `/v1/chat/completions`: OpenAI's Chat Completions, on jobs.

mod body;
mod stream;

use std::sync::Arc;

use hyper::StatusCode;
use tokio::sync::oneshot;

use crate::{
    app::{App, Caller, Reply as Answer, chat},
    domain::{ChatRequest, Error, ErrorKind, Result, Scope},
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
};
use body::CompletionBody;

/// What clients of OpenAI's API use to ask.
pub(super) fn routes() -> [Route; 1] {
    [
        Route::post("/v1/chat/completions", "createChatCompletion", handler!(create))
            .summary("Answers a conversation at once, whole or as a stream, like OpenAI's Chat Completions. Each call is a job.")
            .scope(Scope::JobsWrite)
            .like_openai()
            .takes::<ChatRequest>()
            .answers::<CompletionBody<'_>>(StatusCode::OK)
            .media_types(&["text/event-stream"])
            .spends()
            .errors(&[
                ErrorKind::InvalidSchema,
                ErrorKind::UnknownModel,
                ErrorKind::InputSchemaMismatch,
                ErrorKind::ModelNotPriced,
                ErrorKind::Conflict,
                ErrorKind::ProviderFailed,
                ErrorKind::OutputSchemaMismatch,
                ErrorKind::ProviderTimeout,
            ]),
    ]
}

/// `POST /v1/chat/completions`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let body: ChatRequest = request.json()?;
    let caller = request.caller()?;
    if body.is_stream() {
        return stream::answer(&request, caller, body).await;
    }
    let answer = complete(&request, caller, body).await?;
    Ok(Reply::json_bytes(StatusCode::OK, answer.body).replayed(answer.replayed))
}

/// Runs the call on a thread of its own. It goes on where the client leaves: whoever sends the same
/// request again under its idempotency key gets the answer.
async fn complete(request: &Request, caller: Caller, body: ChatRequest) -> Result<Answer> {
    let (app, scope, idempotency) = (Arc::clone(&request.app), caller.scope, request.idempotency);
    let (answer, answered) = oneshot::channel();
    let begun = request.app.calls.run(scope.seq(), move |place| {
        let completed = match chat::prepare(&app, &caller, body) {
            Ok(chat) => chat::complete(&app, &caller, &chat, idempotency, body::completion),
            Err(refusal) => chat::refuse(&app, scope, idempotency.as_ref(), refusal),
        };
        drop(place);
        // The client may be gone; the job has its outcome all the same.
        let _sent = answer.send(completed);
    });
    match begun {
        Ok(()) => answered.await.map_err(Error::internal)?,
        Err(refusal) => {
            let refuse =
                move |app: &Arc<App>| chat::refuse(app, scope, idempotency.as_ref(), refusal);
            request.blocking(refuse).await
        }
    }
}
