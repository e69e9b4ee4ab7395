//! Days of end users are forgotten when they are old; those of all and of the other groups stay.

use std::time::Duration;

use serde_json::json;
use skai_server::{
    app::{
        duties::{self, Retention},
        ledger_audit,
    },
    domain::DutyName,
    store::AccountScope,
};

use super::{fold, rows};
use crate::support::deeds::{Deeds, model, success};

const DAY: Duration = Duration::from_hours(24);

fn deeds(kept: Option<Duration>) -> Deeds {
    Deeds::with([model("m", 0)], |settings| {
        settings.duties.retention = Retention { usage_by_user: kept, ..Retention::default() };
    })
}

fn run(deeds: &Deeds, scope: AccountScope, user: &str) {
    let job = deeds.submit(scope, &json!({"user": user})).unwrap();
    let (claimed, job) = deeds.begin(job.seq, 7);
    assert!(deeds.finish(&claimed, job, success(1)));
}

fn prune(deeds: &Deeds) -> serde_json::Value {
    duties::run(&deeds.app, DutyName::Prune).unwrap()["usage_by_user"].take()
}

#[test]
fn only_days_of_end_users_are_forgotten() {
    let deeds = deeds(Some(400 * DAY));
    let accounts = [deeds.funded(1_000_000), deeds.funded(1_000_000)];
    for scope in accounts {
        run(&deeds, scope, "ann");
        run(&deeds, scope, "bob");
    }
    deeds.ambient.advance(DAY);
    for after in [399 * DAY, Duration::ZERO] {
        for scope in accounts {
            run(&deeds, scope, "ann");
        }
        deeds.ambient.advance(after);
    }
    fold(&deeds);
    // The first day is not over for 400 days.
    assert_eq!(prune(&deeds), 0);
    deeds.ambient.advance(DAY);
    let before = accounts.map(|scope| rows(&deeds, "usage_day", scope));
    assert_eq!((prune(&deeds), prune(&deeds)), (json!(4), json!(0)));
    let left = accounts.map(|scope| rows(&deeds, "usage_day", scope));
    assert_eq!(left, before.map(|rows| rows - 2));
    deeds.verify();
    // On later days they are still looked at, and on earlier ones the others are.
    for (dimension, day) in [(7, "max"), (3, "min")] {
        let of_day = format!("select {day}(day) from usage_day where account = ?1");
        let sql = format!(
            "delete from usage_day where account = ?1 and dimension = ?2 and day = ({of_day})"
        );
        let number = accounts[0].seq().number();
        assert_eq!(deeds.outside().execute(&sql, (number, dimension)), Ok(1));
        let problems = ledger_audit::verify(&deeds.app).unwrap().problems;
        let what = "usage by group is not that of all";
        assert!(problems.iter().any(|problem| problem.contains(what)), "{problems:#?}");
    }
}

#[test]
fn many_are_forgotten_some_at_a_time_or_never() {
    for (kept, forgotten) in [(Some(DAY), 1_200), (None, 0)] {
        let deeds = deeds(kept);
        for scope in [deeds.account("a"), deeds.account("b")] {
            let added = deeds.outside().execute(
                "with recursive n (n) as (select 1 union all select n + 1 from n where n < 600)
                 insert into usage_day select ?1, 7, n % 9, cast(n as blob), 1, 0, 0, 0, 0, 0, 0, x'' from n",
                [scope.seq().number()],
            );
            assert_eq!(added, Ok(600));
        }
        assert_eq!(prune(&deeds), forgotten);
    }
}
