//! `streak-updater`: counts the days in a row on which end users were active, and gives the account what they earn. A
//! streak and its bonus change in one transaction, so that nothing is counted or given twice.

use std::sync::Arc;

use super::ROWS;
use crate::{
    app::{App, accounts, credits},
    domain::{
        AHEAD, ActiveDay, Bucket, Credits, Day, EndUserId, ErrorKind, GrantId, Result, Streak,
        StreakChange,
    },
    store::{
        AccountScope, Commit, Snapshot, Tx,
        grants::NewGrant,
        streaks::{self, ToCount},
    },
};

/// Days that one transaction looks at, but for those of its last end user.
const DAYS_PER_WRITE: usize = 20_000;
/// Days of one end user that are looked at: what is before does not count where its whole streak is new.
const DAYS: u32 = 10_000;
/// Bonuses that one transaction gives, but for those of its last end user.
const BONUSES_PER_WRITE: u64 = 100;

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Streaks with days that were not counted before.
    pub incremented: u64,
    /// Streaks that ended, also where another one began since.
    pub reset: u64,
    /// Bonuses that were given.
    pub bonuses: u64,
    /// What they are together.
    pub bonus_credits: Credits,
    /// Bonuses that were not given, since the account has had as much today as it may.
    pub bonuses_withheld: u64,
}

/// The account's day, by the clock of its time zone. Blocks while it reads.
pub fn today(app: &App, scope: AccountScope) -> Result<Day> {
    app.store.read(scope, |snapshot| day(app, snapshot))
}

fn day(app: &App, snapshot: &Snapshot<'_, AccountScope>) -> Result<Day> {
    Ok(accounts::cap_policy(app, snapshot)?.timezone.day(snapshot.now()))
}

/// Counts the days of the next end users above number `after` who have some that were not counted. Gives the number
/// after which to go on; `None` where these were the last.
pub fn count_some(
    app: &Arc<App>,
    scope: AccountScope,
    after: i64,
) -> Commit<(Counted, Option<i64>)> {
    let this = Arc::clone(app);
    app.store.write(scope, move |tx| {
        let users = streaks::to_count(tx, after, ROWS)?;
        let mut counting = Counting::begin(&this, tx)?;
        for user in &users {
            counting.user(user)?;
            if counting.is_long() {
                return Ok((counting.end()?, Some(user.seq)));
            }
        }
        let last = users.last().filter(|_| users.len() == ROWS as usize);
        Ok((counting.end()?, last.map(|user| user.seq)))
    })
}

/// A transaction that counts.
struct Counting<'a, 'c> {
    app: &'a App,
    tx: &'a Tx<'c, AccountScope>,
    today: Day,
    counted: Counted,
    /// Days that were looked at.
    days: usize,
    /// What streaks earned the account today, once that was looked up.
    given: Option<(Day, Credits)>,
}

impl<'a, 'c> Counting<'a, 'c> {
    fn begin(app: &'a App, tx: &'a Tx<'c, AccountScope>) -> Result<Self> {
        let today = day(app, tx)?;
        Ok(Self { app, tx, today, counted: Counted::default(), days: 0, given: None })
    }

    fn is_long(&self) -> bool {
        self.days >= DAYS_PER_WRITE || self.counted.bonuses >= BONUSES_PER_WRITE
    }

    fn user(&mut self, user: &ToCount) -> Result<()> {
        let ToCount { seq, streak, last_active_on: last, .. } = *user;
        let after = streak.counted_up_to(last);
        let days = streaks::active_days(self.tx, seq, after, DAYS)?;
        self.days += days.len();
        let Some(change) = streak.count(self.today, last, &days) else { return Ok(()) };
        set(self.tx, seq, change.streak, change.left)?;
        self.counted.incremented += u64::from(change.streak.count > 0);
        self.counted.reset += u64::from(streak.count > 0 && change.is_new);
        self.reward(user, change)
    }

    fn reward(&mut self, user: &ToCount, change: StreakChange) -> Result<()> {
        let app = self.app;
        for (days, bonus) in app.settings.streaks.earned(change.before, change.streak.count) {
            if self.give(user.id, days, bonus)? {
                self.counted.bonuses += 1;
                let credits = [self.counted.bonus_credits, bonus];
                self.counted.bonus_credits = credits.into_iter().sum();
            } else {
                self.counted.bonuses_withheld += 1;
            }
        }
        Ok(())
    }

    /// Gives a bonus; false where the account may not have it.
    fn give(&mut self, user: EndUserId, days: u64, amount: Credits) -> Result<bool> {
        let (day, given) = self.given_today()?;
        let most = self.app.settings.streaks.max_bonus_per_day;
        let Some(total) = given.checked_add(amount).filter(|total| *total <= most) else {
            return Ok(false);
        };
        let new = NewGrant {
            id: GrantId::from_uuid(self.app.ambient.uuid()),
            bucket: Bucket::Free,
            amount,
            reason: format!("{days} days in a row of end user {user}"),
            expires_at: None,
            request_id: None,
            stripe_event: None,
        };
        match credits::give(self.app, self.tx, &new, "streak") {
            Ok(_) => self.given = Some((day, total)),
            // The account has as many credits as can be counted, and nothing was written.
            Err(refused) if refused.kind() == ErrorKind::InvalidRequest => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// What was given on the day that counts, which is a later one where clock or time zone were put back.
    fn given_today(&mut self) -> Result<(Day, Credits)> {
        if let Some(given) = self.given {
            return Ok(given);
        }
        let last = streaks::bonus(self.tx)?;
        let given = last.filter(|(day, _)| *day >= self.today);
        let (day, given) = given.unwrap_or((self.today, Credits::ZERO));
        // A clock that was far ahead is not to count until that day.
        Ok(*self.given.insert((day.min(self.today.plus(AHEAD)), given)))
    }

    fn end(self) -> Result<Counted> {
        if let Some((day, given)) = self.given {
            streaks::set_bonus(self.tx, day, given)?;
        }
        Ok(self.counted)
    }
}

fn set(
    tx: &Tx<'_, AccountScope>,
    end_user: i64,
    streak: Streak,
    left: Option<ActiveDay>,
) -> Result<()> {
    streaks::set(tx, end_user, streak)?;
    left.map_or(Ok(()), |left| streaks::leave(tx, end_user, left))
}

/// Ends streaks of end users who were not active since before yesterday. Gives how many, and whether there may be more.
pub fn end_some(app: &Arc<App>, scope: AccountScope) -> Commit<(u64, bool)> {
    let this = Arc::clone(app);
    app.store.write(scope, move |tx| {
        let yesterday = day(&this, tx)?.plus(-1);
        let ended = streaks::to_end(tx, yesterday, ROWS)?;
        for (end_user, streak) in &ended {
            set(tx, *end_user, Streak { count: 0, ..*streak }, streak.left())?;
        }
        Ok((ended.len() as u64, ended.len() == ROWS as usize))
    })
}
