//! Giving the disk back what the file does not need any more.

use super::{
    scope::SystemScope,
    tx::{Snapshot, Tx},
};
use crate::domain::Result;

/// Pages within the file that hold nothing. New rows take them before the file grows.
pub fn free_pages(snapshot: &Snapshot<'_, SystemScope>) -> Result<u64> {
    Ok(snapshot.one("pragma freelist_count", [], |row| row.get(0))?.unwrap_or(0))
}

/// Moves rows from the end of the file into free pages and cuts it there: some dozen pages, so that the writer is soon
/// free for others. Gives how many fewer are free; 0 where there are none, or the file was made without the bookkeeping
/// that this needs.
pub fn shrink(tx: &Tx<'_, SystemScope>) -> Result<u64> {
    let before = free_pages(tx)?;
    // A step of the statement gives one page back.
    tx.each("pragma incremental_vacuum(64)", [], |_| Ok(()))?;
    Ok(before.saturating_sub(free_pages(tx)?))
}
