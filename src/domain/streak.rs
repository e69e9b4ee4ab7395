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

/// A day on which an end user was active.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ActiveDay {
    /// The day.
    pub day: Day,
    /// What a streak had reached that was last counted then and did not go on from there; 0 for none.
    pub reached: u64,
}

/// What becomes of a streak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreakChange {
    /// What it is now.
    pub streak: Streak,
    /// What was reached before in the same days in a row, and may be more than it has now: no more is earned up to
    /// there.
    pub before: u64,
    /// Whether it has nothing in common with what it was.
    pub is_new: bool,
    /// What is to be kept with the day on which it was last counted, as it does not go on from there:
    /// [`ActiveDay::reached`].
    pub left: Option<ActiveDay>,
}

/// How far the day of a streak may be ahead of today without the clock having been wrong: the dates of two time zones
/// are two days apart at most.
pub const AHEAD: i64 = 2;

impl Streak {
    /// The last day that need not be looked at again where the last active one is `last`; `None` where all are to be
    /// looked at.
    pub fn counted_up_to(self, last: Day) -> Option<Day> {
        self.day.filter(|day| self.count > 0 && *day <= last)
    }

    /// Counts the active days up to `last`, which is the latest. `days` are all those after
    /// [`Streak::counted_up_to`], newest first, also those that are yet to come since the clock was put back. A streak
    /// goes on until a whole day passed without activity. `None` where there is nothing new.
    pub fn count(self, today: Day, last: Day, days: &[ActiveDay]) -> Option<StreakChange> {
        // The clock, or the account's time zone, may have been put back by some hours.
        let known = self.day.filter(|day| *day <= today.plus(AHEAD).max(last));
        if last.max(known.unwrap_or(last)) < today.plus(-1) {
            let streak = Self { count: 0, day: Some(last) };
            let change = StreakChange { streak, before: 0, is_new: true, left: self.left() };
            return (streak != self).then_some(change);
        }
        if known.is_some_and(|known| last <= known) {
            return None;
        }
        let mut run = Run::around(last, days);
        if let Some(left) = self.left().filter(|left| run.has(left.day)) {
            run.note(left, last);
        }
        let goes_on = self.counted_up_to(last).is_some_and(|day| day.plus(1) == run.first);
        let is_part = goes_on || self.left().is_some_and(|left| run.has(left.day));
        let count = if goes_on { self.count + run.count } else { run.count.max(run.known) };
        Some(StreakChange {
            streak: Self { count, day: Some(last) },
            before: if is_part { run.reached.max(self.count) } else { run.reached },
            is_new: !is_part,
            left: self.left().filter(|_| !goes_on),
        })
    }

    /// What is kept of it where it does not go on.
    pub fn left(self) -> Option<ActiveDay> {
        let day = self.day.filter(|_| self.count > 0);
        day.map(|day| ActiveDay { day, reached: self.count })
    }
}

/// Active days in a row.
struct Run {
    first: Day,
    /// The last of them, which may be yet to come.
    end: Day,
    /// How many up to the day that was asked for.
    count: u64,
    /// How many there must have been by what streaks had reached in them.
    known: u64,
    /// The most that a streak reached in them.
    reached: u64,
}

impl Run {
    /// Those that `last` is one of. `days` are newest first.
    fn around(last: Day, days: &[ActiveDay]) -> Self {
        let (later, rest) = days.split_at(days.partition_point(|it| it.day > last));
        let (own, earlier) = rest.split_at(rest.partition_point(|it| it.day == last));
        let mut run = Self { first: last, end: last, count: 1, known: 0, reached: 0 };
        for it in later.iter().rev() {
            if it.day != run.end.plus(1) {
                break;
            }
            run.end = it.day;
            run.reached = run.reached.max(it.reached);
        }
        for it in own.iter().chain(earlier) {
            if it.day != last {
                if it.day != run.first.plus(-1) {
                    break;
                }
                run.first = it.day;
                run.count += 1;
            }
            run.note(*it, last);
        }
        run
    }

    /// Takes in what a streak had reached on one of its days. It goes on from there where days before that were
    /// forgotten since.
    fn note(&mut self, on: ActiveDay, last: Day) {
        self.reached = self.reached.max(on.reached);
        if let (1.., Ok(since)) = (on.reached, u64::try_from(last.number() - on.day.number())) {
            self.known = self.known.max(on.reached + since);
        }
    }

    fn has(&self, day: Day) -> bool {
        (self.first..=self.end).contains(&day)
    }
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

    fn active_day(number: i64) -> ActiveDay {
        ActiveDay { day: day(number), reached: 0 }
    }

    /// What becomes of it today, day 100: its days, the last of them, and how many were known.
    fn count(streak: Streak, last: i64, days: &[i64]) -> Option<(u64, i64, u64)> {
        let days: Vec<ActiveDay> = days.iter().copied().map(active_day).collect();
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
        assert_eq!(count(streak(3, 102), 100, &[]), None);
        // By more days: what there is counts anew, but earns nothing twice.
        let days: Vec<i64> = (97..=103).rev().collect();
        assert_eq!(count(streak(7, 103), 100, &days), Some((4, 100, 7)));
        let days: Vec<i64> = (96..=103).rev().collect();
        assert_eq!(count(streak(5, 103), 100, &days), Some((5, 100, 5)));
        // Those are other days in a row.
        assert_eq!(count(streak(3, 200), 100, &[200, 199, 100, 99]), Some((2, 100, 0)));
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

    #[test]
    fn what_a_streak_reached_is_kept_where_it_does_not_go_on() {
        let change = |streak: Streak, last: i64, days: &[(i64, u64)]| {
            let day_of =
                |(number, reached): &(i64, u64)| ActiveDay { day: day(*number), reached: *reached };
            let days: Vec<ActiveDay> = days.iter().map(day_of).collect();
            let change = streak.count(day(100), day(last), &days).unwrap();
            let left = change.left.map(|left| (left.day.number(), left.reached));
            (change.streak.count, change.before, change.is_new, left)
        };
        assert_eq!(change(streak(3, 90), 100, &[(100, 0)]), (1, 0, true, Some((90, 3))));
        assert_eq!(change(streak(3, 90), 90, &[]), (0, 0, true, Some((90, 3))));
        assert_eq!(change(streak(3, 99), 100, &[(100, 0)]), (4, 3, false, None));
        // It had ended, and the clock was put back since.
        let days = [(100, 0), (99, 2), (98, 0)];
        assert_eq!(change(streak(0, 99), 100, &days), (3, 2, true, None));
        // Once more what was counted by a clock that was ahead: it goes on where no day is earned again.
        let days = [(103, 7), (102, 0), (101, 0), (100, 0)];
        assert_eq!(change(streak(6, 99), 100, &days), (7, 7, false, None));
        assert_eq!(change(streak(7, 103), 100, &days), (1, 7, false, Some((103, 7))));
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
                let all: Vec<ActiveDay> = active(&days, today).map(active_day).collect();
                let now = day(i64::try_from(today).unwrap());
                let Some(last) = all.first().map(|it| it.day) else { continue };
                for _ in 0..runs {
                    let known = streak.counted_up_to(last);
                    let new: Vec<ActiveDay> =
                        all.iter().copied().filter(|it| Some(it.day) > known).collect();
                    if let Some(change) = streak.count(now, last, &new) {
                        prop_assert!(change.before == 0 || change.before == streak.count);
                        prop_assert!(change.before < change.streak.count || change.streak.count == 0);
                        earned += change.streak.count - change.before.min(change.streak.count);
                        streak = change.streak;
                    }
                    let expected = if last < now.plus(-1) { 0 } else { Run::around(last, &all).count };
                    prop_assert_eq!(streak.count, expected);
                }
            }
            // No day earns twice.
            prop_assert!(earned <= active(&days, days.len()).count() as u64);
        }

        /// However the clock jumps, no streak earns what another one of the same days in a row earned.
        #[test]
        fn clocks_that_jump_earn_nothing_twice(
            history in prop::collection::vec((-7..9_i64, any::<bool>(), 0..3_u8, any::<bool>()), 1..60),
        ) {
            let mut user = User::default();
            let mut today = 100;
            for (jump, is_active, runs, is_plain) in history {
                // Most days follow each other.
                today += if is_plain { 1 } else { jump };
                if is_active {
                    user.is_active_on(today);
                }
                for _ in 0..runs {
                    prop_assert!(user.run(today), "{user:?}");
                }
            }
        }
    }

    /// An end user as it is stored, and what it earned.
    #[derive(Default, Debug)]
    struct User {
        streak: Streak,
        last: Option<i64>,
        /// By their numbers, with what was reached.
        days: BTreeMap<i64, u64>,
        /// How many days in a row earned something, and which.
        earned: Vec<(u64, i64, i64)>,
    }

    impl User {
        fn is_active_on(&mut self, number: i64) {
            self.days.entry(number).or_default();
            self.last = Some(number);
        }

        fn leave(&mut self, left: Option<ActiveDay>) {
            if let Some(left) = left {
                let reached = self.days.get_mut(&left.day.number()).unwrap();
                *reached = (*reached).max(left.reached);
            }
        }

        /// Counts, then ends what is over; false where something was earned twice.
        fn run(&mut self, today: i64) -> bool {
            let Some(last) = self.last else { return true };
            let known = self.streak.counted_up_to(day(last));
            let days: Vec<ActiveDay> = self
                .days
                .iter()
                .rev()
                .map(|(number, reached)| ActiveDay { day: day(*number), reached: *reached })
                .filter(|it| Some(it.day) > known)
                .collect();
            let mut once = true;
            if let Some(change) = self.streak.count(day(today), day(last), &days) {
                self.leave(change.left);
                self.streak = change.streak;
                let first = last + 1 - i64::try_from(change.streak.count).unwrap();
                for count in change.before + 1..=change.streak.count {
                    let of = |(it, from, to): &(u64, i64, i64)| {
                        *it == count && *from <= last && *to >= first
                    };
                    once &= !self.earned.iter().any(of);
                    self.earned.push((count, first, last));
                }
            }
            if self.streak.day == Some(day(last)) && last < today - 1 {
                self.leave(self.streak.left());
                self.streak.count = 0;
            }
            once
        }
    }
}
