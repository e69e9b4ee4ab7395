//! What the account used.

mod fold;
mod more;
mod place;
mod report;

pub use fold::{fold, fold_once, waiting};
pub use place::span;
pub use report::{DayOfUsage, Figures, Summary, daily, summary};

use super::App;
use crate::{
    domain::{Cursor, Day, Latencies, Month, Page, PageRequest, Result},
    store::{
        AccountScope, AccountSeq,
        spending::{self, KeySpent},
        usage_tail::Dimension,
    },
};

/// What each key spent in a month, newest first by when it first spent something.
pub fn spending(
    app: &App,
    scope: AccountScope,
    month: Month,
    page: &PageRequest,
) -> Result<Page<KeySpent>> {
    let before = page.after.as_ref().map(Cursor::number).transpose()?.unwrap_or(i64::MAX);
    let limit = super::one_more(page);
    let rows = app.store.read(scope, |it| spending::list(it, month, before, limit))?;
    Ok(Page::cut(rows, page.limit, |row| Cursor::from_number(row.seq)))
}

/// The histogram of a row, or that of no job where it cannot be read: one row that is damaged ends neither counting nor
/// reports, only its percentiles are those of what is counted from now on. `ledger verify` tells of it too.
fn latencies(
    packed: &[u8],
    account: AccountSeq,
    dimension: Dimension,
    day: Day,
) -> Result<Latencies> {
    Latencies::from_bytes(packed).or_else(|error| {
        let (account, dimension) = (account.number(), dimension.number());
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, account, dimension, %day, "a histogram of latencies is damaged");
        Latencies::empty()
    })
}
