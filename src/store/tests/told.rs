//! What the system takes away of an account is told to who listens there.

use std::sync::{Arc, Mutex};

use super::{Rig, scope};
use crate::{
    ambient::lock,
    domain::{ApiKeyId, Environment, Result, Timestamp},
    store::{
        Signal, SystemScope, Tx, api_keys,
        prune::{self, Kept},
    },
};

/// What is to go, and after it one that stays.
const ROWS: [&str; 6] = [
    "insert into main.account (seq, id, name, created_at)
     values (1, x'00000000000000000000000000000001', 'a', 1)",
    "insert into main.webhook_delivery (account, id, endpoint, event_id, event_type, payload, status, attempts,
       created_at, finished_at)
     values (1, x'01', 1, x'01', 'ping', '', 3, 1, 1, 1), (1, x'02', 1, x'02', 'ping', '', 3, 1, 1, 1)",
    "insert into main.scheduled_task (account, id, function, scheduled_time, request_id, status, finished_at,
       created_at)
     values (1, x'01', 'f', 1, 'r', 4, 1, 1), (1, x'02', 'f', 1, 'r', 4, 1, 1)",
    "insert into main.dead_letter (account, id, queue, subject, reason, message, attempts, created_at, redriven_at)
     values (1, x'01', 2, 1, 'r', 'm', 1, 1, 1)",
    "insert into main.dead_letter (account, id, queue, subject, reason, message, attempts, created_at)
     values (1, x'02', 3, 2, 'r', 'm', 1, 1)",
    "insert into main.api_key (account, project, id, name, prefix, hash, scopes, created_at, revoked_at)
     values (1, 1, x'00000000000000000000000000000001', 'old', 'a', '', 'jobs:read', 1, 1),
       (1, 1, x'00000000000000000000000000000002', 'new', 'b', '', 'jobs:read', 1, null)",
];

/// Of which topics the account hears when the system does this.
fn heard<T: Send + 'static>(
    rig: &Rig,
    deed: impl Fn(&Tx<'_, SystemScope>) -> Result<T> + Send + 'static,
) -> (T, Vec<&'static str>) {
    let changes = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&changes);
    rig.store.listen(move |signals| {
        for signal in signals {
            if let Signal::Changed(change) = signal {
                lock(&hears).push(*change);
            }
        }
    });
    let telling = rig.store.tell_changes();
    let done = rig.store.write(SystemScope::new(), deed).wait().unwrap();
    drop(telling);
    let whose = Some((scope(1).account_id(), Environment::Live));
    let changes = lock(&changes);
    let own = changes.iter().filter(|change| change.account == whose);
    (done, own.flat_map(|change| change.topics.names()).collect())
}

#[test]
fn an_account_hears_of_what_is_taken_away() {
    let rig = Rig::new();
    for sql in ROWS {
        rig.run(SystemScope::new(), sql).unwrap();
    }
    let late = Timestamp::from_millis(2);
    for (kept, row, topic) in [
        (Kept::OpenLetters, 2, "dead_letters"),
        (Kept::DeadLetters, 1, "dead_letters"),
        (Kept::Deliveries, 1, "deliveries"),
        (Kept::Tasks, 1, "tasks"),
    ] {
        let told = heard(&rig, move |tx| prune::take(tx, kept, &[row], late));
        assert_eq!(told, (1, vec![topic]), "{kept:?}");
        let told = heard(&rig, move |tx| prune::take(tx, kept, &[row], late));
        assert_eq!(told, (0, vec![]), "{kept:?}");
    }
    let old = ApiKeyId::from_uuid(uuid::Uuid::from_u128(1));
    let told = heard(&rig, move |tx| api_keys::delete(tx, scope(1), old, late));
    assert_eq!(told, (true, vec!["keys", "audit"]));
    let entries = rig.look(
        scope(1),
        "select action, actor, name from audit_entry where action = 'api_key.removed'",
    );
    assert_eq!(entries.unwrap(), ["api_key.removed|system|old"]);
}
