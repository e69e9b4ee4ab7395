//! What the members of an account may do on the dashboard.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Scope, ScopeSet, names};

/// The role of a member in an account, the strongest first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Everything, members of every role included. An account keeps its last one.
    Owner,
    /// Everything but owners.
    Admin,
    /// Works with jobs, agents, webhooks and schedules.
    Developer,
    /// Looks.
    Viewer,
}

/// What everybody may do: see.
const SEES: [Scope; 8] = [
    Scope::AgentsRead,
    Scope::CreditsRead,
    Scope::JobsRead,
    Scope::KeysRead,
    Scope::LogsRead,
    Scope::SchedulesRead,
    Scope::UsageRead,
    Scope::WebhooksRead,
];
/// What developers may do besides.
const BUILDS: [Scope; 4] =
    [Scope::AgentsWrite, Scope::JobsWrite, Scope::SchedulesWrite, Scope::WebhooksWrite];
/// What admins may do besides that.
const MANAGES: [Scope; 1] = [Scope::KeysWrite];

impl MemberRole {
    /// Every role, the strongest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Developer, Self::Viewer];

    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// The table of what each role may do. The API holds every request to it, whoever draws the page.
    pub const fn scopes(self) -> ScopeSet {
        match self {
            Self::Owner => ScopeSet::ALL,
            Self::Admin => ScopeSet::of(&SEES).with(&BUILDS).with(&MANAGES),
            Self::Developer => ScopeSet::of(&SEES).with(&BUILDS),
            Self::Viewer => ScopeSet::of(&SEES),
        }
    }

    /// Whether somebody with these scopes may make, change or remove a member of this role: nobody gives or
    /// takes what is not theirs.
    pub const fn may_be_managed_with(self, scopes: ScopeSet) -> bool {
        self.scopes().is_subset(scopes)
    }
}

impl FromStr for MemberRole {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::parse(name).ok_or_else(|| names::unknown(name, &Self::ALL.map(Self::as_str)))
    }
}

impl<'de> Deserialize<'de> for MemberRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        names::read(deserializer, str::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_documented_one() {
        let seen = "agents:read credits:read jobs:read keys:read logs:read schedules:read usage:read webhooks:read";
        let names = |role: MemberRole| role.scopes().to_string();
        assert_eq!(names(MemberRole::Viewer), seen);
        let words = |text: &str| text.parse::<ScopeSet>().unwrap();
        let developer = format!("{seen} agents:write jobs:write schedules:write webhooks:write");
        assert_eq!(MemberRole::Developer.scopes(), words(&developer));
        assert_eq!(MemberRole::Admin.scopes(), words(&format!("{developer} keys:write")));
        assert_eq!(names(MemberRole::Owner), "*");
        for role in MemberRole::ALL {
            assert!(!role.scopes().contains(Scope::CreditsWrite), "the operator's alone");
            for scope in Scope::ALL.iter().filter(|scope| scope.as_str().ends_with(":read")) {
                assert!(role.scopes().contains(*scope), "{role:?} sees {scope:?}");
            }
        }
    }

    #[test]
    fn each_role_manages_those_that_are_no_stronger() {
        for (at, mine) in MemberRole::ALL.into_iter().enumerate() {
            for (other, role) in MemberRole::ALL.into_iter().enumerate() {
                assert_eq!(
                    role.may_be_managed_with(mine.scopes()),
                    at <= other,
                    "{mine:?} {role:?}"
                );
            }
        }
        // A key with some scopes manages no role that sees more than it does.
        let key: ScopeSet = "keys:read keys:write".parse().unwrap();
        assert!(MemberRole::ALL.iter().all(|role| !role.may_be_managed_with(key)));
    }

    #[test]
    fn names_are_the_same_in_json_and_in_the_store() {
        for role in MemberRole::ALL {
            assert_eq!(MemberRole::parse(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!("root".parse::<MemberRole>().is_err());
    }
}
