//! What end users use: held against their caps where jobs are accepted, counted where they end. A job without an
//! end user costs no statement.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{
    app::{App, accounts},
    domain::{
        CapPolicy, Credits, DAILY_TOKEN_CAP_MAX, DailyTokens, Day, DayOfUse, EndUserId, Result,
        Usage,
    },
    store::{AccountScope, Snapshot, Tx, end_users, open_jobs::OpenJob},
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
    /// Adds a job that may use up to `bound` tokens; refuses it where its end user has reached its cap.
    pub(in crate::app) fn add(
        &mut self,
        app: &App,
        snapshot: &Snapshot<'_, AccountScope>,
        user: Option<&'a str>,
        bound: u64,
    ) -> Result<()> {
        let Some(user) = user else { return Ok(()) };
        let now = snapshot.now();
        let (policy, today) = match &mut self.rules {
            Some(rules) => rules,
            rules => {
                let policy = accounts::cap_policy(app, snapshot)?;
                let today = policy.timezone.day(now);
                rules.insert((policy, today))
            }
        };
        let draw = match self.users.entry(user) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let tokens = end_users::tokens(snapshot, user, *today)?;
                new.insert(Draw { tokens, more: 0 })
            }
        };
        policy.admit(user, draw.tokens, now)?;
        draw.tokens.in_flight = draw.tokens.in_flight.saturating_add(bound);
        draw.more = draw.more.saturating_add(bound);
        Ok(())
    }

    /// Counts them all as in flight.
    pub(in crate::app) fn open(self, app: &App, tx: &Tx<'_, AccountScope>) -> Result<()> {
        for (user, draw) in self.users {
            let id = EndUserId::from_uuid(app.ambient.uuid());
            end_users::open(tx, id, user, draw.more)?;
        }
        Ok(())
    }
}

/// A job is over without success: nothing of it counts.
pub(in crate::app) fn close(tx: &Tx<'_, AccountScope>, job: &OpenJob) -> Result<()> {
    let Some(user) = &job.user else { return Ok(()) };
    end_users::close(tx, user, job.token_bound)
}

/// A job succeeded: what it used counts for the day on which it ends, where it has an end user.
pub(in crate::app) fn count(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &OpenJob,
    usage: Usage,
    charged: Credits,
) -> Result<()> {
    let Some(user) = &job.user else { return Ok(()) };
    let day = accounts::cap_policy(app, tx)?.timezone.day(tx.now());
    // What is above the largest cap says no more than it, and sums stay within their columns.
    let tokens = usage.total_tokens.min(DAILY_TOKEN_CAP_MAX);
    end_users::count(tx, user, job.token_bound, &DayOfUse { day, tokens, charged })
}
