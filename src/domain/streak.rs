//! Streaks: how many days in a row an end user was active, and what that earns its account.

use std::collections::BTreeMap;

use super::{Credits, Day};

/// What streaks earn.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreakPolicy {
    /// Credits for an end user's streak that reaches so many days.
    pub bonuses: BTreeMap<u64, Credits>,
    /// What all of an account's end users may earn it in a day.
    pub max_bonus_per_day: Credits,
}

impl StreakPolicy {
    /// What a streak earns that had `before` days and has `now`.
    pub fn earned(&self, before: u64, now: u64) -> impl Iterator<Item = (u64, Credits)> + '_ {
        let reached = (before < now).then(|| self.bonuses.range(before + 1..=now));
        let reached = reached.into_iter().flatten().map(|(days, bonus)| (*days, *bonus));
        reached.filter(|(_, bonus)| bonus.is_positive())
    }
}

/// Days in a row, as they were counted last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Streak {
    /// How many.
    pub count: u64,
    /// The last day that was looked at.
    pub day: Option<Day>,
}

/// What becomes of a streak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreakChange {
    /// What it is now.
    pub streak: Streak,
    /// How many days of it were counted before; 0 where a new one began.
    pub before: u64,
}

impl Streak {
    /// The last day that need not be looked at again to count on; `None` where a new streak is to be counted.
    pub fn counted_up_to(self, today: Day) -> Option<Day> {
        self.day.filter(|day| self.count > 0 && *day <= today)
    }

    /// Counts the active days up to `last`, the last of them. `days` are those after
    /// [`Streak::counted_up_to`], newest first. A streak goes on until a whole day passed without activity.
    /// `None` where there is nothing new.
    pub fn count(self, today: Day, last: Day, days: &[Day]) -> Option<StreakChange> {
        // The clock, or the account's time zone, may have been put back by some hours.
        let known = self.day.filter(|day| *day <= today.plus(1));
        if last.max(known.unwrap_or(last)) < today.plus(-1) {
            let streak = Self { count: 0, day: Some(last) };
            return (streak != self).then_some(StreakChange { streak, before: 0 });
        }
        if known.is_some_and(|known| last <= known) {
            return None;
        }
        let run = consecutive(last, days);
        let first = i64::try_from(run).map_or(last, |run| last.plus(1 - run));
        let (count, before) = match self.counted_up_to(today) {
            Some(counted) if first == counted.plus(1) => (self.count + run, self.count),
            Some(_) => (run, 0),
            // It was counted up to a day that is yet to come: nothing is earned twice.
            None => (run, self.count),
        };
        Some(StreakChange { streak: Self { count, day: Some(last) }, before })
    }
}

/// How many days in a row end with `last`, which is one.
fn consecutive(last: Day, days: &[Day]) -> u64 {
    let mut run = 1;
    let mut next = last.plus(-1);
    for day in days.iter().skip_while(|day| **day >= last) {
        if *day != next {
            break;
        }
        run += 1;
        next = next.plus(-1);
    }
    run
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(number: i64) -> Day {
        Day::from_number(number)
    }

    fn streak(count: u64, number: i64) -> Streak {
        Streak { count, day: Some(day(number)) }
    }

    /// What becomes of it today, day 100: its days, the last of them, and how many were known.
    fn count(streak: Streak, last: i64, days: &[i64]) -> Option<(u64, i64, u64)> {
        let days: Vec<Day> = days.iter().copied().map(day).collect();
        let change = streak.count(day(100), day(last), &days)?;
        Some((change.streak.count, change.streak.day.unwrap().number(), change.before))
    }

    #[test]
    fn each_day_counts_once() {
        assert_eq!(count(Streak::default(), 100, &[100]), Some((1, 100, 0)));
        assert_eq!(count(Streak::default(), 99, &[99, 98, 96]), Some((2, 99, 0)));
        assert_eq!(count(streak(3, 99), 100, &[100]), Some((4, 100, 3)));
        assert_eq!(count(streak(3, 100), 100, &[]), None);
        // Runs were missed, but no day.
        assert_eq!(count(streak(3, 95), 99, &[99, 98, 97, 96]), Some((7, 99, 3)));
    }

    #[test]
    fn a_day_without_activity_ends_it() {
        assert_eq!(count(streak(3, 97), 99, &[99]), Some((1, 99, 0)));
        assert_eq!(count(streak(3, 95), 100, &[100, 99, 97, 96]), Some((2, 100, 0)));
        assert_eq!(count(streak(3, 98), 98, &[]), Some((0, 98, 0)));
        assert_eq!(count(streak(3, 90), 98, &[98, 97]), Some((0, 98, 0)));
        assert_eq!(count(streak(0, 98), 98, &[]), None);
        // A new one begins with all days that there are, also some that were looked at.
        assert_eq!(count(streak(0, 97), 100, &[100, 99]), Some((2, 100, 0)));
    }

    #[test]
    fn clocks_that_are_put_back_change_nothing() {
        assert_eq!(count(streak(3, 101), 100, &[100]), None);
        assert_eq!(count(streak(3, 100), 99, &[]), None);
        // By many days: what there is counts anew, but earns nothing twice.
        assert_eq!(count(streak(3, 200), 100, &[100, 99, 98, 97]), Some((4, 100, 3)));
        assert_eq!(count(streak(3, 98), 90, &[]), Some((0, 90, 0)));
    }

    #[test]
    fn bonuses_are_for_days_that_were_not_reached_before() {
        let bonuses = [(3, 30), (7, 70), (9, 0)].map(|(at, n)| (at, Credits::from_micros(n)));
        let policy = StreakPolicy { bonuses: bonuses.into(), max_bonus_per_day: Credits::ZERO };
        let earned =
            |before, now| policy.earned(before, now).map(|(days, _)| days).collect::<Vec<_>>();
        assert_eq!(earned(2, 3), [3]);
        assert_eq!(earned(3, 6), [0; 0]);
        assert_eq!(earned(0, 20), [3, 7]);
        assert_eq!(earned(7, 7), [0; 0]);
        assert_eq!(earned(9, 2), [0; 0]);
    }

    /// The active days of a history up to one, newest first.
    fn active(history: &[bool], up_to: usize) -> impl Iterator<Item = i64> + '_ {
        let days = history.iter().enumerate().take(up_to + 1).rev().filter(|(_, active)| **active);
        days.map(|(day, _)| i64::try_from(day).unwrap())
    }

    proptest! {
        /// Whenever it is counted, it is what somebody would count who looks at all days.
        #[test]
        fn runs_may_come_at_any_time(history in prop::collection::vec((any::<bool>(), 0..3_u8), 1..60)) {
            let (days, runs): (Vec<bool>, Vec<u8>) = history.into_iter().unzip();
            let mut streak = Streak::default();
            let mut earned = 0;
            for (today, runs) in runs.into_iter().enumerate() {
                let all: Vec<Day> = active(&days, today).map(day).collect();
                let now = day(i64::try_from(today).unwrap());
                let Some(&last) = all.first() else { continue };
                for _ in 0..runs {
                    let known = streak.counted_up_to(now);
                    let new: Vec<Day> = all.iter().copied().filter(|it| Some(*it) > known).collect();
                    if let Some(change) = streak.count(now, last, &new) {
                        prop_assert!(change.before == 0 || change.before == streak.count);
                        prop_assert!(change.before < change.streak.count || change.streak.count == 0);
                        earned += change.streak.count - change.before.min(change.streak.count);
                        streak = change.streak;
                    }
                    let expected = if last < now.plus(-1) { 0 } else { consecutive(last, &all) };
                    prop_assert_eq!(streak.count, expected);
                }
            }
            // No day earns twice.
            prop_assert!(earned <= active(&days, days.len()).count() as u64);
        }
    }
}
