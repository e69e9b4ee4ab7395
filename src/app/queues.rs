//! What the operator can do with the queues: look, pause and resume.

use super::App;
use crate::{
    domain::{QueueName, Result},
    store::{
        Commit, SystemScope,
        queue::{self, Depth},
    },
};

/// A queue as the operator sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueState {
    /// Its name.
    pub name: QueueName,
    /// Whether it stands still.
    pub paused: bool,
    /// What it holds.
    pub depth: Depth,
}

/// All queues. Reads every row of theirs, and blocks while it does.
pub fn look(app: &App) -> Result<Vec<QueueState>> {
    app.store.read(SystemScope::new(), |snapshot| {
        let paused = queue::paused(snapshot)?;
        let depths = queue::depths(snapshot)?;
        let depth = |name| depths.iter().find(|(queue, _)| *queue == name).map(|(_, depth)| *depth);
        let state = |name| QueueState {
            name,
            paused: paused.contains(&name),
            depth: depth(name).unwrap_or_default(),
        };
        Ok(QueueName::ALL.into_iter().map(state).collect())
    })
}

/// Lets a queue stand still, or go on. Work that has begun ends as usual.
pub fn set_paused(app: &App, name: QueueName, paused: bool) -> Commit<()> {
    app.store.write(SystemScope::new(), move |tx| queue::set_paused(tx, name, paused))
}
