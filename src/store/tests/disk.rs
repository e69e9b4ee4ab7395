//! A file that cannot grow.

use super::{Rig, forever, scope};
use crate::{domain::ErrorKind, store::SystemScope};

/// Limits the writer's file to so many pages, or to what it has.
fn limit(rig: &Rig, pages: u32) {
    rig.run(SystemScope::new(), format!("pragma max_page_count = {pages}")).unwrap();
}

fn fill(rig: &Rig, n: u32) -> crate::domain::Result<Vec<String>> {
    let sql = format!("insert into main.meta values ('{n}-{}', 1)", "x".repeat(3_000));
    rig.run(SystemScope::new(), sql)
}

#[test]
fn a_full_file_refuses_writes_serves_reads_and_recovers() {
    let rig = Rig::new();
    fill(&rig, 0).unwrap();
    for round in 0..3 {
        limit(&rig, 1);
        let refused = (1..1_000).find_map(|n| fill(&rig, round * 10_000 + n).err()).unwrap();
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused:?}");
        assert!(refused.retry_after().is_some());
        assert!(refused.message().contains("disk is full"), "{}", refused.message());
        let names = rig.look(SystemScope::new(), "select name from main.meta limit 1").unwrap();
        assert_eq!(names.len(), 1);
        limit(&rig, 1_000_000);
        fill(&rig, round * 10_000 + 5_000).unwrap();
        assert_eq!(rig.store.trouble(), None);
    }
    let check =
        rig.outside().query_row("pragma integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(check.as_deref(), Ok("ok"));
}

/// The engine ends the transaction by itself in some errors. A deed that passes one over must not
/// leave those behind it without a transaction.
#[test]
fn a_deed_that_hides_a_rolled_back_transaction_commits_nothing() {
    let rig = Rig::new();
    let hide = forever("insert or rollback into main.meta values ('once', 1)");
    rig.run(SystemScope::new(), "insert into main.meta values ('once', 1)").unwrap();
    let hidden = rig.store.write(SystemScope::new(), move |tx| {
        tx.execute(forever("insert into main.meta values ('before', 1)"), [])?;
        let refused = tx.execute(hide, []);
        assert!(refused.is_err());
        tx.execute(forever("insert or ignore into main.meta values ('after', 1)"), [])?;
        Ok(())
    });
    assert!(hidden.wait().is_err());
    let names = rig.look(SystemScope::new(), "select name from main.meta where name != 'probes'");
    assert!(!names.unwrap().contains(&"before".to_owned()));
    fill(&rig, 1).unwrap();
}

#[test]
fn readers_cannot_write() {
    let rig = Rig::new();
    for sql in [
        "insert into main.meta values ('x', 1)",
        "delete from main.meta",
        "create table more (x)",
        "update main.account set name = 'x'",
    ] {
        assert!(rig.look(SystemScope::new(), sql).is_err(), "{sql}");
    }
    assert!(rig.look(scope(1), "delete from main.job").is_err());
}
