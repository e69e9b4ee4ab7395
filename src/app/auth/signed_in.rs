//! Callers who signed in on the dashboard. They act as a key of one project would: the one that they name, else the
//! first that they have. What they may do there is what their role says.

use std::{sync::Arc, time::Duration};

use super::{Authenticator, Session, cache::Digest, tokens::TokenKind, verify::digest};
use crate::{
    ambient::lock,
    app::{
        argon::HashCost,
        limits::{self, KeyBuckets, RateClass, RateLimits},
    },
    domain::{
        ApiKeyId, DashboardSessionId, Error, ErrorKind, MemberRole, Payer, ProjectId, RateLimit,
        Result, Timestamp, UserId,
    },
    store::{
        SystemScope,
        api_keys::{self, ApiKey},
        dashboard_sessions::{self, Place, Visitor},
    },
};

/// How often it is noted that a session is used.
const TOUCHED_EVERY: Duration = Duration::from_mins(1);

/// How long people stay signed in, and how much they may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionSettings {
    /// After so long without a request a session is over.
    pub ttl: Duration,
    /// After so long it is over in any case.
    pub max: Duration,
    /// Requests of each person in each rate class.
    pub rate_limit: RateLimit,
    /// What it costs to hash a password: people choose worse ones than a program draws keys.
    pub password_cost: HashCost,
}

impl Default for SessionSettings {
    fn default() -> Self {
        let day = Duration::from_hours(24);
        let rate_limit = RateLimit { limit: 1_200, window: Duration::from_mins(1) };
        let password_cost = HashCost { memory_kib: 19 * 1024, passes: 2 };
        Self { ttl: 14 * day, max: 90 * day, rate_limit, password_cost }
    }
}

/// Who signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// The person.
    pub id: UserId,
    /// The person's internal number.
    pub person: i64,
    /// The person's address.
    pub email: String,
    /// The browser.
    pub session: DashboardSessionId,
    /// Whether the person is an operator, who acts in every account as an owner.
    pub is_operator: bool,
    /// Whether the person is a member of the account. An operator need not be.
    pub is_member: bool,
    /// What the person is in the account.
    pub role: MemberRole,
}

/// The cookie is none, or none any more.
pub fn not_signed_in() -> Error {
    let message = "you are not signed in, or not any more; sign in on the dashboard";
    Error::new(ErrorKind::Unauthenticated, message)
}

impl Authenticator {
    /// The session of a cookie's token, where it is known and need not be looked up. `project` is where the caller
    /// wants to act.
    pub fn known_session(&self, token: &str, project: Option<ProjectId>) -> Option<Arc<Session>> {
        let shared = &*self.shared;
        let key = self.place_of(token, project);
        let known = lock(&shared.cache).signed_in.get(&key, shared.ambient.monotonic())?.clone();
        // One that seems over may have been used since elsewhere: the store knows.
        known.expires_at.is_none_or(|end| end > shared.ambient.now()).then_some(known)
    }

    /// Looks the session of a cookie's token up. 401 where there is none: nobody guesses one, so that counts for
    /// nothing. 404 where the project is of no account of theirs, which counts as a request of theirs. Blocks.
    pub fn open_session(&self, token: &str, project: Option<ProjectId>) -> Result<Arc<Session>> {
        let shared = &*self.shared;
        let began = shared.ambient.monotonic();
        let changes = self.changes();
        let session = self.look_up(token, project, Self::touch)?;
        let mut cache = lock(&shared.cache);
        if self.changes() == changes {
            let key = self.place_of(token, project);
            cache.remember_signed_in(key, &session, began);
        }
        Ok(session)
    }

    /// The same for an answer that goes on. That is no use of the session: nothing is noted, nor is it known after, as
    /// then no request would be noted either.
    pub fn open_again(&self, token: &str, project: Option<ProjectId>) -> Result<Arc<Session>> {
        self.look_up(token, project, |_, visitor| visitor.session.expires_at)
    }

    fn look_up(
        &self,
        token: &str,
        project: Option<ProjectId>,
        end: impl FnOnce(&Self, &Visitor) -> Timestamp,
    ) -> Result<Arc<Session>> {
        let shared = &*self.shared;
        let hash = TokenKind::Session.hash(token).ok_or_else(not_signed_in)?;
        let found = shared.store.read(SystemScope::new(), |snapshot| {
            let Some(visitor) = dashboard_sessions::visitor(snapshot, &hash)? else {
                return Ok(None);
            };
            if visitor.session.expires_at <= snapshot.now() {
                return Err(not_signed_in());
            }
            let first = || dashboard_sessions::first_project(snapshot, &visitor);
            let wanted = project.map_or_else(first, |project| Ok(Some(project)))?;
            let wanted = wanted.ok_or_else(not_signed_in)?;
            let place = dashboard_sessions::place(snapshot, wanted, visitor.user)?;
            Ok(Some((visitor, place)))
        })?;
        let (visitor, place) = found.ok_or_else(not_signed_in)?;
        let is_allowed = |place: &Place| place.role.is_some() || visitor.is_operator;
        let Some(place) = place.filter(is_allowed) else {
            self.count_request(visitor.user)?;
            return Err(Error::not_found("project"));
        };
        let key = self.dashboard_key(&place)?;
        let expires_at = end(self, &visitor);
        Ok(Arc::new(self.signed_in(visitor, &place, &key, expires_at)))
    }

    /// Counts a request that somebody who signed in sends where nothing else counts it. 429 above their limit.
    pub fn count_request(&self, user: UserId) -> Result<()> {
        let (buckets, limit) = self.user_budget(user);
        let quota = buckets.take(RateClass::Read, limit, self.shared.ambient.monotonic());
        if quota.allowed { Ok(()) } else { Err(limits::exceeded(RateClass::Read, limit, quota)) }
    }

    /// Until when a session holds that was begun then and is used now.
    pub fn session_end(&self, created_at: Timestamp, now: Timestamp) -> Timestamp {
        let SessionSettings { ttl, max, .. } = self.shared.settings.sessions;
        now.plus(ttl).min(created_at.plus(max))
    }

    /// The buckets of somebody who signed in, and their limit.
    pub fn user_budget(&self, user: UserId) -> (Arc<KeyBuckets>, RateLimit) {
        let shared = &*self.shared;
        let buckets = shared.user_limits.of(user, shared.ambient.monotonic());
        (buckets, shared.settings.sessions.rate_limit)
    }

    /// For how long a session holds at most.
    pub fn longest_session(&self) -> Duration {
        self.shared.settings.sessions.max
    }

    fn place_of(&self, token: &str, project: Option<ProjectId>) -> Digest {
        let project = project.map(|id| id.to_string()).unwrap_or_default();
        digest(&self.shared.hasher, &format!("{project} {token}"))
    }

    /// The key that pays for what people start in the project; made when it is first needed.
    fn dashboard_key(&self, place: &Place) -> Result<ApiKey> {
        let (store, project) = (&self.shared.store, place.project.0);
        let found = store.read(place.home, |snapshot| api_keys::of_dashboard(snapshot, project))?;
        if let Some(key) = found {
            return Ok(key);
        }
        let id = ApiKeyId::from_uuid(self.shared.ambient.uuid());
        let made = store.write(place.home, move |tx| {
            api_keys::add_of_dashboard(tx, id, project)?;
            api_keys::of_dashboard(tx, project)
        });
        made.wait()?.ok_or_else(|| Error::internal("the dashboard's key is not there"))
    }

    /// Notes now and then that the session is used; gives until when it holds.
    fn touch(&self, visitor: &Visitor) -> Timestamp {
        let (now, session) = (self.shared.ambient.now(), &visitor.session);
        if now.since(session.last_seen_at) < TOUCHED_EVERY {
            return session.expires_at;
        }
        let (id, end) = (session.id, self.session_end(session.created_at, now));
        // Nobody waits for it: the next use would do it again.
        drop(
            self.shared
                .store
                .write(SystemScope::new(), move |tx| dashboard_sessions::touch(tx, id, end)),
        );
        end
    }

    fn signed_in(
        &self,
        visitor: Visitor,
        place: &Place,
        key: &ApiKey,
        expires_at: Timestamp,
    ) -> Session {
        let shared = &*self.shared;
        let role = if visitor.is_operator {
            MemberRole::Owner
        } else {
            place.role.unwrap_or(MemberRole::Viewer)
        };
        Session {
            key: key.id,
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            key_seq: key.seq,
            home: place.home,
            scope: place.scope,
            project: place.project,
            payer: Payer {
                project: place.project.1,
                project_limit: place.project_limit,
                key: key.id,
                key_limit: None,
            },
            scopes: role.scopes(),
            allowed: None,
            expires_at: Some(expires_at),
            rate_limits: RateLimits::all(shared.settings.sessions.rate_limit),
            account_suspended: place.suspended_at.is_some(),
            buckets: shared.user_limits.of(visitor.user, shared.ambient.monotonic()),
            user: Some(SignedIn {
                id: visitor.user,
                person: visitor.person,
                email: visitor.email,
                session: visitor.session.id,
                is_operator: visitor.is_operator,
                is_member: place.role.is_some(),
                role,
            }),
        }
    }
}
