//! What an API key may do.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal)+) => {
        /// One permission.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Scope {
            $($(#[$doc])* $name,)+
        }

        impl Scope {
            /// Every scope, by name.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name in the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

scopes! {
    /// See agents.
    AgentsRead = "agents:read"
    /// Make, change and archive agents.
    AgentsWrite = "agents:write"
    /// See the balance, the ledger and the grants.
    CreditsRead = "credits:read"
    /// Grant credits. The operator's alone: no key of a tenant holds it.
    CreditsWrite = "credits:write"
    /// See jobs, batches and their events.
    JobsRead = "jobs:read"
    /// Submit, cancel and retry jobs.
    JobsWrite = "jobs:write"
    /// See projects, keys and members.
    KeysRead = "keys:read"
    /// Make, change and revoke projects, keys and members.
    KeysWrite = "keys:write"
    /// See the logs of requests and invocations.
    LogsRead = "logs:read"
    /// See functions, tasks and schedules.
    SchedulesRead = "schedules:read"
    /// Make, change and run functions, tasks and schedules.
    SchedulesWrite = "schedules:write"
    /// See usage.
    UsageRead = "usage:read"
    /// See webhook endpoints and deliveries.
    WebhooksRead = "webhooks:read"
    /// Make, change and redrive webhook endpoints and deliveries.
    WebhooksWrite = "webhooks:write"
}

/// The text names no scope that a key of a tenant can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedScope {
    /// No such scope.
    #[error("`{0}` is not a scope; use `*` or some of {list}", list = grantable())]
    Unknown(String),
    /// The operator's alone.
    #[error("`credits:write` belongs to the operator alone; no API key can hold it")]
    OperatorOnly,
}

fn grantable() -> String {
    let names = Scope::ALL.iter().filter(|scope| **scope != Scope::CreditsWrite);
    names.map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

impl Scope {
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The scopes of a key. `*` is more than the list of all: it holds scopes yet to come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ScopeSet(u16);

impl ScopeSet {
    /// Everything that a tenant may do.
    pub const ALL: Self = Self(1 << 15);

    /// Reads a list of names. `*` stands for all, `billing:read` for `credits:read`.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, RefusedScope> {
        let mut set = Self::default();
        for name in names {
            set.0 |= match name {
                "*" => Self::ALL.0,
                "billing:read" => Scope::CreditsRead.bit(),
                "credits:write" => return Err(RefusedScope::OperatorOnly),
                _ => Scope::ALL
                    .iter()
                    .find(|scope| scope.as_str() == name)
                    .ok_or_else(|| RefusedScope::Unknown(name.chars().take(64).collect()))?
                    .bit(),
            };
        }
        Ok(set.normal())
    }

    /// The set of these scopes.
    pub const fn of(scopes: &[Scope]) -> Self {
        Self(0).with(scopes)
    }

    /// The set with these scopes besides.
    #[must_use]
    pub const fn with(mut self, scopes: &[Scope]) -> Self {
        let mut at = 0;
        while at < scopes.len() {
            self.0 |= scopes[at].bit();
            at += 1;
        }
        self
    }

    /// Every single scope that the set allows, where [`names`](Self::names) would say `*`.
    pub fn each(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }

    /// True where the set allows `scope`. Never for `credits:write`.
    pub const fn contains(self, scope: Scope) -> bool {
        !matches!(scope, Scope::CreditsWrite) && (self.is_all() || self.0 & scope.bit() != 0)
    }

    /// True where `other` allows all that `self` allows, now and later.
    pub const fn is_subset(self, other: Self) -> bool {
        other.is_all() || (!self.is_all() && self.0 & !other.0 == 0)
    }

    /// True where the set allows nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn is_all(self) -> bool {
        self.0 & Self::ALL.0 != 0
    }

    const fn normal(self) -> Self {
        if self.is_all() { Self::ALL } else { self }
    }

    /// The names, sorted; `*` alone for all.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let star = self.is_all().then_some("*");
        let named = move |scope: &&Scope| !self.is_all() && self.contains(**scope);
        star.into_iter().chain(Scope::ALL.iter().filter(named).map(|scope| scope.as_str()))
    }
}

impl fmt::Display for ScopeSet {
    /// The names with spaces between, as in OAuth (RFC 6749 §3.3).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.names().enumerate() {
            write!(out, "{}{name}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl FromStr for ScopeSet {
    type Err = RefusedScope;

    /// Reads names with spaces or commas between.
    fn from_str(text: &str) -> Result<Self, RefusedScope> {
        Self::parse(text.split([' ', ',']).filter(|name| !name.is_empty()))
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(names.iter().map(Cow::as_ref)).map_err(de::Error::custom)
    }
}

impl JsonSchema for ScopeSet {
    fn schema_name() -> Cow<'static, str> {
        "Scopes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut names: Vec<&str> = vec!["*", "billing:read"];
        let tenant = Scope::ALL.iter().filter(|scope| **scope != Scope::CreditsWrite);
        names.extend(tenant.map(|scope| scope.as_str()));
        json_schema!({
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "enum": names},
            "description": "Scopes, sorted. `*` is all that a tenant may do; `billing:read` is another name of `credits:read`.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        text.parse().unwrap()
    }

    #[test]
    fn holds_what_it_names() {
        let scopes = set("jobs:write billing:read jobs:read");
        assert!(scopes.contains(Scope::JobsRead) && scopes.contains(Scope::CreditsRead));
        assert!(!scopes.contains(Scope::KeysRead));
        assert_eq!(
            serde_json::to_string(&scopes).unwrap(),
            r#"["credits:read","jobs:read","jobs:write"]"#
        );
    }

    #[test]
    fn all_is_everything_but_the_operators() {
        let all = set("jobs:read,*");
        for scope in Scope::ALL {
            assert_eq!(all.contains(*scope), *scope != Scope::CreditsWrite);
        }
        assert_eq!(serde_json::to_string(&all).unwrap(), r#"["*"]"#);
        assert_eq!("credits:write".parse::<ScopeSet>(), Err(RefusedScope::OperatorOnly));
        assert!(matches!("jobs".parse::<ScopeSet>(), Err(RefusedScope::Unknown(_))));
    }

    #[test]
    fn a_child_never_has_more_than_its_parent() {
        let parent = set("jobs:read jobs:write");
        assert!(set("jobs:read").is_subset(parent) && set("").is_subset(parent));
        assert!(!set("keys:read").is_subset(parent) && !ScopeSet::ALL.is_subset(parent));
        assert!(parent.is_subset(ScopeSet::ALL) && ScopeSet::ALL.is_subset(ScopeSet::ALL));
    }

    #[test]
    fn names_are_sorted() {
        assert!(Scope::ALL.is_sorted_by_key(|scope| scope.as_str()));
    }
}
