//! What the operator can do with the queues: look, pause and resume.

use super::App;
use crate::{
    domain::{QueueName, Result},
    store::{Commit, SystemScope, queue},
};

/// A queue as the operator sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueState {
    /// Its name.
    pub name: QueueName,
    /// Whether it stands still.
    pub paused: bool,
    /// Work that waits, whether due or not.
    pub waiting: usize,
    /// Work that is being done.
    pub running: usize,
    /// Work that was given up and not put back.
    pub dead: u64,
}

/// All queues. What they hold they know by heart, so that it costs as much however much waits. Blocks.
pub fn look(app: &App) -> Result<Vec<QueueState>> {
    let (paused, dead) = app.store.read(SystemScope::new(), |snapshot| {
        Ok((queue::paused(snapshot)?, queue::dead(snapshot)?))
    })?;
    let loads = app.backlog.loads();
    let state = |name| {
        let load = loads.iter().find(|load| load.queue == name);
        QueueState {
            name,
            paused: paused.contains(&name),
            waiting: load.map_or(0, |load| load.waiting),
            running: load.map_or(0, |load| load.running),
            dead: dead.iter().find(|(queue, _)| *queue == name).map_or(0, |(_, dead)| *dead),
        }
    };
    Ok(QueueName::ALL.into_iter().map(state).collect())
}

/// Lets a queue stand still, or go on. Work that has begun ends as usual.
pub fn set_paused(app: &App, name: QueueName, paused: bool) -> Commit<()> {
    app.store.write(SystemScope::new(), move |tx| queue::set_paused(tx, name, paused))
}
