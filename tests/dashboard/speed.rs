//! How long pages take until they show their data, where there are many jobs. `SKAI_TEST_JOBS=1000000` asks for the
//! full figure, in a release build: `SKAI_TEST_JOBS=1000000 cargo test --release --test main -- dashboard::speed`.

use std::time::Duration;

use super::{
    browser::Browser,
    bulk,
    world::{LISTS, OWNER, accept, setup_token, sign_in_as},
};
use crate::support::{Provider, Receiver};

/// In an ordinary run.
const JOBS: usize = 20_000;
/// What is promised for a million jobs, in a release build on a machine that does nothing else.
const PROMISED: Duration = Duration::from_millis(300);
/// In an ordinary run other tests are running.
const GENEROUS: Duration = Duration::from_secs(5);
const TIMES: usize = 5;

#[test]
fn pages_show_their_data_quickly_with_many_jobs() {
    let asked = std::env::var("SKAI_TEST_JOBS").ok();
    let limit = if asked.is_some() { PROMISED } else { GENEROUS };
    let jobs = asked.map_or(JOBS, |jobs| jobs.parse().unwrap());
    let (provider, receiver) = (Provider::start(), Receiver::start());
    let (server, account) = bulk::server_with(jobs, &provider, &receiver);
    accept(&server, &setup_token(&server), OWNER);
    let job = account.list("/v1/jobs?limit=100").remove(99);
    let job = format!("/dashboard/jobs/{}", job["id"].as_str().unwrap());
    let browser = Browser::at(server.address());
    sign_in_as(&browser, OWNER);
    let mut slow = Vec::new();
    for (name, path) in LISTS.into_iter().chain([("job", job.as_str())]) {
        let cold = open(&browser, path);
        let mut times: Vec<_> = (0..TIMES).map(|_| open(&browser, path)).collect();
        times.sort_unstable();
        let median = times[TIMES / 2];
        println!("{name}: cold {cold:?}, then {median:?}, at most {:?}", times[TIMES - 1]);
        if median > limit {
            slow.push((name, median));
        }
    }
    assert!(slow.is_empty(), "slower than {limit:?} with {jobs} jobs: {slow:?}");
}

fn open(browser: &Browser, path: &str) -> Duration {
    browser.open(path);
    browser.timing()
}
