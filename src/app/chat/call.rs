//! One call from its first transaction to its last.
//!
//! What makes a call safe is what makes a job safe: its row, its reservation and its place in the queue are
//! committed together, and so are its outcome, its charge and the answer kept for its idempotency key.
//! The provider is asked as soon as the first of the two transactions was executed, while it is still being
//! committed: where that fails, the provider was asked in vain, and nobody is told of an answer. Where the
//! provider is quick, both are one commit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        mpsc::{self, SyncSender},
    },
};

use super::{
    Chat, Finished, Head,
    refusals::{broken, canceled, in_progress, refusal, retried, stopping},
};
use crate::{
    ambient::lock,
    app::{
        App, Caller, Render,
        asking::{Answer, Asked, AttemptSpan, BrokenAnswer, Question, Trail},
        calls::Attached,
        jobs::{Outcome, Success, direct},
        once,
    },
    domain::{
        Deadline, Error, ErrorKind, Idempotency, JobError, JobStatus, Result, Timestamp,
        TraceContext,
    },
    store::{
        AccountScope, Commit, Snapshot, Tx,
        idempotency::{self, Answer as Saved},
        jobs as job_rows,
    },
    wire::Line,
};

/// How a call ended well.
pub(super) enum Ended {
    /// It was made; the body is empty where it was streamed.
    Now { finished: Box<Finished>, body: Vec<u8> },
    /// It had been made before, and this is what was answered.
    Before(Vec<u8>),
}

/// What the first transaction led to.
pub(super) enum Opened {
    Begun,
    Saved(Vec<u8>),
}

/// What the first transaction did when it was last executed. It may be executed again, and give the job
/// another number: whatever needs that looks here, at its own time.
struct Executed {
    direct: direct::Direct,
    /// Lets the line be cut until the outcome is recorded: whoever cancels a stream twice pays for it too.
    attached: Attached,
}

/// A call that was begun, and the step of a trace that its outcome is behind.
type Tried = (LastExecuted, Option<TraceContext>);

/// `None` before it was executed, and where it was refused when it was executed again.
type LastExecuted = Arc<Mutex<Option<Executed>>>;

/// The first transaction on its way to the disk.
pub(super) struct Opening {
    state: State,
    executed: LastExecuted,
}

enum State {
    Waiting(Commit<Opened>),
    Done(Result<Opened>),
}

impl Opening {
    /// Waits until it is there; false where it failed. From then on the call's client has a part of its
    /// answer.
    pub(super) fn is_committed(&mut self) -> bool {
        if matches!(self.state, State::Waiting(_)) {
            let unfinished = Err(Error::internal("a transaction panicked"));
            let waiting = std::mem::replace(&mut self.state, State::Done(unfinished));
            self.state = State::Done(waiting.wait());
            if let (State::Done(Ok(_)), Some(executed)) = (&self.state, &*lock(&self.executed)) {
                executed.attached.answers();
            }
        }
        matches!(self.state, State::Done(Ok(_)))
    }
}

impl State {
    fn wait(self) -> Result<Opened> {
        match self {
            Self::Waiting(commit) => commit.wait(),
            Self::Done(done) => done,
        }
    }
}

/// A call on its way.
pub(super) struct Call<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) caller: &'a Caller,
    pub(super) chat: &'a Chat,
    pub(super) line: Line,
    pub(super) idempotency: Option<Idempotency>,
    /// How the answer is kept; none for a stream.
    pub(super) render: Option<Render<Finished>>,
}

impl Call<'_> {
    /// Begins the call, asks, and records how it ended. Nothing of an answer may be told before its opening
    /// is committed.
    pub(super) fn run(
        &self,
        begun: impl FnOnce(Head),
        ask: impl FnOnce(&Question<'_>, &Line, &mut Opening) -> Result<Asked>,
    ) -> Result<Ended> {
        let (go, going) = mpsc::sync_channel(1);
        let executed = LastExecuted::default();
        let state = State::Waiting(self.open(go, &executed));
        let Ok(created_at) = going.recv() else {
            return match state.wait()? {
                Opened::Saved(body) => Ok(Ended::Before(body)),
                Opened::Begun => Err(Error::internal("a call began without a word")),
            };
        };
        let new = &self.chat.prepared.new;
        let head = Head { job: new.id, created_at, model: new.model.clone() };
        begun(head.clone());
        let mut span = AttemptSpan::direct(self.app, self.caller, new);
        let question = self.question(span.context());
        let mut opening = Opening { state, executed: Arc::clone(&executed) };
        let asked = catch_unwind(AssertUnwindSafe(|| {
            self.line.during(|| ask(&question, &self.line, &mut opening))
        }));
        // What cuts the line from now on comes too late to change anything.
        let cut = self.line.is_cut();
        let asked = asked.unwrap_or_else(|_| Err(Error::internal("asking panicked")));
        span.tell(asked.as_ref().ok());
        let ended = self.close(&head, &(executed, span.context()), asked, cut);
        // Where the first transaction failed, the last found no lease to end.
        opening.state.wait().and(ended)
    }

    fn question(&self, trace: Option<TraceContext>) -> Question<'_> {
        let new = &self.chat.prepared.new;
        Question {
            environment: self.caller.scope.environment(),
            model: &new.model,
            messages: &self.chat.messages,
            parameters: &self.chat.parameters,
            completion_bound: new.completion_bound,
            price_list: new.price_list,
            output_schema: new.output_schema.as_deref(),
            contract: self.chat.contract.as_deref(),
            as_is: true,
            max_repairs: self.chat.max_repairs,
            user: new.user.as_deref(),
            request_id: &new.request_id,
            trace,
            deadline: Deadline::of(self.app.ambient.monotonic(), self.app.settings.job_runtime),
        }
    }

    /// Accepts the job, unless its answer is there already or on its way. `go` is told as soon as the
    /// transaction was executed, which is a hint: it may yet fail.
    fn open(&self, go: SyncSender<Timestamp>, executed: &LastExecuted) -> Commit<Opened> {
        let (app, prepared) = (Arc::clone(self.app), self.chat.prepared.clone());
        let (idempotency, line) = (self.idempotency, self.line.clone());
        let executed = Arc::clone(executed);
        let open = move |tx: &Tx<'_, AccountScope>| {
            // What it did before is undone.
            drop(lock(&executed).take());
            if let Some(request) = &idempotency
                && let Some(body) = answered(tx, request)?
            {
                return Ok(Opened::Saved(body));
            }
            let direct = direct::begin(&app, tx, &prepared)?;
            let job = direct.job.seq;
            if let Some(request) = &idempotency {
                let reserved = direct.job.reserved.total().unwrap_or_default();
                once::save(&app, tx, request, Saved::Job { job, reserved })?;
            }
            let attached = app.calls.attach(job, line.clone());
            *lock(&executed) = Some(Executed { direct, attached });
            // Full where it was executed before; nobody listens where the caller is gone.
            let _told = go.try_send(tx.now());
            Ok(Opened::Begun)
        };
        // The first piece of a stream waits for this commit; a whole answer only for its own.
        match self.render {
            Some(_) => self.app.store.write_patiently(self.caller.scope, open),
            None => self.app.store.write(self.caller.scope, open),
        }
    }

    /// Records how it ended: the outcome, the charge and the answer for whoever asks again.
    fn close(&self, head: &Head, tried: &Tried, asked: Result<Asked>, cut: bool) -> Result<Ended> {
        let (outcome, result) = match asked {
            Ok(Asked::Answered(_)) if cut && self.app.calls.is_closed() => {
                (failed(direct::stopped(), None, Trail::default()), Err(stopping()))
            }
            Ok(Asked::Answered(answer)) => match self.answered(head, answer, cut) {
                Ok((outcome, told)) => (outcome, Ok(told)),
                Err(error) => (failed(broken(), None, Trail::default()), Err(error)),
            },
            Ok(Asked::Abandoned) if self.app.calls.is_closed() => {
                (failed(direct::stopped(), None, Trail::default()), Err(stopping()))
            }
            Ok(Asked::Abandoned) => (Outcome::Left, Err(canceled())),
            Ok(Asked::Failed { error, answer, trail }) => {
                let refusal = refusal(&error, None);
                (failed(error, answer, trail), Err(refusal))
            }
            Ok(Asked::Unanswered { error, trail }) => {
                let told = JobError { code: error.code, message: error.message.clone() };
                let refusal = refusal(&told, Some(&error));
                (failed(told, None, trail), Err(refusal))
            }
            Err(error) => (failed(broken(), None, Trail::default()), Err(error)),
        };
        let body = result.as_ref().ok().map(|(_, body)| body.clone());
        let recorded = self.record(tried, outcome, body)?;
        let (finished, body) = result?;
        // Whoever still reads a stream that was cut is told that it is not whole.
        let is_whole = self.render.is_some() || !cut;
        if recorded && is_whole {
            Ok(Ended::Now { finished: Box::new(finished), body })
        } else {
            Err(canceled())
        }
    }

    /// A stream whose line was cut has an answer too: as far as it came.
    fn answered(
        &self,
        head: &Head,
        answer: Answer,
        cut_short: bool,
    ) -> Result<(Outcome, (Finished, Vec<u8>))> {
        let mut completion = answer.completion.clone();
        if let Some(output) = &answer.output {
            // Without the code fence that the model may have put around it: clients parse it.
            output.get().clone_into(&mut completion.text);
        }
        let model = answer.model.name.clone();
        let success = Success { cut_short, ..Success::of(answer)? };
        let finished = Finished { head: Head { model, ..*head }, completion };
        let body = self.render.map_or(Ok(Vec::new()), |render| render(&finished))?;
        Ok((Outcome::Succeeded(success), (finished, body)))
    }

    /// False where somebody else ended the job meanwhile. What cannot be recorded now is recorded later, or
    /// else that there is no outcome.
    fn record(&self, tried: &Tried, outcome: Outcome, body: Option<Vec<u8>>) -> Result<bool> {
        // A client that is told of a failure, and cannot ask again for this answer, does not pay for it.
        let keeps = self.render.is_none() || self.idempotency.is_some() || body.is_none();
        let record = self.recording(tried, outcome, body);
        let recorded = record().wait();
        let Err(error) = &recorded else { return recorded };
        let no_outcome = || {
            let failed = failed(broken(), None, Trail::default());
            self.recording(tried, failed, None)
        };
        match error.kind() {
            ErrorKind::Unavailable if keeps => self.app.calls.keep(record),
            ErrorKind::Unavailable => self.app.calls.keep(no_outcome()),
            _ => drop(no_outcome()().wait()?),
        }
        recorded
    }

    /// Writes down the outcome of the job, and the answer or that there is none.
    fn recording(
        &self,
        tried: &Tried,
        outcome: Outcome,
        body: Option<Vec<u8>>,
    ) -> impl Fn() -> Commit<bool> + Send + use<> {
        let (app, scope) = (Arc::clone(self.app), self.caller.scope);
        let shared = Arc::new((tried.clone(), Arc::new(outcome), body, self.idempotency));
        move || {
            let (this, shared) = (Arc::clone(&app), Arc::clone(&shared));
            app.store.write(scope, move |tx| {
                let ((executed, trace), outcome, body, request) = &*shared;
                let mut executed = lock(executed);
                let Some(Executed { direct, .. }) = &mut *executed else { return Ok(false) };
                direct.lead_from(*trace);
                if !direct::end(&this, tx, direct, outcome)? {
                    return Ok(false);
                }
                match (request, body) {
                    (None, _) => {}
                    (Some(request), Some(body)) => {
                        once::save(&this, tx, request, Saved::Body(body.clone()))?;
                    }
                    // It may be tried again under the same key: nothing was charged.
                    (Some(request), None) => idempotency::forget(tx, &request.key_hash)?,
                }
                Ok(true)
            })
        }
    }
}

/// The answer saved for this request. An error where it is on its way, or where the key stands for another
/// request; `None` where it may be executed.
pub(super) fn answered(
    snapshot: &Snapshot<'_, AccountScope>,
    request: &Idempotency,
) -> Result<Option<Vec<u8>>> {
    match once::saved(snapshot, request)? {
        None => Ok(None),
        Some(Saved::Body(body)) => Ok(Some(body)),
        Some(Saved::Job { job, .. }) => {
            let Some(job) = job_rows::by_seq(snapshot, job)? else { return Ok(None) };
            match job.status {
                JobStatus::Queued | JobStatus::Running => Err(in_progress()),
                JobStatus::Succeeded => Err(retried(&job)),
                // It ended without an answer.
                _ => Ok(None),
            }
        }
    }
}

fn failed(error: JobError, answer: Option<BrokenAnswer>, trail: Trail) -> Outcome {
    Outcome::Failed { error, retry_at: None, exhausted: false, answer, trail }
}
