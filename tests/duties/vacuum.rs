//! Giving the disk back what the file does not need.

use skai_server::domain::DutyName::Vacuum;

use super::run;
use crate::support::server::TestServer;

fn size(server: &TestServer) -> u64 {
    let length = |name: &str| {
        std::fs::metadata(server.folder().join("data").join(name)).map_or(0, |it| it.len())
    };
    length("skai.db") + length("skai.db-wal")
}

#[test]
fn free_pages_and_a_long_log_go_back_to_the_disk() {
    let server = TestServer::builder().config(|config| config.store.checkpoint_pages = 100).start();
    let outside = server.outside();
    let mode: i64 = outside.query_row("pragma auto_vacuum", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, 2, "new files are made for it");
    outside
        .execute_batch(
            "create table filler (data blob) strict;
             with recursive n (i) as (select 1 union all select i + 1 from n where i < 4000)
             insert into filler select zeroblob(4000) from n;
             drop table filler;",
        )
        .unwrap();
    drop(outside);
    let before = size(&server);
    let did = run(&server, Vacuum);
    assert!(did["result"]["pages"].as_u64().unwrap() >= 1_900, "{did}");
    assert!(did["result"]["log_bytes"].as_u64().unwrap() > 1 << 20, "{did}");
    let after = size(&server);
    assert!(after * 2 < before, "{before} {after}");
    assert_eq!(run(&server, Vacuum)["result"]["pages"], 0, "some free pages stay");
    server.account();
}
