//! A run that nobody wants any more.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use skai_server::{
    app::App,
    domain::{Builtin::BatchAiProcessor, ErrorKind, QueueName, Result},
    queue::{GiveUp, Kind, QueueSettings, Runner, Stop},
    store::{
        SystemScope, Tx,
        queue::{self, Claimed, Waiting, WorkId},
    },
    workers::builtins,
};

use crate::support::{
    LIMIT,
    deeds::{Deeds, model},
    eventually,
};

/// Runs `batch-ai-processor` and tells how it ended.
struct Run {
    app: Arc<App>,
    ended: mpsc::Sender<Option<ErrorKind>>,
}

impl Kind for Run {
    type Task = ();

    const QUEUE: QueueName = QueueName::TaskRun;

    fn begin(&self, _: &Tx<'_, SystemScope>, _: &Claimed) -> Result<Option<()>> {
        Ok(Some(()))
    }

    fn run(&self, claimed: &Claimed, (): (), stop: &Stop) -> Result<()> {
        let done = builtins::run(&self.app, claimed.scope, BatchAiProcessor, None, stop);
        self.ended.send(done.err().map(|error| error.kind())).unwrap();
        Ok(())
    }

    fn give_up(&self, _: &Claimed, _: GiveUp) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_run_that_is_withdrawn_ends_at_once() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    deeds.batch(scope, 3);
    let (ended, told) = mpsc::channel();
    let settings = QueueSettings {
        concurrency: 1,
        lane_limit: 0,
        slow_after: None,
        max_runtime: Duration::from_mins(15),
        max_crashes: 3,
        paused: false,
    };
    let kind = Run { app: Arc::clone(&deeds.app), ended };
    let runner = Runner::start(kind, &deeds.app.store, &deeds.ambient, settings, 1).unwrap();
    let id = WorkId { queue: QueueName::TaskRun, subject: 1 };
    let pushed = deeds.app.store.write(scope, move |tx| {
        let work = Waiting { id, lane: 1, priority: 0, run_at: tx.now() };
        queue::push(tx, work, tx.now().plus(LIMIT))
    });
    pushed.wait().unwrap();
    // Nobody runs generations here, so that it waits for the group.
    eventually("the group came forward", || {
        let sql = "select count(*) from queue where queue = 2 and lane > 0";
        let count: i64 = deeds.outside().query_row(sql, [], |row| row.get(0)).unwrap();
        (count == 3).then_some(())
    });
    let withdrawn = deeds.app.store.write(SystemScope::new(), move |tx| queue::withdraw(tx, id));
    assert!(withdrawn.wait().unwrap());
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), Some(ErrorKind::Unavailable));
    runner.drain(LIMIT);
    deeds.verify();
}
