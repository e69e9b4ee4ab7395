//! What the account used.

use super::App;
use crate::{
    domain::{Cursor, Month, Page, PageRequest, Result},
    store::{
        AccountScope,
        spending::{self, KeySpent},
    },
};

/// What each key spent in a month, in the order in which they first spent something.
pub fn spending(
    app: &App,
    scope: AccountScope,
    month: Month,
    page: &PageRequest,
) -> Result<Page<KeySpent>> {
    let after = page.after.as_ref().map(Cursor::number).transpose()?.unwrap_or(0);
    let limit = super::one_more(page);
    let rows = app.store.read(scope, |it| spending::list(it, month, after, limit))?;
    Ok(Page::cut(rows, page.limit, |row| Cursor::from_number(row.seq)))
}
