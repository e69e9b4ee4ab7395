//! The thread that writes telemetry: a batch at a time, a transaction each. What cannot be written is lost and counted;
//! whoever reports never hears of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode};

use super::{
    Inner,
    file::{Writing, is_of_another_version},
    invocations,
    prune::Pruning,
    requests,
    rows::{Report, Row},
    usage_events,
};
use crate::{ambient::lock, domain::RecordKind};

/// How often what is too old is looked for.
const PRUNE_EVERY: Duration = Duration::from_mins(1);
/// How often a file in trouble is tried again, while nothing comes in.
const TRY_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Recorder {
    inner: Arc<Inner>,
    writing: Option<Writing>,
    pruned_at: Duration,
}

impl Recorder {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let pruned_at = inner.ambient.monotonic();
        Self { inner, writing: None, pruned_at }
    }

    /// Runs until the buffer is closed, and writes what is left in it.
    pub(super) fn run(mut self) {
        self.write(&[]);
        while let Some(reports) = self.inner.buffer.take(self.nap()) {
            let taken = reports.len();
            let rows: Vec<Row> = reports.into_iter().flat_map(|report| self.rows(report)).collect();
            let is_due = !rows.is_empty() || lock(&self.inner.trouble).is_some();
            if is_due && self.write(&rows) {
                self.tell(&rows);
            }
            self.inner.buffer.done(taken);
            self.prune();
        }
    }

    fn nap(&self) -> Duration {
        if lock(&self.inner.trouble).is_some() { TRY_EVERY } else { PRUNE_EVERY }
    }

    /// Makes the rows of a report; one that panics is lost alone.
    fn rows(&self, report: Report) -> Vec<Row> {
        let kinds = report.kinds();
        catch_unwind(AssertUnwindSafe(|| report.rows())).unwrap_or_else(|_| {
            tracing::error!("a report for telemetry panicked");
            for kind in kinds {
                self.inner.buffer.lose(*kind, 1);
            }
            Vec::new()
        })
    }

    /// Tells who listens of rows that were written. Where that panics, nothing else is lost.
    fn tell(&self, rows: &[Row]) {
        let Some(tell) = self.inner.listener.get() else { return };
        if catch_unwind(AssertUnwindSafe(|| tell(rows))).is_err() {
            tracing::error!("telling of telemetry panicked");
        }
    }

    /// Writes the rows, or loses them; gives whether they were written.
    fn write(&mut self, rows: &[Row]) -> bool {
        let caught = catch_unwind(AssertUnwindSafe(|| self.try_write(rows)));
        let written = caught.unwrap_or_else(|_| Err(Fault::Panicked));
        let is_written = written.is_ok();
        let mut trouble = lock(&self.inner.trouble);
        match written {
            Ok(()) => {
                if trouble.take().is_some() {
                    tracing::info!("telemetry is recorded again");
                }
                let mut written = lock(&self.inner.written);
                for row in rows {
                    written[row.kind() as usize] += 1;
                }
            }
            Err(fault) => {
                self.writing = None;
                for kind in RecordKind::ALL {
                    let lost = rows.iter().filter(|row| row.kind() == kind).count();
                    self.inner.buffer.lose(kind, lost as u64);
                }
                let told = fault.told();
                if trouble.as_ref() != Some(&told) {
                    tracing::warn!(trouble = told, "telemetry is lost; requests go on");
                    *trouble = Some(told);
                }
            }
        }
        is_written
    }

    fn try_write(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let path = &self.inner.path;
        let kept = self.writing.take().filter(|writing| writing.is_of(path));
        if self.inner.damaged.is_now_at(path) {
            return Err(Fault::Damaged);
        }
        let written = kept.map_or_else(|| Writing::open(path), Ok).and_then(|writing| {
            let writing = self.writing.insert(writing);
            insert(&writing.sql, rows)
        });
        written.map_err(|error| {
            self.inner.damaged.judge(&error, path);
            Fault::Refused(error)
        })
    }

    fn prune(&mut self) {
        let now = self.inner.ambient.monotonic();
        let Some(writing) = &self.writing else { return };
        if now.saturating_sub(self.pruned_at) < PRUNE_EVERY {
            return;
        }
        let pruning = Pruning {
            sql: &writing.sql,
            settings: &self.inner.settings,
            is_wanted: &|| self.inner.buffer.is_waited_for(),
            is_over: &|| self.inner.buffer.is_closed(),
        };
        let wall = self.inner.ambient.now();
        let pruned = catch_unwind(AssertUnwindSafe(|| pruning.run(wall)));
        match pruned {
            // What is left is gone on with after the next batch.
            Ok(Ok(false)) => return,
            Ok(Ok(true)) => {}
            Ok(Err(error)) => {
                self.inner.damaged.judge(&error, &self.inner.path);
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "old telemetry could not be taken away");
            }
            Err(_) => tracing::error!("taking old telemetry away panicked"),
        }
        self.pruned_at = now;
    }
}

/// Writes the rows in one transaction; where there are none, a row of no meaning.
fn insert(sql: &Connection, rows: &[Row]) -> rusqlite::Result<()> {
    sql.execute_batch("begin immediate")?;
    if rows.is_empty() {
        // Shows whether the disk takes it.
        sql.execute_batch(
            "insert into meta (name, value) values ('probes', 1)
             on conflict (name) do update set value = value + 1",
        )?;
    }
    for row in rows {
        match row {
            Row::Request(account, row) => requests::insert(sql, *account, row)?,
            Row::UsageEvent(account, row) => usage_events::insert(sql, *account, row)?,
            Row::Invocation(account, row) => invocations::insert(sql, *account, row)?,
        }
    }
    sql.execute_batch("commit")
}

/// Why nothing was written.
enum Fault {
    /// The engine refuses.
    Refused(rusqlite::Error),
    /// The file is damaged.
    Damaged,
    /// A defect of this program.
    Panicked,
}

impl Fault {
    /// What is wrong with the file, and what mends it.
    fn told(&self) -> String {
        let file = "telemetry.db";
        let (wrong, mend) = match self {
            Self::Refused(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    ("is locked by another program", "end that program or its transaction")
                }
                Some(ErrorCode::DiskFull) => ("has no room on its disk", "free space there"),
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    ("may not be written", "let the server's user write to it and to its folder")
                }
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    return Self::Damaged.told();
                }
                _ if is_of_another_version(error) => {
                    ("is of another version of the server", "move it away, and a new one is begun")
                }
                _ => ("cannot be written", "look at the disk, its space and its limits"),
            },
            Self::Damaged => ("is damaged", "move it away, and the server begins a new one"),
            Self::Panicked => ("could not be written", "report what the log says of it"),
        };
        let cause = match self {
            Self::Refused(error) => match error.sqlite_error() {
                // Its text may hold paths, and everybody may ask for this.
                Some(error) => format!(" (SQLite's error {})", error.extended_code),
                None => format!(" ({error})"),
            },
            Self::Damaged | Self::Panicked => String::new(),
        };
        format!(
            "{file} {wrong}{cause}: {mend}. Requests go on, what they would leave there is lost, and it is tried again \
             every second"
        )
    }
}
