//! The thread that writes telemetry: a batch at a time, a transaction each. What cannot be written is lost and counted;
//! whoever reports never hears of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use super::{
    Inner, Row, buffer::Report, file::Writing, invocations, prune, requests, usage_events,
};
use crate::{ambient::lock, domain::RecordKind, store::fault};

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
            if !rows.is_empty() || lock(&self.inner.trouble).is_some() {
                self.write(&rows);
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

    /// Writes the rows, or loses them.
    fn write(&mut self, rows: &[Row]) {
        let written = self.try_write(rows);
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
            Err(error) => {
                self.writing = None;
                for row in rows {
                    self.inner.buffer.lose(row.kind(), 1);
                }
                let told = what_to_do(&fault::of(error));
                if trouble.as_ref() != Some(&told) {
                    tracing::warn!(trouble = told, "telemetry is lost; requests go on");
                    *trouble = Some(told);
                }
            }
        }
    }

    fn try_write(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        let path = &self.inner.path;
        let writing = match self.writing.take().filter(|writing| writing.is_of(path)) {
            Some(writing) => self.writing.insert(writing),
            None => self.writing.insert(Writing::open(path)?),
        };
        let sql = &writing.sql;
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

    fn prune(&mut self) {
        let now = self.inner.ambient.monotonic();
        let Some(writing) = &self.writing else { return };
        if now.saturating_sub(self.pruned_at) < PRUNE_EVERY {
            return;
        }
        self.pruned_at = now;
        let buffer = &self.inner.buffer;
        let wanted = || buffer.totals().1 > 0;
        let now = self.inner.ambient.now();
        if let Err(error) = prune::prune(&writing.sql, &self.inner.settings, now, &wanted) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "old telemetry could not be taken away");
        }
    }
}

/// What is wrong with the file, and what mends it.
fn what_to_do(error: &crate::domain::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!(
        "telemetry.db cannot be written ({source}); requests go on and what they would leave there is lost. Free \
         space or end the other program, or move the file away: a new one is begun at once"
    )
}

impl Row {
    pub(super) const fn kind(&self) -> RecordKind {
        match self {
            Self::Request(..) => RecordKind::Request,
            Self::UsageEvent(..) => RecordKind::UsageEvent,
            Self::Invocation(..) => RecordKind::Invocation,
        }
    }
}
