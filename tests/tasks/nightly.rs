use serde_json::{Value, json};

use super::{SCHEDULES, World, schedule_path};
use crate::support::server::{Account, TestServer};

const BUILTINS: [&str; 4] =
    ["batch-ai-processor", "cleanup-expired-tokens", "daily-token-reset", "streak-updater"];

/// Function, cron and zone of each of the account's schedules, oldest first.
fn nightly(account: &Account) -> Vec<[String; 3]> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = account.list(SCHEDULES);
    let of = |row: &Value| ["function_name", "cron", "timezone"].map(|name| text(row, name));
    rows.iter().rev().map(of).collect()
}

fn in_zone(zone: &str) -> Vec<[String; 3]> {
    let nightly = [("daily-token-reset", "0 0 * * *"), ("cleanup-expired-tokens", "0 3 * * *")];
    nightly.map(|(name, cron)| [name, cron, zone].map(str::to_owned)).to_vec()
}

fn set_zone(server: &TestServer, account: &Account, zone: &Value) {
    let path = format!("/admin/v1/accounts/{}", account.id);
    server.operator().patch(&path, &json!({ "timezone": zone })).expect(200);
}

#[test]
fn a_new_account_and_its_twin_have_the_servers_own_functions() {
    let server = TestServer::builder()
        .config(|config| config.end_users.timezone = "Europe/Berlin".parse().unwrap())
        .start();
    let account = server.account();
    for account in [&account, &account.twin(&server)] {
        let rows = account.list("/v1/functions");
        let mut names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, BUILTINS);
        assert!(rows.iter().all(|row| row["kind"] == "builtin" && row["url"].is_null()));
        assert_eq!(nightly(account), in_zone("Europe/Berlin"));
        for row in account.list(SCHEDULES) {
            assert_eq!((&row["paused"], &row["catch_up"]), (&json!(false), &json!("one")));
            assert_eq!(row["next_runs"].as_array().unwrap().len(), 5);
        }
    }
}

#[test]
fn what_is_run_each_night_follows_the_accounts_zone() {
    let World { server, account, .. } = World::new();
    let twin = account.twin(&server);
    let own = json!({"name": "own", "cron": "5 5 * * *", "function_name": "streak-updater"});
    account.client.post(SCHEDULES, &own).expect(201);
    let mut expected = in_zone("Asia/Tokyo");
    expected.push(["streak-updater", "5 5 * * *", "UTC"].map(str::to_owned));
    let before = account.list(SCHEDULES);
    set_zone(&server, &account, &json!("Asia/Tokyo"));
    assert_eq!(nightly(&account), expected, "another function's zone is the account's affair");
    assert_eq!(nightly(&twin), in_zone("Asia/Tokyo"));
    let reset = account.list(SCHEDULES).remove(2);
    let next = reset["next_runs"][0].as_str().unwrap();
    assert!(next.ends_with("T15:00:00.000Z"), "midnight of Tokyo: {next}");
    // Its test key sees the same day begin.
    assert_eq!(twin.list(SCHEDULES).remove(1)["next_runs"], reset["next_runs"]);
    // One that was moved to a zone of its own, or paused, is left in it, or paused.
    let patch = |at: usize, change: Value| {
        account.client.patch(&schedule_path(&before[at], ""), &change).expect(200);
    };
    patch(2, json!({"timezone": "America/New_York"}));
    patch(1, json!({"paused": true}));
    set_zone(&server, &account, &json!("Europe/Berlin"));
    assert_eq!(nightly(&account)[0][2], "America/New_York");
    assert_eq!(nightly(&account)[1][2], "Europe/Berlin");
    assert_eq!(account.list(SCHEDULES)[1]["paused"], true);
    set_zone(&server, &account, &Value::Null);
    assert_eq!(nightly(&account)[1][2], "UTC");
}
