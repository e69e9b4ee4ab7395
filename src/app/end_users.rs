//! End users: the people that an account's jobs are for, by the names that it gives them in `user`. How many tokens
//! each may use in a day is checked where jobs are accepted, and what they used is counted where jobs end.

mod usage;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use usage::{DailyUse, InFlight, capped_today, close, count, count_in};

use super::{App, accounts};
use crate::{
    domain::{
        CapPolicy, Cursor, EndUserId, Error, Page, PageRequest, Result, Timestamp,
        check_daily_token_cap, check_external_id,
    },
    store::{
        AccountScope, Commit, Snapshot,
        end_users::{self, EndUser},
    },
};

/// `PATCH /v1/end-users/{external_id}`: what to change; what is left out stays.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndUserPatch {
    /// How many tokens it may use in a day, in place of the account's cap; 0 blocks it, null takes the cap away.
    #[serde(default, deserialize_with = "super::present")]
    #[schemars(with = "Option<u64>", range(max = 1_000_000_000_000_u64))]
    pub daily_token_cap: Option<Option<u64>>,
}

/// An end user as its account sees it.
#[derive(Clone, Debug)]
pub struct EndUserView {
    /// What is known of it.
    pub user: EndUser,
    /// The cap that it is held to, be it its own or the account's.
    pub daily_token_cap: Option<u64>,
    /// When its next day begins.
    pub resets_at: Timestamp,
}

impl EndUserView {
    fn of(user: EndUser, policy: &CapPolicy, now: Timestamp) -> Self {
        let daily_token_cap = policy.cap(user.daily_token_cap);
        Self { user, daily_token_cap, resets_at: policy.timezone.next_day(now) }
    }
}

/// The account's end users, newest first.
pub fn list(app: &App, scope: AccountScope, page: &PageRequest) -> Result<Page<EndUserView>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(EndUserId::from_uuid);
    let limit = super::one_more(page);
    let rows = app.store.read(scope, |snapshot| {
        let (policy, now) = (accounts::cap_policy(app, snapshot)?, snapshot.now());
        let users = end_users::list(snapshot, before, policy.timezone.day(now), limit)?;
        Ok(users.into_iter().map(|user| EndUserView::of(user, &policy, now)).collect())
    })?;
    Ok(Page::cut(rows, page.limit, |view: &EndUserView| Cursor::from_uuid(view.user.id.uuid())))
}

/// The account's end user of that name.
pub fn get(app: &App, scope: AccountScope, external_id: &str) -> Result<EndUserView> {
    app.store.read(scope, |snapshot| must_find(app, snapshot, external_id))
}

/// Changes the account's end user of that name, and makes it where there is none yet: a cap can be set before
/// the first job.
pub fn update(
    app: &Arc<App>,
    scope: AccountScope,
    external_id: String,
    patch: EndUserPatch,
) -> Commit<EndUserView> {
    let checked = check_external_id(&external_id)
        .and_then(|()| check_daily_token_cap(patch.daily_token_cap.flatten()));
    if let Err(error) = checked {
        return Commit::refused(error);
    }
    let this = Arc::clone(app);
    app.store.write(scope, move |tx| {
        let id = EndUserId::from_uuid(this.ambient.uuid());
        match patch.daily_token_cap {
            Some(cap) => end_users::set_cap(tx, id, &external_id, cap)?,
            None => end_users::open(tx, id, &external_id, 0)?,
        }
        must_find(&this, tx, &external_id)
    })
}

fn must_find(
    app: &App,
    snapshot: &Snapshot<'_, AccountScope>,
    external_id: &str,
) -> Result<EndUserView> {
    let (policy, now) = (accounts::cap_policy(app, snapshot)?, snapshot.now());
    let found = end_users::find(snapshot, external_id, policy.timezone.day(now))?;
    let user = found.ok_or_else(|| Error::not_found("end user"))?;
    Ok(EndUserView::of(user, &policy, now))
}
