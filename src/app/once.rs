//! A request that is sent twice is executed once: its answer is saved in the transaction of its
//! effect, and given again to whoever sends the same request under the same key.

use std::sync::Arc;

use super::{App, vault::Purpose};
use crate::{
    domain::{Error, ErrorKind, Idempotency, Result},
    store::{
        AccountScope, Commit, Snapshot, SystemScope, Tx,
        idempotency::{self, Answer, Saved},
    },
};

/// What a POST answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The JSON body.
    pub body: Vec<u8>,
    /// True where it was saved by an earlier request.
    pub replayed: bool,
}

/// How the edge writes a result as JSON.
pub type Render<T> = fn(&T) -> Result<Vec<u8>>;

/// Whether an answer holds a secret, so that it must be sealed where it is saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Secrecy {
    Plain,
    Secret,
}

/// Runs `deed` and saves its answer, or gives the answer that was saved for this request before.
/// Only successes are saved: a refused deed changes nothing, so repeating it does no harm.
pub(crate) fn once<T: Send + 'static>(
    app: &Arc<App>,
    scope: AccountScope,
    request: Option<Idempotency>,
    secrecy: Secrecy,
    render: Render<T>,
    mut deed: impl FnMut(&Tx<'_, AccountScope>) -> Result<T> + Send + 'static,
) -> Commit<Reply> {
    let this = Arc::clone(app);
    app.store.write(scope, move |tx| {
        let find = |request: &Idempotency| saved(tx, request);
        let keep = |request: &Idempotency, answer| save(&this, tx, request, answer);
        by(&this, request.as_ref(), secrecy, find, || render(&deed(tx)?), keep)
    })
}

/// The same within a transaction of the system's that has begun: the answer is saved with the account that the deed is
/// for.
pub(super) fn within<T>(
    app: &App,
    tx: &Tx<'_, SystemScope>,
    scope: AccountScope,
    request: Option<&Idempotency>,
    secrecy: Secrecy,
    render: Render<T>,
    deed: impl FnOnce(&Tx<'_, SystemScope>) -> Result<T>,
) -> Result<Reply> {
    let find = |request: &Idempotency| tx.within(scope, |tx| saved(tx, request));
    let keep =
        |request: &Idempotency, answer| tx.within(scope, |tx| save(app, tx, request, answer));
    by(app, request, secrecy, find, || render(&deed(tx)?), keep)
}

/// Gives the answer that was saved, or that of the deed, which is kept then.
fn by(
    app: &App,
    request: Option<&Idempotency>,
    secrecy: Secrecy,
    find: impl FnOnce(&Idempotency) -> Result<Option<Answer>>,
    deed: impl FnOnce() -> Result<Vec<u8>>,
    keep: impl FnOnce(&Idempotency, Answer) -> Result<()>,
) -> Result<Reply> {
    let Some(request) = request else { return Ok(Reply { body: deed()?, replayed: false }) };
    if let Some(answer) = find(request)? {
        return Ok(Reply { body: app.open_answer(answer, secrecy)?, replayed: true });
    }
    let body = deed()?;
    keep(request, Answer::Body(app.seal_answer(&body, secrecy)?))?;
    Ok(Reply { body, replayed: false })
}

/// The answer that was given to this request before, for deeds whose work is long. Blocks while it reads.
pub(super) fn answered(
    app: &App,
    scope: AccountScope,
    request: Option<&Idempotency>,
) -> Result<Option<Reply>> {
    let Some(request) = request else { return Ok(None) };
    let answer = app.store.read(scope, |snapshot| saved(snapshot, request))?;
    let body = answer.map(|answer| app.open_answer(answer, Secrecy::Plain)).transpose()?;
    Ok(body.map(|body| Reply { body, replayed: true }))
}

/// The answer saved for this request; an error where the key stands for another request.
pub(super) fn saved(
    snapshot: &Snapshot<'_, AccountScope>,
    request: &Idempotency,
) -> Result<Option<Answer>> {
    match idempotency::find(snapshot, &request.key_hash)? {
        Some(saved) if saved.body_hash == request.body_hash => Ok(Some(saved.answer)),
        Some(_) => Err(Error::new(
            ErrorKind::IdempotencyKeyConflict,
            "this Idempotency-Key was used with another body; send a new key for a new request",
        )),
        None => Ok(None),
    }
}

/// Saves the answer to this request.
pub(super) fn save(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    request: &Idempotency,
    answer: Answer,
) -> Result<()> {
    let saved = Saved { body_hash: request.body_hash, answer };
    let expires_at = tx.now().plus(app.settings.idempotency_ttl);
    idempotency::save(tx, &request.key_hash, &saved, expires_at)
}

/// Forgets answers past their time, at most `limit`; gives how many.
pub fn forget_answers(app: &App, limit: u32) -> Commit<usize> {
    let ttl = app.settings.idempotency_ttl;
    app.store.write(SystemScope::new(), move |tx| idempotency::prune(tx, ttl, limit))
}

impl App {
    fn seal_answer(&self, body: &[u8], secrecy: Secrecy) -> Result<Vec<u8>> {
        match secrecy {
            Secrecy::Plain => Ok(body.to_vec()),
            Secrecy::Secret => self.vault.seal(Purpose::SavedAnswer, body),
        }
    }

    fn open_answer(&self, answer: Answer, secrecy: Secrecy) -> Result<Vec<u8>> {
        match (answer, secrecy) {
            (Answer::Body(body), Secrecy::Plain) => Ok(body),
            (Answer::Body(body), Secrecy::Secret) => {
                self.vault.open_sealed(Purpose::SavedAnswer, &body)
            }
            (Answer::Job { .. }, _) => Err(Error::internal("an answer of another kind was saved")),
        }
    }
}
