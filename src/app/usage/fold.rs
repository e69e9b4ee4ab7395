//! Counts what ended in the sums of its day. Readers do the work; the writer only takes the rows away and puts the new
//! sums in their place, in one transaction, so that each row is counted once whatever happens in between.

use std::collections::BTreeMap;

use super::{latencies, more::More};
use crate::{
    app::App,
    domain::Result,
    store::{
        Snapshot, SystemScope,
        usage_days::{self, Counted, Place},
        usage_tail::{self, Ended},
    },
};

/// Rows that are counted at a time at least: fewer wait, as a commit of its own for a few costs more than to read past
/// them in reports.
const ROWS_MIN: u64 = 500;
/// And at most.
const ROWS_MAX: u64 = 4_000;
/// Sums that one write replaces at most, but for those of one row more: some milliseconds that deeds beside it wait
/// for.
const SUMS_MAX: usize = 1_000;
/// Writes of a round, so that other duties do not wait long. What is left is for the next, a second later.
const WRITES: usize = 20;

/// How many rows wait to be counted, all but the newest of all.
pub fn waiting(app: &App) -> Result<u64> {
    app.store.read(SystemScope::new(), usage_tail::waiting)
}

/// Counts the oldest that ended, as long as some hundreds wait; gives how many it counted.
pub fn fold(app: &App) -> Result<usize> {
    let mut folded = 0;
    for _ in 0..WRITES {
        match fold_once(app, ROWS_MIN)? {
            0 => break,
            rows => folded += rows,
        }
    }
    Ok(folded)
}

/// Counts the oldest that ended, in one write, where at least so many wait; gives how many it counted. The newest of
/// all is never counted.
pub fn fold_once(app: &App, at_least: u64) -> Result<usize> {
    let batch = app.store.read(SystemScope::new(), |snapshot| {
        let waiting = usage_tail::waiting(snapshot)?;
        if waiting < at_least.max(1) { Ok(None) } else { sum_up(snapshot) }
    })?;
    let Some(Batch { first, last, rows, sums }) = batch else { return Ok(0) };
    let put = app.store.write(SystemScope::new(), move |tx| {
        // Where somebody else counted them meanwhile, these sums are old.
        if !usage_tail::take(tx, &(first..=last))? {
            return Ok(0);
        }
        sums.iter().try_for_each(|(place, counted)| usage_days::put(tx, place, counted))?;
        Ok(rows)
    });
    put.wait()
}

/// Rows that were added up, and the sums with them.
struct Batch {
    first: i64,
    last: i64,
    rows: usize,
    sums: Vec<(Place, Counted)>,
}

fn sum_up(snapshot: &Snapshot<'_, SystemScope>) -> Result<Option<Batch>> {
    let oldest = usage_tail::oldest(snapshot, ROWS_MAX)?;
    let (mut more, mut rows) = (BTreeMap::new(), 0);
    for ended in &oldest {
        if more.len() >= SUMS_MAX {
            break;
        }
        add(&mut more, ended);
        rows += 1;
    }
    let counted = &oldest[..rows];
    let (Some(first), Some(last)) = (counted.first(), counted.last()) else { return Ok(None) };
    let sums: Result<Vec<_>> = more
        .into_iter()
        .map(|(place, more)| {
            let sum = usage_days::find(snapshot, &place)?.unwrap_or_default();
            let sum = with(&place, sum, &more)?;
            Ok((place, sum))
        })
        .collect();
    Ok(Some(Batch { first: first.seq, last: last.seq, rows, sums: sums? }))
}

fn add(sums: &mut BTreeMap<Place, More>, ended: &Ended) {
    for (dimension, subject) in ended.places() {
        let subject = subject.to_vec();
        let place = Place { account: ended.account, dimension, day: ended.day, subject };
        sums.entry(place).or_default().add(ended);
    }
}

/// The sum with what is added. One histogram is unpacked at a time: it is small only while it is packed.
fn with(place: &Place, mut sum: Counted, more: &More) -> Result<Counted> {
    sum.totals.add(&more.totals);
    if !more.latencies_ms.is_empty() {
        let packed = &sum.latencies;
        let mut latencies = latencies(packed, place.account, place.dimension, place.day)?;
        more.record_in(&mut latencies);
        sum.latencies = latencies.to_bytes()?;
    }
    Ok(sum)
}
