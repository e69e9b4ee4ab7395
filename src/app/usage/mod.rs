//! What the account used.

mod fold;
mod report;

pub use fold::{fold, fold_once};
pub use report::{DayOfUsage, Figures, Summary, daily, summary};

use super::App;
use crate::{
    domain::{Cursor, Month, Page, PageRequest, Result},
    store::{
        AccountScope,
        spending::{self, KeySpent},
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
