//! `daily-token-reset`.

use serde_json::json;
use skai_server::{app::end_users, domain::Builtin::DailyTokenReset};

use super::{active, noon, run, set_timezone};
use crate::support::deeds::{Deeds, model};

#[test]
fn it_tells_what_was_used_on_the_day_before_and_changes_nothing() {
    let deeds = Deeds::new([model("m", 0)]);
    let (scope, other) = (deeds.funded(1_000_000), deeds.funded(1_000_000));
    noon(&deeds, "2026-11-26");
    active(&deeds, scope, "u", 1);
    noon(&deeds, "2026-11-27");
    active(&deeds, scope, "u", 10);
    active(&deeds, scope, "u", 20);
    active(&deeds, scope, "v", 5);
    active(&deeds, scope, "none", 0);
    active(&deeds, other, "u", 99);
    noon(&deeds, "2026-11-28");
    active(&deeds, scope, "u", 3);
    let rows = || {
        let outside = deeds.outside();
        let sql = "select group_concat(day || ' ' || tokens || ' ' || jobs) from end_user_day";
        outside.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let before = rows();
    for _ in 0..2 {
        let told = run(&deeds.app, scope, DailyTokenReset);
        assert_eq!(told, json!({"day": "2026-11-28", "end_users": 2, "tokens": 35}));
    }
    assert_eq!(rows(), before);
    let user = end_users::get(&deeds.app, scope, "u").unwrap().user;
    assert_eq!((user.tokens_today, user.tokens), (3, 34));
    noon(&deeds, "2026-12-24");
    let told = run(&deeds.app, scope, DailyTokenReset);
    assert_eq!(told, json!({"day": "2026-12-24", "end_users": 0, "tokens": 0}));
    deeds.verify();
}

#[test]
fn days_are_those_of_the_account() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    set_timezone(&deeds, scope, "Europe/Berlin");
    // The clocks go back in the night to the 25th, which has 25 hours.
    deeds.ambient.jump("2026-10-24T21:30:00Z".parse().unwrap());
    active(&deeds, scope, "u", 1);
    deeds.ambient.jump("2026-10-25T22:30:00Z".parse().unwrap());
    active(&deeds, scope, "u", 2);
    let told = run(&deeds.app, scope, DailyTokenReset);
    assert_eq!(told, json!({"day": "2026-10-25", "end_users": 1, "tokens": 1}));
    deeds.ambient.jump("2026-10-25T23:00:00Z".parse().unwrap());
    let told = run(&deeds.app, scope, DailyTokenReset);
    assert_eq!(told, json!({"day": "2026-10-26", "end_users": 1, "tokens": 2}));
}
