//! A cursor goes on with the days and the group of its list, and with no others.

use std::time::Duration;

use serde_json::{Value, json};
use skai_server::{
    ambient::Ambient,
    app::usage,
    domain::{Cursor, Day, DaySpan, PageRequest, UsageBy},
};

use super::fold;
use crate::support::{
    Provider,
    deeds::{Deeds, caller, model},
    server::TestServer,
};

const DAILY: &str = "/v1/usage/daily";

fn days() -> DaySpan {
    let day = |text| Day::parse(text).unwrap();
    DaySpan { from: day("2026-11-01"), to: day("2026-11-30") }
}

/// Deeds with a canceled job of each of these end users.
fn canceled(users: &[String]) -> (Deeds, skai_server::store::AccountScope) {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.funded(1_000_000);
    for user in users {
        let job = deeds.submit(scope, &json!({"user": user})).unwrap();
        deeds.cancel(&caller(scope), job.id).unwrap();
    }
    (deeds, scope)
}

#[test]
fn names_that_are_as_long_as_they_may_be_follow_each_other() {
    let (long, wide) = ("a".repeat(255), "é".repeat(127));
    let users = [format!("{long}x"), format!("{long}y"), format!("{wide}è"), format!("{wide}é")];
    assert!(users.iter().all(|user| user.len() == 256));
    let (deeds, scope) = canceled(&users);
    for _ in 0..2 {
        let (mut found, mut page) = (Vec::new(), PageRequest { limit: 1, after: None });
        loop {
            let by = Some(UsageBy::User);
            let rows = usage::daily(&deeds.app, scope, days(), by, &page).unwrap();
            found.extend(rows.data.into_iter().map(|row| row.group.unwrap()));
            let Some(next) = rows.next_cursor else { break };
            page = PageRequest::parse(Some("1"), Some(&next)).unwrap();
        }
        assert!(found.iter().eq(users.iter().rev()), "{found:?}");
        fold(&deeds);
    }
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    let (deeds, scope) = canceled(&["ann".to_owned(), "bob".to_owned()]);
    let first = PageRequest { limit: 1, after: None };
    let by = Some(UsageBy::User);
    let page = usage::daily(&deeds.app, scope, days(), by, &first).unwrap();
    let cursor = Cursor::parse(&page.next_cursor.unwrap()).unwrap();
    assert_eq!(usage::span(&cursor).unwrap(), days());
    let after = |days, by, cursor: Cursor| {
        let page = PageRequest { limit: 1, after: Some(cursor) };
        usage::daily(&deeds.app, scope, days, by, &page).map(|page| page.data.len())
    };
    assert_eq!(after(days(), by, cursor.clone()).unwrap(), 1);
    let key = cursor.key().to_vec();
    let number = |day: Day| i32::try_from(day.number()).unwrap().to_be_bytes();
    let with = |at: usize, bytes: [u8; 4]| {
        let mut key = key.clone();
        key[at..at + 4].copy_from_slice(&bytes);
        Cursor::from_key(&key)
    };
    let (shorter, longer) = (
        DaySpan { from: days().from.plus(1), ..days() },
        DaySpan { to: days().to.plus(1), ..days() },
    );
    for (days, by, cursor) in [
        (shorter, by, cursor.clone()),
        (longer, by, cursor.clone()),
        (days(), None, cursor.clone()),
        (days(), Some(UsageBy::Model), cursor),
        // A day outside the days of the list, on either side.
        (days(), by, with(12, number(days().from.plus(-1)))),
        (days(), by, with(12, number(days().to.plus(1)))),
        (days(), by, Cursor::from_key(&key[..15])),
    ] {
        assert_eq!(after(days, by, cursor).unwrap_err().param(), Some("cursor"), "{days:?} {by:?}");
    }
    // Days that no list can have.
    for (at, bytes) in [(0, number(days().to.plus(1))), (0, [0; 4]), (4, [0x7f; 4]), (4, [0x80; 4])]
    {
        let refused = usage::span(&with(at, bytes)).unwrap_err();
        assert_eq!(refused.param(), Some("cursor"), "{at}: {bytes:?}");
    }
}

#[test]
fn pages_of_days_that_are_not_named_stay_over_midnight() {
    let provider = Provider::start();
    let clock = Ambient::manual("2026-11-20T23:59:00Z".parse().unwrap(), 1);
    let server = TestServer::builder().provider(&provider).clock(&clock).start();
    let account = server.account();
    account.run_job(&json!({"user": "ann"}));
    account.run_job(&json!({"user": "bob"}));
    let path = format!("{DAILY}?group_by=user&limit=1");
    let get = |more: &str| account.client.get(&format!("{path}{more}"));
    let first: Value = get("").expect(200).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    clock.advance(Duration::from_hours(24 * 30));
    account.run_job(&json!({"user": "eve"}));
    // Thirty days later none of the days that are shown by default are those of the first page.
    for more in
        ["", "&from=2026-10-22", "&to=2026-11-20", "&from=2026-10-22&to=2026-11-20T12:00:00Z"]
    {
        let second: Value = get(&format!("&cursor={cursor}{more}")).expect(200).json();
        assert_eq!(second["data"][0]["user"], "ann", "{more}");
        assert_eq!(second["next_cursor"], Value::Null, "{more}");
    }
    for more in ["&from=2026-10-23", "&to=2026-11-21", "&from=2026-11-20&to=2026-11-20"] {
        let refused: Value = get(&format!("&cursor={cursor}{more}")).expect(400).json();
        assert_eq!(refused["error"]["param"], "cursor", "{more}");
    }
    let accept = [("Accept", "text/csv")];
    let file = account.client.send("GET", &format!("{path}&cursor={cursor}"), &accept, None);
    assert!(file.expect(200).text().lines().nth(1).unwrap().starts_with("2026-11-20,ann,"));
}
