//! The two environments of an account.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::names;

/// Whether work moves live credits or runs on the sandbox alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Real providers, real credits.
    #[default]
    Live,
    /// The sandbox provider and play money: never a real provider, never live credits.
    Test,
}

impl Environment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Live, Self::Test];

    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// The environment of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == name)
    }
}

impl FromStr for Environment {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::parse(name).ok_or_else(|| names::unknown(name, &Self::ALL.map(Self::as_str)))
    }
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        names::read(deserializer, str::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_json_and_in_the_store() {
        for environment in Environment::ALL {
            let name = environment.as_str();
            assert_eq!(Environment::parse(name), Some(environment));
            assert_eq!(name.parse(), Ok(environment));
            assert_eq!(serde_json::to_value(environment).unwrap(), name);
            assert_eq!(serde_json::from_value::<Environment>(name.into()).unwrap(), environment);
        }
        assert!(serde_json::from_str::<Environment>("\"staging\"").is_err());
        assert!("staging".parse::<Environment>().is_err());
    }
}
