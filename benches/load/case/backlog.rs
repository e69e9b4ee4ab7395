//! The queue alone, in this process: does claiming and finishing cost more when a million jobs wait?
//!
//! Both sides use a real database file and durable commits. A job is only its row in the queue,
//! so that nothing but the queue differs between them.

use std::{
    path::Path,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use skai_server::{
    ambient::Ambient,
    domain::{self, AccountId, ProjectId, QueueName},
    queue::{GiveUp, Kind, QueueSettings, Runner, Stop},
    store::{
        AccountScope, EngineSettings, Store, SystemScope, Tx, accounts,
        queue::{self, Claimed, Waiting, WorkId},
    },
};

use crate::report::{Metric, median};

const BACKLOG: usize = 1_000_000;
/// Jobs that are timed, at the head of the queue. On the empty side they are all there is.
const TIMED: usize = 20_000;
const ROUNDS: usize = 5;
const ACCOUNTS: usize = 64;
/// Rows that one transaction adds: as many for each account.
const CHUNK: usize = 16 * ACCOUNTS;
const TIME_TO_LIVE: Duration = Duration::from_hours(24);
const STALL: Duration = Duration::from_mins(2);

pub(crate) fn run(share: usize) -> Result<Vec<Metric>> {
    let (backlog, timed) = (BACKLOG / share, TIMED / share);
    let (mut empty, mut behind, mut loaded) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        empty.push(measure(0, timed)?.took);
        let measured = measure(backlog, timed)?;
        behind.push(measured.took);
        loaded.push(measured.loaded);
    }
    // Neighbours in time are compared, since a machine's speed drifts.
    let mut ratios: Vec<f64> =
        empty.iter().zip(&behind).map(|(a, b)| b.as_secs_f64() / a.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    Ok(vec![
        Metric::rate("empty_jobs_per_second", timed, median(empty)),
        Metric::rate("backlog_jobs_per_second", timed, median(behind)),
        Metric::new("cost_ratio", ratios[ROUNDS / 2]),
        Metric::new("cost_ratio_least", ratios[0]),
        Metric::new("cost_ratio_most", ratios[ROUNDS - 1]),
        Metric::millis("backlog_loaded_ms", median(loaded)),
    ])
}

struct Measured {
    /// From the start of the queue until it knows of all that waits.
    loaded: Duration,
    /// For claiming and finishing the timed jobs.
    took: Duration,
}

fn measure(backlog: usize, timed: usize) -> Result<Measured> {
    let clock = Ambient::system();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("skai.db");
    fill(&path, &clock, backlog + timed)?;
    // Opened anew, so that nothing that filling has left to do falls into the measurement.
    let (store, writer) = Store::open(&path, &EngineSettings::default(), &clock)?;
    pause(&store, true)?;
    let boot = store.write(SystemScope::new(), queue::boot).wait()?;

    let (reached, end) = mpsc::channel();
    let kind = RowOnly {
        store: store.clone(),
        clock: clock.clone(),
        left: AtomicUsize::new(timed),
        reached,
    };
    let start = clock.monotonic();
    let runner = Runner::start(kind, &store, &clock, queue_settings(), boot)?;
    while runner.stats().ready < backlog + timed {
        ensure!(clock.monotonic().saturating_sub(start) < STALL, "the queue does not see its rows");
        thread::sleep(Duration::from_millis(1));
    }
    let loaded = clock.monotonic().saturating_sub(start);

    let start = clock.monotonic();
    pause(&store, false)?;
    let end = end.recv_timeout(STALL).context("waiting for the timed jobs")?;
    runner.drain(STALL);
    drop(store);
    ensure!(writer.join().is_ok(), "the writer panicked");
    Ok(Measured { loaded, took: end.saturating_sub(start) })
}

fn queue_settings() -> QueueSettings {
    QueueSettings {
        concurrency: 50,
        lane_limit: 0,
        slow_after: None,
        max_runtime: STALL,
        max_crashes: 3,
        paused: false,
    }
}

fn pause(store: &Store, paused: bool) -> Result<()> {
    let queue = QueueName::GenerationCreate;
    Ok(store.write(SystemScope::new(), move |tx| queue::set_paused(tx, queue, paused)).wait()?)
}

/// Makes a database with `jobs` rows. The accounts take turns, as their jobs do when all are busy.
fn fill(path: &Path, clock: &Ambient, jobs: usize) -> Result<()> {
    let (store, writer) = Store::open(path, &EngineSettings::default(), clock)?;
    let accounts = create_accounts(&store, clock)?;
    let subjects: Vec<i64> = (1..=i64::try_from(jobs)?).collect();
    for subjects in subjects.chunks(CHUNK) {
        let (subjects, accounts) = (subjects.to_vec(), accounts.clone());
        let push = move |tx: &Tx<'_, SystemScope>| {
            let mut rows = subjects.iter().zip(accounts.iter().cycle());
            rows.try_for_each(|(subject, account)| tx.within(*account, |tx| push_row(tx, *subject)))
        };
        store.write(SystemScope::new(), push).wait()?;
    }
    drop(store);
    ensure!(writer.join().is_ok(), "the writer panicked");
    Ok(())
}

fn create_accounts(store: &Store, clock: &Ambient) -> domain::Result<Vec<AccountScope>> {
    let create = |_| {
        let id = AccountId::from_uuid(clock.uuid());
        let project = ProjectId::from_uuid(clock.uuid());
        let insert = move |tx: &Tx<'_, _>| accounts::insert(tx, id, project, "bench");
        store.write(SystemScope::new(), insert).wait()
    };
    (0..ACCOUNTS).map(create).collect()
}

fn push_row(tx: &Tx<'_, AccountScope>, subject: i64) -> domain::Result<()> {
    let waiting = Waiting {
        id: WorkId { queue: QueueName::GenerationCreate, subject },
        lane: tx.scope().seq().number(),
        priority: 0,
        run_at: tx.now(),
    };
    queue::push(tx, waiting, tx.now().plus(TIME_TO_LIVE))
}

/// Work that is done as soon as it is begun.
struct RowOnly {
    store: Store,
    clock: Ambient,
    left: AtomicUsize,
    /// Told the time at which none was left.
    reached: Sender<Duration>,
}

impl Kind for RowOnly {
    type Task = ();
    const QUEUE: QueueName = QueueName::GenerationCreate;

    fn begin(&self, _: &Tx<'_, SystemScope>, _: &Claimed) -> domain::Result<Option<()>> {
        Ok(Some(()))
    }

    fn run(&self, claimed: &Claimed, (): (), _: &Stop) -> domain::Result<()> {
        let lease = claimed.lease;
        let valid = self.store.write(claimed.scope, move |tx| queue::finish(tx, lease)).wait()?;
        assert!(valid, "nobody else claims here");
        if self.left.fetch_sub(1, Relaxed) == 1 {
            // Nobody listens any more where the wait was given up.
            self.reached.send(self.clock.monotonic()).ok();
        }
        Ok(())
    }

    fn give_up(&self, claimed: &Claimed, _: GiveUp) -> domain::Result<()> {
        let id = claimed.lease.id;
        self.store.write(claimed.scope, move |tx| queue::withdraw(tx, id)).wait().map(drop)
    }
}
