//! What a crash leaves of direct jobs.

use super::Rig;
use crate::store::{SystemScope, queue::left_direct};

/// Job, whether it is direct, its lease and its crashes.
const ROWS: [(i64, u8, &str, u8); 7] = [
    (1, 1, "(1 << 32)", 0),
    (2, 1, "null", 1),
    (3, 1, "(2 << 32) + 1", 1),
    (4, 1, "(2 << 32)", 0),
    (5, 0, "(1 << 32) + 1", 0),
    (6, 0, "null", 1),
    (7, 0, "null", 0),
];

fn rig() -> Rig {
    let rig = Rig::new();
    let outside = rig.outside();
    let account =
        "insert into account (seq, id, name, created_at) values (1, zeroblob(16), 'a', 1)";
    outside.execute_batch(account).unwrap();
    for (job, direct, lease, crashes) in ROWS {
        let rows = format!(
            "insert into job (seq, account, id, project, api_key, status, round, attempts, max_attempts,
               priority, model, direct, reserved_free, reserved_paid, spending, price_list,
               completion_bound, request_id, run_at, created_at, started_at)
             values ({job}, 1, x'0{job}', 1, 1, 3, 1, 1, 1, 0, 'm', {direct}, 0, 0, 1, 1, 1, 'r', 1, 1, 1);
             insert into queue (queue, subject, account, lane, priority, run_at, expires_at, attempts,
               crashes, lease) values (2, {job}, 1, 1, 0, 1, 1, 1, {crashes}, {lease});"
        );
        outside.execute_batch(&rows).unwrap();
    }
    rig
}

#[test]
fn direct_jobs_are_found_that_an_earlier_start_leased_or_that_were_given_back_since() {
    let rig = rig();
    let left = |limit| {
        let found =
            rig.store.read(SystemScope::new(), |snapshot| left_direct(snapshot, 2, limit)).unwrap();
        found.into_iter().map(|(_, job)| job).collect::<Vec<_>>()
    };
    assert_eq!((left(9), left(1)), (vec![1, 2], vec![1]));
}
