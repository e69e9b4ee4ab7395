//! A backup, pruning and vacuuming hold up nobody who writes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use skai_server::domain::DutyName::{self, Backup, Prune, Vacuum};

use super::{run, with_backups};
use crate::support::server::{Account, TestServer};

/// A write that waited longer was held up. Without duties one takes some milliseconds here, and some dozen where the
/// machine is busy with other tests.
const HELD_UP: Duration = Duration::from_secs(1);

/// Some hundred megabytes, of which half are free pages, and old deliveries.
fn fill(server: &TestServer) {
    let outside = server.outside();
    outside
        .execute_batch(
            "begin;
             create table filler (data blob) strict;
             with recursive n (i) as (select 1 union all select i + 1 from n where i < 12000)
             insert into filler select randomblob(4000) from n;
             with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000)
             insert into webhook_delivery (account, id, endpoint, event_id, event_type, payload, status, attempts,
               created_at, finished_at)
             select 1, randomblob(16), 1, randomblob(16), 'ping', hex(randomblob(400)), 3, 1, 1, 1 from n;
             insert into webhook_attempt (delivery, n, account, duration_ms, created_at)
             select seq, 1, 1, 1, 1 from webhook_delivery;
             commit;",
        )
        .unwrap();
}

/// How long writes took, one after the other, until the duty ended.
fn write_during(server: &TestServer, account: &Account, name: DutyName) -> Vec<Duration> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = account.client.clone();
        let over = &over;
        let writer = scope.spawn(move || {
            let mut took = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                client
                    .patch("/v1/end-users/somebody", &json!({"daily_token_cap": took.len()}))
                    .expect(200);
                took.push(began.elapsed());
            }
            took
        });
        let did = run(server, name);
        over.store(true, Ordering::Relaxed);
        assert_eq!(did["error"], json!(null), "{did}");
        writer.join().unwrap()
    })
}

#[test]
fn writers_go_on_while_duties_run() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_backups(folder.path()).start();
    let account = server.account();
    fill(&server);
    for name in [Backup, Prune, Vacuum] {
        if name == Vacuum {
            server.outside().execute_batch("drop table filler").unwrap();
        }
        let mut took = write_during(&server, &account, name);
        took.sort();
        let (count, longest) = (took.len(), took[took.len() - 1]);
        eprintln!("{name:?}: {count} writes, median {:?}, longest {longest:?}", took[count / 2]);
        assert!(count > 5 && longest < HELD_UP, "{name:?}: {count} writes, longest {longest:?}");
    }
}
