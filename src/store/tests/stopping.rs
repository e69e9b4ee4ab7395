//! Reads that are given up within a statement.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::Rig;
use crate::{
    domain::{ErrorKind, Result},
    store::{Snapshot, SystemScope},
};

/// Takes some ten million steps.
fn count(snapshot: &Snapshot<'_, SystemScope>) -> Result<Option<u32>> {
    let sql = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000000)
         select count(*) from n";
    snapshot.one(sql, [], |row| row.get(0))
}

#[test]
fn a_long_read_ends_with_the_server_and_spoils_no_connection() {
    let rig = Rig::new();
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let stopped = move || counted.fetch_add(1, Ordering::Relaxed) > 1;
    for _ in 0..3 {
        let refused = rig.store.read_until(stopped.clone(), SystemScope::new(), count);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let times = asked.load(Ordering::Relaxed);
    // Both connections have been lent by now.
    for _ in 0..3 {
        assert_eq!(rig.store.read(SystemScope::new(), count).unwrap(), Some(1_000_000));
    }
    assert_eq!(asked.load(Ordering::Relaxed), times);
    let whole = rig.store.read_until(|| false, SystemScope::new(), count).unwrap();
    assert_eq!(whole, Some(1_000_000));
}
