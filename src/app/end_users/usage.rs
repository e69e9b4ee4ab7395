//! What end users use: held against their caps where jobs are accepted, counted where they end. A job without an
//! end user costs no statement.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{
    app::{
        App, accounts,
        jobs::{self, Need},
    },
    domain::{
        CapPolicy, Credits, DAILY_TOKEN_CAP_MAX, DailyTokens, Day, DayOfUse, EndUserId, Result,
        TimeZone, Usage,
    },
    store::{
        AccountScope, Snapshot, Tx, end_users,
        jobs::Job,
        open_jobs::{self, Reservation},
    },
};

/// What jobs that are about to be accepted together may use of their end users' days. Those that were looked at
/// before count for those after them.
#[derive(Default)]
pub(in crate::app) struct DailyUse<'a> {
    rules: Option<(CapPolicy, Day)>,
    users: BTreeMap<&'a str, Draw>,
}

#[derive(Clone, Copy)]
struct Draw {
    tokens: DailyTokens,
    /// What these jobs add to the tokens in flight.
    more: u64,
}

impl<'a> DailyUse<'a> {
    /// Adds a job; refuses it where its end user has reached its cap. One that may not begin today is let in: it
    /// counts on the day on which it ends.
    pub(in crate::app) fn add(
        &mut self,
        app: &App,
        snapshot: &Snapshot<'_, AccountScope>,
        need: Need<'a>,
    ) -> Result<()> {
        let Some(user) = need.user else { return Ok(()) };
        let now = snapshot.now();
        let (policy, today) = match &mut self.rules {
            Some(rules) => rules,
            rules => {
                let policy = accounts::cap_policy(app, snapshot)?;
                let today = policy.timezone.day(now);
                rules.insert((policy, today))
            }
        };
        let is_later = policy.timezone.day(need.run_at) > *today;
        let draw = match self.users.entry(user) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let tokens = end_users::tokens(snapshot, user, *today)?;
                new.insert(Draw { tokens, more: 0 })
            }
        };
        if is_later {
            return Ok(());
        }
        policy.admit(user, draw.tokens, now)?;
        draw.tokens.in_flight = draw.tokens.in_flight.saturating_add(need.tokens);
        draw.more = draw.more.saturating_add(need.tokens);
        Ok(())
    }

    /// Counts them all as in flight.
    pub(in crate::app) fn open(self, app: &App, tx: &Tx<'_, AccountScope>) -> Result<InFlight> {
        for (user, draw) in self.users {
            let id = EndUserId::from_uuid(app.ambient.uuid());
            end_users::open(tx, id, user, draw.more)?;
        }
        Ok(InFlight(self.rules.map(|(policy, today)| (policy.timezone, today))))
    }
}

/// Which jobs were counted as in flight: those of end users that may begin on this day.
pub(in crate::app) struct InFlight(Option<(TimeZone, Day)>);

impl InFlight {
    /// What a job counts until it ends.
    pub(in crate::app) fn of(&self, need: Need<'_>) -> u64 {
        match (&self.0, need.user) {
            (Some((zone, today)), Some(_)) if zone.day(need.run_at) <= *today => need.tokens,
            _ => 0,
        }
    }
}

/// Why a job may not begin that did not count when it was accepted, as it was for a later day: its end user has
/// used up the cap of this one. What is only in flight is not in its way, as it would be refused for good: such jobs
/// may pass the cap together by as much as the queue runs at a time.
pub(in crate::app) fn capped_today(
    app: &App,
    snapshot: &Snapshot<'_, AccountScope>,
    job: &Job,
) -> Result<Option<String>> {
    let Some(user) = uncounted(job) else { return Ok(None) };
    let policy = accounts::cap_policy(app, snapshot)?;
    let now = snapshot.now();
    let today = end_users::tokens(snapshot, user, policy.timezone.day(now))?;
    let refused = policy.admit(user, DailyTokens { in_flight: 0, ..today }, now).err();
    Ok(refused.map(|refused| refused.message().to_owned()))
}

/// A job begins: one that did not count yet does so until it ends. Gives what it counts.
pub(in crate::app) fn count_in(app: &App, tx: &Tx<'_, AccountScope>, job: &Job) -> Result<u64> {
    let Some(user) = uncounted(job) else { return Ok(job.token_bound) };
    let tokens = jobs::tokens_of(job)?;
    end_users::open(tx, EndUserId::from_uuid(app.ambient.uuid()), user, tokens)?;
    open_jobs::count_tokens(tx, job.seq, tokens)?;
    Ok(tokens)
}

/// The end user whose tokens in flight the job is not among, if any.
fn uncounted(job: &Job) -> Option<&str> {
    job.user.as_deref().filter(|_| job.token_bound == 0)
}

/// A job is over without success: nothing of it counts.
pub(in crate::app) fn close(
    tx: &Tx<'_, AccountScope>,
    user: Option<&str>,
    tokens: u64,
) -> Result<()> {
    let Some(user) = user else { return Ok(()) };
    end_users::close(tx, user, tokens)
}

/// A job succeeded: what it used counts for the day on which it ends, where it has an end user.
pub(in crate::app) fn count(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: Reservation<'_>,
    usage: Usage,
    charged: Credits,
) -> Result<()> {
    let Some(user) = job.user else { return Ok(()) };
    let day = accounts::cap_policy(app, tx)?.timezone.day(tx.now());
    // What is above the largest cap says no more than it, and sums stay within their columns.
    let tokens = usage.total_tokens.min(DAILY_TOKEN_CAP_MAX);
    end_users::count(tx, user, job.aside.tokens, &DayOfUse { day, tokens, charged })
}
