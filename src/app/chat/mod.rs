//! Chat completions: jobs that run while their client waits for the answer, whole or piece by piece.

mod call;
mod prepare;
mod refusals;

use std::{cell::RefCell, ops::ControlFlow, sync::Arc};

pub(super) use prepare::AGENT;
pub use prepare::{Chat, prepare};

use super::{
    App, Caller, Render, Reply,
    asking::{Asked, Question},
    once,
};
use crate::{
    domain::{Error, ErrorKind, Idempotency, JobId, Result, Timestamp},
    providers::{self, Completion, Delta},
    store::{AccountScope, idempotency::Answer},
    wire::Line,
};
use call::{Call, Ended, Opening};

/// A call that began.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its job.
    pub job: JobId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The model that was asked for.
    pub model: String,
}

/// A call that succeeded.
#[derive(Debug)]
pub struct Finished {
    /// What is known since it began; the model is the one that answered.
    pub head: Head,
    /// The answer.
    pub completion: Completion,
}

/// What a stream brings.
#[derive(Debug)]
pub enum Piece {
    /// That the call began.
    Head(Head),
    /// A piece of the answer.
    Delta(Delta),
}

/// Takes the pieces of an answer; once it breaks, nobody wants the rest.
pub type Pieces<'a> = dyn FnMut(Piece) -> ControlFlow<()> + 'a;

/// Answers a call that is refused before it begins: as an earlier request with the same idempotency key was, since
/// that needs no place, no agent and no price any more. Blocks while it reads.
pub fn refuse(
    app: &App,
    scope: AccountScope,
    request: Option<&Idempotency>,
    refusal: Error,
) -> Result<Reply> {
    let Some(request) = request else { return Err(refusal) };
    let body = app.store.read(scope, |snapshot| call::answered(snapshot, request))?;
    body.map(|body| Reply { body, replayed: true }).ok_or(refusal)
}

/// The answer that was saved for this request, if one was.
fn saved(app: &App, scope: AccountScope, request: Option<Idempotency>) -> Result<Option<Reply>> {
    let Some(request) = request else { return Ok(None) };
    Ok(match app.store.read(scope, |snapshot| once::saved(snapshot, &request))? {
        Some(Answer::Body(body)) => Some(Reply { body, replayed: true }),
        Some(Answer::Job { .. }) | None => None,
    })
}

/// Runs a call and gives its whole answer, or that of an earlier request with the same idempotency key.
/// Blocks until then.
pub fn complete(
    app: &Arc<App>,
    caller: &Caller,
    chat: &Chat,
    idempotency: Option<Idempotency>,
    render: Render<Finished>,
) -> Result<Reply> {
    let call = Call { app, caller, chat, line: Line::default(), idempotency, render: Some(render) };
    let ask = |question: &Question<'_>, line: &Line, _: &mut Opening| {
        app.ask(question, &|| line.is_cut())
    };
    match call.run(|_| {}, ask) {
        Ok(Ended::Now { body, .. }) => Ok(Reply { body, replayed: false }),
        Ok(Ended::Before(body)) => Ok(Reply { body, replayed: true }),
        // An answer that is saved can be read also while nothing can be written.
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            saved(app, caller.scope, idempotency)?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// Runs a call and hands its answer to `pieces` as it comes. Cutting `line` ends it with what there is.
/// Blocks until its end is recorded.
pub fn stream(
    app: &Arc<App>,
    caller: &Caller,
    chat: &Chat,
    line: Line,
    pieces: &mut Pieces<'_>,
) -> Result<Finished> {
    let call = Call { app, caller, chat, line, idempotency: None, render: None };
    let pieces = RefCell::new(pieces);
    let begun = |head| {
        // Whoever went away already is noticed at the first delta.
        let _gone = pieces.borrow_mut()(Piece::Head(head));
    };
    let ask = |question: &Question<'_>, line: &Line, opening: &mut Opening| {
        let mut sink = |delta| {
            if !opening.is_committed() {
                line.cut();
                return ControlFlow::Break(());
            }
            let taken = pieces.borrow_mut()(Piece::Delta(delta));
            if taken.is_break() {
                line.cut();
            }
            taken
        };
        if chat.is_held_back() {
            let asked = app.ask(question, &|| line.is_cut())?;
            if let Asked::Answered(answer) = &asked {
                // It is whole, and is charged whoever hears it.
                let _taken = providers::hand_over(&answer.completion, &mut sink);
            }
            return Ok(asked);
        }
        app.ask_streaming(question, &mut sink, &|| line.is_cut())
    };
    match call.run(begun, ask)? {
        Ended::Now { finished, .. } => Ok(*finished),
        Ended::Before(_) => Err(Error::internal("a stream has no saved answer")),
    }
}
