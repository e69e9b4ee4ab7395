//! What was run, for whom, and how long it took.

use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::{
    domain::{OFFICIAL_UUID, Timestamp, uuid_or_official},
    store::{
        AccountScope,
        jobs::{Job, JobAgent},
    },
};

/// What was run: an agent, or else a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skill<'a> {
    agent: Option<&'a JobAgent>,
    model: &'a str,
}

impl<'a> Skill<'a> {
    pub(super) const fn new(agent: Option<&'a JobAgent>, model: &'a str) -> Self {
        Self { agent, model }
    }

    pub(super) fn of(job: &'a Job) -> Self {
        Self { agent: job.agent.as_ref(), model: &job.model }
    }

    pub(super) fn name(&self) -> &'a str {
        self.agent.map_or(self.model, |agent| &agent.name)
    }

    /// Its UUID; for a model, which has none, the official one, and the name that it stands for.
    pub(super) fn uid(&self) -> (Uuid, Option<&'a str>) {
        match self.agent {
            Some(agent) => (agent.id.uuid(), None),
            None => (OFFICIAL_UUID, Some(self.model)),
        }
    }

    pub(super) fn tags(&self) -> Box<RawValue> {
        let tags = self.agent.and_then(|agent| RawValue::from_string(agent.tags.clone()).ok());
        tags.unwrap_or_else(no_tags)
    }
}

/// What a skill is called that was not named.
pub(super) const UNNAMED: &str = "unknown";

/// An empty JSON array.
pub(super) fn no_tags() -> Box<RawValue> {
    to_raw_value::<[(); 0]>(&[]).unwrap_or_default()
}

/// On whose behalf: the end user, or where none is named the account.
pub(super) fn user_uid(scope: AccountScope, user: Option<&str>) -> (Uuid, Option<&str>) {
    user.map_or((scope.account_id().uuid(), None), uuid_or_official)
}

/// Milliseconds since an attempt began; 0 where none did.
pub(super) fn latency_ms(started_at: Option<Timestamp>, ended_at: Timestamp) -> u64 {
    started_at.map_or(0, |started| millis(ended_at.since(started)))
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
