//! What pages that show changes as they happen are told of.

use super::{Scope, ScopeSet};

macro_rules! topics {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $scope:expr;)+) => {
        /// A kind of object that changes.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Topic {
            $($(#[$doc])* $name,)+
        }

        impl Topic {
            /// Every topic.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name in the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The scope that lets one read of it; `None`: the operator alone does.
            pub const fn scope(self) -> Option<Scope> {
                match self {
                    $(Self::$name => $scope,)+
                }
            }
        }
    };
}

topics! {
    /// Jobs, and their steps.
    Jobs = "jobs", Some(Scope::JobsRead);
    /// Batches, and their counts.
    Batches = "batches", Some(Scope::JobsRead);
    /// Agents, their versions and their health.
    Agents = "agents", Some(Scope::AgentsRead);
    /// Evals and their runs.
    Evals = "evals", Some(Scope::AgentsRead);
    /// Balance, grants and entries of the ledger.
    Ledger = "ledger", Some(Scope::CreditsRead);
    /// Webhook endpoints.
    Endpoints = "endpoints", Some(Scope::WebhooksRead);
    /// Webhook deliveries and their attempts.
    Deliveries = "deliveries", Some(Scope::WebhooksRead);
    /// Work that was given up.
    DeadLetters = "dead_letters", Some(Scope::JobsRead);
    /// What tasks can run.
    Functions = "functions", Some(Scope::SchedulesRead);
    /// Scheduled tasks.
    Tasks = "tasks", Some(Scope::SchedulesRead);
    /// Schedules.
    Schedules = "schedules", Some(Scope::SchedulesRead);
    /// Projects.
    Projects = "projects", Some(Scope::KeysRead);
    /// API keys.
    Keys = "keys", Some(Scope::KeysRead);
    /// Who may sign in to the account.
    Members = "members", Some(Scope::KeysRead);
    /// End users, their days and streaks.
    EndUsers = "end_users", Some(Scope::UsageRead);
    /// What was used, by day, key and project.
    Usage = "usage", Some(Scope::UsageRead);
    /// The log of requests.
    Logs = "logs", Some(Scope::LogsRead);
    /// Who changed what.
    Audit = "audit", Some(Scope::LogsRead);
    /// The server itself: accounts, duties, queues that stand still, what operators see in logs.
    Server = "server", None;
    /// How much the server has to do: what queues hold, which providers are called.
    Load = "load", None;
}

impl Topic {
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of topics, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Topics(u32);

impl Topics {
    /// No topic.
    pub const NONE: Self = Self(0);
    /// Every topic.
    pub const ALL: Self = Self((1 << Topic::ALL.len()) - 1);
    /// What an account has once, also where it has a twin for tests.
    pub const SHARED: Self =
        Self::NONE.with(Topic::Projects).with(Topic::Keys).with(Topic::Members).with(Topic::Audit);

    /// The set and this topic.
    #[must_use]
    pub const fn with(self, topic: Topic) -> Self {
        Self(self.0 | topic.bit())
    }

    /// What either has.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the topic is among them.
    pub const fn has(self, topic: Topic) -> bool {
        self.0 & topic.bit() != 0
    }

    /// True where it has no topic.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What may be heard with these scopes.
    pub fn heard_with(scopes: ScopeSet, is_operator: bool) -> Self {
        let may =
            |topic: &&Topic| topic.scope().map_or(is_operator, |scope| scopes.contains(scope));
        Topic::ALL.iter().filter(may).fold(Self::NONE, |set, topic| set.with(*topic))
    }

    /// The names of its topics.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Topic::ALL.iter().filter(move |topic| self.has(**topic)).map(|topic| topic.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in() {
        let set = Topics::NONE.with(Topic::Jobs).or(Topics::NONE.with(Topic::Server));
        assert_eq!(set.names().collect::<Vec<_>>(), ["jobs", "server"]);
        assert!(set.common(Topics::SHARED).is_empty() && Topics::NONE.is_empty());
        assert_eq!(Topics::ALL.names().count(), Topic::ALL.len());
    }

    #[test]
    fn scopes_say_what_is_heard() {
        let scopes = ScopeSet::parse(["jobs:read", "agents:write"]).unwrap();
        let heard: Vec<_> = Topics::heard_with(scopes, false).names().collect();
        assert_eq!(heard, ["jobs", "batches", "dead_letters"]);
        let all = Topics::heard_with(ScopeSet::ALL, false);
        assert_eq!(all.with(Topic::Server).with(Topic::Load), Topics::ALL);
        assert!(!all.names().any(|name| ["server", "load"].contains(&name)));
        let heard: Vec<_> = Topics::heard_with(ScopeSet::default(), true).names().collect();
        assert_eq!(heard, ["server", "load"]);
    }
}
