//! The server's own duties: when they run, and what they do.

mod backups;
mod load;
mod prune;
mod rhythm;
mod trouble;
mod vacuum;

use serde_json::{Value, json};
use skai_server::{ambient::Ambient, domain::DutyName};

use crate::support::{
    eventually,
    server::{Builder, TestServer},
};

/// A clock at nine on a Friday.
fn friday() -> Ambient {
    Ambient::manual("2026-11-20T09:00:00Z".parse().unwrap(), 1)
}

/// A server that backs itself up into the folder `backups` beside its data.
fn with_backups(folder: &std::path::Path) -> Builder {
    let folder = folder.join("backups");
    TestServer::builder().config(|config| config.backup.folder = folder)
}

fn duty(server: &TestServer, name: DutyName) -> Value {
    let list = server.operator().get("/admin/v1/duties").expect(200).json();
    let found = list["data"].as_array().unwrap().iter().find(|duty| duty["id"] == name.as_str());
    found.unwrap().clone()
}

/// How often a duty ended since the start, well and otherwise.
fn runs(server: &TestServer, name: DutyName) -> (u32, u32) {
    let metrics = server.operator().get("/metrics").expect(200).text().to_owned();
    let count = |outcome| {
        let start =
            format!("skai_duty_runs_total{{duty=\"{}\",outcome=\"{outcome}\"}} ", name.as_str());
        let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
        line.map_or(0, |count| count.parse().unwrap())
    };
    (count("ok"), count("failed"))
}

/// Asks for a run of the duty and waits for its end.
fn run(server: &TestServer, name: DutyName) -> Value {
    let (ok, failed) = runs(server, name);
    let path = format!("/admin/v1/duties/{}/run", name.as_str());
    let asked = server.operator().post(&path, &json!({})).expect(202).json();
    assert_eq!((&asked["id"], &asked["object"]), (&json!(name.as_str()), &json!("duty")));
    ended(server, name, ok + failed + 1)
}

/// The duty once it ended that often since the start.
fn ended(server: &TestServer, name: DutyName, times: u32) -> Value {
    eventually("the duty ends", || {
        let (ok, failed) = runs(server, name);
        assert!(ok + failed <= times, "{name:?} ran too often: {ok} and {failed}");
        (ok + failed == times).then(|| duty(server, name))
    })
}
