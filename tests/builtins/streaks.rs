//! `streak-updater`.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use skai_server::{
    app::{Settings, builtins::streaks::count_some, credits, end_users},
    domain::{
        AccountId, Bucket,
        Builtin::{self, StreakUpdater},
        EndUserId, EndpointId, Environment, ErrorKind, PageRequest, StreakPolicy,
    },
    store::{AccountScope, ledger_entries::Grant, webhooks},
};

use super::{active, noon, run, run_with, set_timezone, twin};
use crate::support::deeds::{Deeds, micros, model};

/// Streaks of two and of four days earn something.
fn deeds(change: impl FnOnce(&mut Settings)) -> Deeds {
    Deeds::with([model("m", 0)], |settings| {
        let bonuses = [(2, micros(20)), (4, micros(40))].into();
        settings.streaks = StreakPolicy { bonuses, max_bonus_per_day: micros(1_000) };
        change(settings);
    })
}

fn streak(deeds: &Deeds, scope: AccountScope, user: &str) -> u64 {
    end_users::get(&deeds.app, scope, user).unwrap().user.streak_count
}

/// What a run says but the day.
fn counts(told: &Value) -> [i64; 4] {
    assert_eq!(told["complete"], true, "{told}");
    ["incremented", "reset", "bonuses", "bonuses_withheld"].map(|it| told[it].as_i64().unwrap())
}

fn day(deeds: &Deeds, scope: AccountScope, number: u32, users: &[&str]) -> [i64; 4] {
    noon(deeds, &format!("2026-11-{number:02}"));
    for user in users {
        active(deeds, scope, user, 1);
    }
    counts(&run(&deeds.app, scope, StreakUpdater))
}

/// The bonuses that were given, newest first: all grants but that of the tests.
fn bonuses(deeds: &Deeds, scope: AccountScope) -> Vec<Grant> {
    let page = PageRequest { limit: 100, after: None };
    let grants = credits::grants(&deeds.app, scope, &page).unwrap().data;
    grants.into_iter().filter(|grant| grant.reason != "test").collect()
}

fn reasons(deeds: &Deeds, scope: AccountScope) -> Vec<String> {
    let bonuses = bonuses(deeds, scope).into_iter();
    bonuses.map(|grant| format!("{} {}", grant.amount.micros(), named(deeds, &grant))).collect()
}

/// The reason of a bonus with the account's own name for the end user, which must not be in it.
fn named(deeds: &Deeds, grant: &Grant) -> String {
    let (reason, id) = grant.reason.rsplit_once(' ').unwrap();
    let id: EndUserId = id.parse().unwrap();
    let sql = "select external_id from end_user where id = ?1";
    let name = deeds.outside().query_row(sql, [id.uuid().as_bytes()], |row| row.get(0));
    let name: String = name.unwrap();
    format!("{reason} {name}")
}

#[test]
fn a_day_counts_once_however_often_it_is_counted() {
    let deeds = deeds(|_| ());
    let scope = deeds.funded(1_000_000);
    assert_eq!(day(&deeds, scope, 1, &["u", "v"]), [2, 0, 0, 0]);
    active(&deeds, scope, "u", 1);
    assert_eq!(day(&deeds, scope, 1, &[]), [0, 0, 0, 0]);
    assert_eq!(day(&deeds, scope, 2, &["u"]), [1, 0, 1, 0]);
    assert_eq!([streak(&deeds, scope, "u"), streak(&deeds, scope, "v")], [2, 1]);
    // A whole day without: it is over. Before that it may still go on.
    assert_eq!(day(&deeds, scope, 3, &[]), [0, 1, 0, 0]);
    assert_eq!([streak(&deeds, scope, "u"), streak(&deeds, scope, "v")], [2, 0]);
    assert_eq!(day(&deeds, scope, 3, &["u", "v"]), [2, 0, 0, 0]);
    assert_eq!([streak(&deeds, scope, "u"), streak(&deeds, scope, "v")], [3, 1]);
    assert_eq!(reasons(&deeds, scope), ["20 2 days in a row of end user u"]);
    assert!(bonuses(&deeds, scope).iter().all(|bonus| bonus.bucket == Bucket::Free));
    deeds.verify();
}

#[test]
fn runs_that_were_missed_are_made_up_for() {
    let deeds = deeds(|_| ());
    let scope = deeds.funded(1_000_000);
    assert_eq!(day(&deeds, scope, 1, &["u", "v"]), [2, 0, 0, 0]);
    for number in 2..=4 {
        noon(&deeds, &format!("2026-11-{number:02}"));
        active(&deeds, scope, "u", 1);
        if number != 3 {
            active(&deeds, scope, "v", 1);
        }
    }
    // The day after: the streak of u went on, that of v began anew.
    let told = day(&deeds, scope, 5, &[]);
    assert_eq!(told, [2, 1, 2, 0]);
    assert_eq!([streak(&deeds, scope, "u"), streak(&deeds, scope, "v")], [4, 1]);
    assert_eq!(
        reasons(&deeds, scope),
        ["40 4 days in a row of end user u", "20 2 days in a row of end user u"]
    );
    // Nobody was active, and nobody counted: what ended earns nothing.
    noon(&deeds, "2026-11-06");
    active(&deeds, scope, "w", 1);
    noon(&deeds, "2026-11-07");
    active(&deeds, scope, "w", 1);
    assert_eq!(day(&deeds, scope, 20, &[]), [0, 2, 0, 0]);
    for user in ["u", "v", "w"] {
        assert_eq!(streak(&deeds, scope, user), 0);
    }
    assert_eq!(day(&deeds, scope, 20, &[]), [0, 0, 0, 0]);
    deeds.verify();
}

#[test]
fn a_streak_that_begins_anew_earns_anew() {
    let deeds = deeds(|_| ());
    let scope = deeds.funded(1_000_000);
    for (number, users, expected) in [
        (1, &["u"][..], [1, 0, 0, 0]),
        (2, &["u"], [1, 0, 1, 0]),
        (3, &[], [0, 0, 0, 0]),
        // No run saw that it was over.
        (4, &["u"], [1, 1, 0, 0]),
        (5, &["u"], [1, 0, 1, 0]),
    ] {
        assert_eq!(day(&deeds, scope, number, users), expected, "{number}");
    }
    assert_eq!(reasons(&deeds, scope).len(), 2);
    deeds.verify();
}

#[test]
fn an_account_is_given_no_more_than_it_may_have_in_a_day() {
    let deeds = deeds(|settings| settings.streaks.max_bonus_per_day = micros(50));
    let (scope, other) = (deeds.funded(1_000_000), deeds.funded(1_000_000));
    let users = ["a", "b", "c"];
    day(&deeds, scope, 1, &users);
    day(&deeds, other, 1, &["a"]);
    let told = day(&deeds, scope, 2, &users);
    assert_eq!(told, [3, 0, 2, 1]);
    assert_eq!(day(&deeds, other, 2, &["a"]), [1, 0, 1, 0]);
    // Later the same day there is no room either, the next day there is.
    active(&deeds, scope, "d", 1);
    run(&deeds.app, scope, StreakUpdater);
    assert_eq!(day(&deeds, scope, 3, &["d"]), [1, 0, 1, 0]);
    let given: i64 = bonuses(&deeds, scope).iter().map(|bonus| bonus.amount.micros()).sum();
    assert_eq!(given, 60);
    // What is larger than all that may be given is never given.
    for number in 4..=5 {
        day(&deeds, scope, number, &["d"]);
    }
    assert_eq!(reasons(&deeds, scope)[0], "40 4 days in a row of end user d");
    deeds.verify();
}

#[test]
fn a_bonus_is_told() {
    let deeds = deeds(|_| ());
    let scope = deeds.funded(1_000_000);
    let endpoint = deeds.app.store.write(scope, |tx| {
        let new = webhooks::NewEndpoint {
            id: EndpointId::from_uuid(uuid::Uuid::from_u128(1)),
            url: "https://example.com/".to_owned(),
            events: "credits.granted".to_owned(),
            description: None,
            active: true,
            retry_policy: "standard".to_owned(),
            secret: vec![1],
        };
        webhooks::insert(tx, &new)
    });
    endpoint.wait().unwrap();
    day(&deeds, scope, 1, &["u"]);
    noon(&deeds, "2026-11-02");
    active(&deeds, scope, "u", 1);
    let said = run(&deeds.app, scope, StreakUpdater);
    let expected = json!({"day": "2026-11-02", "incremented": 1, "reset": 0, "bonuses": 1,
        "bonus_credits": 0.00002, "bonuses_withheld": 0, "complete": true});
    assert_eq!(said, expected);
    let told = deeds.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let account_id: AccountId = scope.account_id();
    let amount: Value = serde_json::from_str("0.00002").unwrap();
    let data = json!({"amount": amount, "account_id": account_id, "source": "streak"});
    assert_eq!((&told[0]["type"], &told[0]["data"]), (&json!("credits.granted"), &data));
}

#[test]
fn streaks_follow_the_clocks_of_the_account() {
    let deeds = deeds(|_| ());
    let scope = deeds.funded(1_000_000);
    set_timezone(&deeds, scope, "Europe/Berlin");
    // Evenings of the days around one of 25 hours: the 24th, 25th and 26th there.
    for at in ["2026-10-24T21:59:59Z", "2026-10-25T22:59:59Z", "2026-10-26T22:59:59Z"] {
        deeds.ambient.jump(at.parse().unwrap());
        active(&deeds, scope, "u", 1);
    }
    let told = run(&deeds.app, scope, StreakUpdater);
    assert_eq!((&told["day"], counts(&told)), (&json!("2026-10-26"), [1, 0, 1, 0]));
    assert_eq!(streak(&deeds, scope, "u"), 3);
    // The 28th begins at 23:00 of UTC: only then the 27th passed without a job.
    deeds.ambient.jump("2026-10-27T22:59:59Z".parse().unwrap());
    assert_eq!(counts(&run(&deeds.app, scope, StreakUpdater)), [0, 0, 0, 0]);
    deeds.ambient.advance(Duration::from_secs(1));
    assert_eq!(counts(&run(&deeds.app, scope, StreakUpdater)), [0, 1, 0, 0]);
    deeds.verify();
}

#[test]
fn a_time_zone_that_is_put_back_earns_nothing_twice() {
    let deeds = deeds(|_| ());
    let scope = deeds.funded(1_000_000);
    set_timezone(&deeds, scope, "Asia/Tokyo");
    for number in 1..=2 {
        deeds.ambient.jump(format!("2026-11-{number:02}T20:00:00Z").parse().unwrap());
        active(&deeds, scope, "u", 1);
        run(&deeds.app, scope, StreakUpdater);
    }
    assert_eq!(streak(&deeds, scope, "u"), 2);
    // It is the second there, which counted already.
    set_timezone(&deeds, scope, "America/New_York");
    active(&deeds, scope, "u", 1);
    assert_eq!(counts(&run(&deeds.app, scope, StreakUpdater)), [0, 0, 0, 0]);
    assert_eq!(streak(&deeds, scope, "u"), 2);
    assert_eq!(reasons(&deeds, scope).len(), 1);
    deeds.verify();
}

#[test]
fn a_clock_that_jumps_earns_nothing_twice() {
    let deeds = deeds(|_| ());
    let scope = deeds.funded(1_000_000);
    for number in 10..=12 {
        day(&deeds, scope, number, &["u"]);
    }
    // It was ahead long enough to end the streak, and for another one to begin.
    assert_eq!(day(&deeds, scope, 15, &[]), [0, 1, 0, 0]);
    assert_eq!(streak(&deeds, scope, "u"), 0);
    assert_eq!(day(&deeds, scope, 13, &["u"]), [1, 0, 1, 0]);
    for number in 14..=19 {
        day(&deeds, scope, number, &["u"]);
    }
    assert_eq!(day(&deeds, scope, 16, &["u"]), [1, 0, 0, 0]);
    assert_eq!(day(&deeds, scope, 30, &["u"]), [1, 1, 0, 0]);
    for number in 17..=21 {
        assert_eq!(day(&deeds, scope, number, &["u"])[2], 0, "{number}");
    }
    assert_eq!(streak(&deeds, scope, "u"), 12);
    assert_eq!(reasons(&deeds, scope).len(), 2);
    deeds.verify();
}

#[test]
fn a_clock_that_was_ahead_gives_no_more_in_a_day() {
    let deeds = deeds(|settings| settings.streaks.max_bonus_per_day = micros(20));
    let scope = deeds.funded(1_000_000);
    for number in 19..=20 {
        day(&deeds, scope, number, &["u"]);
    }
    day(&deeds, scope, 9, &["v", "w"]);
    // What was given on the 20th counts until two days from today.
    assert_eq!(day(&deeds, scope, 10, &["v", "w"]), [2, 0, 0, 2]);
    day(&deeds, scope, 12, &["v"]);
    assert_eq!(day(&deeds, scope, 13, &["v"]), [1, 0, 1, 0]);
}

#[test]
fn test_keys_play_for_play_money() {
    let deeds = deeds(|_| ());
    let scope = deeds.funded(1_000_000);
    let twin = twin(&deeds, scope);
    let amount = micros(1_000_000);
    let request = credits::GrantRequest {
        amount,
        bucket: Bucket::Paid,
        reason: "test".to_owned(),
        expires_at: None,
        environment: Environment::Test,
    };
    credits::grant(&deeds.app, scope.account_id(), request, None).wait().unwrap();
    // Its jobs need a project for tests, which this account does not have: so they are counted by hand.
    let user = end_users::EndUserPatch { daily_token_cap: Some(None) };
    end_users::update(&deeds.app, twin, "u".to_owned(), user).wait().unwrap();
    let outside = deeds.outside();
    let number = twin.seq().number();
    for (number_of_day, free) in [(20_000, 0), (20_001, 20)] {
        deeds
            .ambient
            .jump(skai_server::domain::Timestamp::from_millis(number_of_day * 24 * 3_600_000));
        outside
            .execute_batch(&format!(
                "insert into end_user_day select account, seq, {number_of_day}, 1, 0, 1, 0 from end_user
                   where account = {number};
                 update end_user set last_active_on = {number_of_day} where account = {number}"
            ))
            .unwrap();
        run(&deeds.app, twin, StreakUpdater);
        assert_eq!(deeds.balance(twin).available.free, micros(free));
    }
    assert_eq!(deeds.balance(scope).available.free, micros(0));
}

/// So many end users who were active today, past the deeds.
fn crowd(deeds: &Deeds, scope: AccountScope, users: usize) {
    let today = deeds.ambient.now().millis() / 86_400_000;
    let account = scope.seq().number();
    let sql = format!(
        "with recursive n (n) as (select 1 union all select n + 1 from n where n < {users})
         insert into end_user (account, id, external_id, jobs, last_active_on, created_at)
           select {account}, randomblob(16), 'user ' || n, 1, {today}, 1 from n;
         insert into end_user_day select account, seq, last_active_on, 0, 0, 1, 0 from end_user"
    );
    deeds.outside().execute_batch(&sql).unwrap();
}

#[test]
fn a_crowd_is_counted_some_at_a_time() {
    let deeds = deeds(|settings| {
        settings.streaks.bonuses = [(1, micros(1))].into();
        settings.streaks.max_bonus_per_day = micros(150);
    });
    let scope = deeds.account("a");
    crowd(&deeds, scope, 1_201);
    // Bonuses end a transaction early.
    let (first, next) = count_some(&deeds.app, scope, 0).wait().unwrap();
    assert_eq!((first.incremented, first.bonuses), (100, 100));
    // Another attempt begins anew, and does what is left.
    assert!(next.is_some());
    let told = run(&deeds.app, scope, StreakUpdater);
    assert_eq!(counts(&told), [1_101, 0, 50, 1_051]);
    assert_eq!(deeds.balance(scope).available.free, micros(150));
    deeds.ambient.advance(Duration::from_hours(48));
    assert_eq!(counts(&run(&deeds.app, scope, StreakUpdater)), [0, 1_201, 0, 0]);
    assert_eq!(counts(&run(&deeds.app, scope, StreakUpdater)), [0, 0, 0, 0]);
}

#[test]
fn two_runs_at_once_count_no_more_than_one() {
    let deeds = deeds(|settings| {
        settings.streaks.bonuses = [(1, micros(1))].into();
        settings.streaks.max_bonus_per_day = micros(2_000);
    });
    let scope = deeds.account("a");
    crowd(&deeds, scope, 1_201);
    let runs: Vec<_> = (0..2)
        .map(|_| {
            let app = Arc::clone(&deeds.app);
            std::thread::spawn(move || counts(&run(&app, scope, StreakUpdater)))
        })
        .collect();
    let runs: Vec<_> = runs.into_iter().map(|run| run.join().unwrap()).collect();
    let sum: Vec<i64> = (0..4).map(|at| runs.iter().map(|run| run[at]).sum()).collect();
    assert_eq!(sum, [1_201, 0, 1_201, 0]);
    assert_eq!(deeds.balance(scope).available.free, micros(1_201));
}

#[test]
fn what_has_no_time_left_says_so() {
    let deeds = deeds(|settings| settings.tasks.runtime = Duration::ZERO);
    let scope = deeds.account("a");
    crowd(&deeds, scope, 1);
    let told = run(&deeds.app, scope, StreakUpdater);
    assert_eq!((&told["complete"], &told["incremented"]), (&json!(false), &json!(0)));
}

#[test]
fn another_attempt_goes_on_where_the_server_stops() {
    let deeds = deeds(|_| ());
    let scope = deeds.account("a");
    crowd(&deeds, scope, 1);
    deeds.app.watches.close();
    for builtin in [StreakUpdater, Builtin::CleanupExpiredTokens] {
        let stopped = run_with(&deeds.app, scope, builtin, &json!(null)).unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Unavailable);
    }
}
