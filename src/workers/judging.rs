//! Judging runs of evals whose batches ended.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    ambient::lock,
    app::{
        App,
        evals::{self, Judgement},
    },
    domain::Result,
};

/// How long one tick goes on.
const TIME: Duration = Duration::from_millis(500);

/// Judges runs, each in its turn, whenever the ticker calls it. One that cannot be judged is logged and passed
/// over until the next round, so that it does not keep the others from it.
pub struct Judging {
    app: Arc<App>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The internal number of the last run that was begun in this round.
    last: i64,
    /// The run that is being judged.
    current: Option<Judgement>,
}

impl Judging {
    /// Nothing is being judged yet.
    pub fn new(app: Arc<App>) -> Self {
        Self { app, state: Mutex::default() }
    }

    /// Judges what there is, for half a second and some cases more.
    pub fn tick(&self) {
        let began = self.app.ambient.monotonic();
        let mut state = lock(&self.state);
        while self.app.ambient.monotonic().saturating_sub(began) < TIME {
            let (last, is_at_work) = (state.last, state.current.is_some());
            match self.step(&mut state) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(run = state.last, error, "a run of an eval was not judged");
                    // Where not even the next can be looked up, there is nothing to go on with.
                    if state.last == last && !is_at_work {
                        return;
                    }
                }
            }
        }
    }

    /// Goes on with a run, or begins the next; false where there is none after the last.
    fn step(&self, state: &mut State) -> Result<bool> {
        if let Some(current) = state.current.take() {
            state.current = current.go_on(&self.app)?;
            return Ok(true);
        }
        let Some(ended) = evals::next_to_judge(&self.app, state.last)? else {
            state.last = 0;
            return Ok(false);
        };
        state.last = ended.seq;
        state.current = Some(Judgement::begin(&self.app, ended)?);
        Ok(true)
    }
}
