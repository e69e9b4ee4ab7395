//! What becomes of occurrences that were missed, and of those that come while an earlier one is at work.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::names;

/// What becomes of occurrences that passed while the server was stopped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are left out.
    Skip,
    /// One run makes up for all of them.
    #[default]
    One,
    /// Each is run, up to a bound.
    All,
}

impl CatchUp {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Skip, Self::One, Self::All];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::One => "one",
            Self::All => "all",
        }
    }

    /// The policy of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == name)
    }
}

impl<'de> Deserialize<'de> for CatchUp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        names::read(deserializer, |name| {
            Self::parse(name).ok_or_else(|| names::unknown(name, &Self::ALL.map(Self::as_str)))
        })
    }
}

/// What becomes of an occurrence that comes while an earlier one of its schedule is not over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It waits until the earlier one is over.
    Queue,
    /// It runs beside the earlier one.
    Allow,
}

impl Overlap {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Queue, Self::Allow];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow => "allow",
        }
    }

    /// The policy of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == name)
    }
}

impl<'de> Deserialize<'de> for Overlap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        names::read(deserializer, |name| {
            Self::parse(name).ok_or_else(|| names::unknown(name, &Self::ALL.map(Self::as_str)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_json_and_in_the_store() {
        for policy in CatchUp::ALL {
            assert_eq!(CatchUp::parse(policy.as_str()), Some(policy));
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
        }
        for policy in Overlap::ALL {
            assert_eq!(Overlap::parse(policy.as_str()), Some(policy));
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
        }
        let error = serde_json::from_str::<Overlap>("\"wait\"").unwrap_err().to_string();
        assert!(error.contains("one of `skip`, `queue`, `allow`"), "{error}");
        assert!(serde_json::from_str::<CatchUp>(r#"{"one":null}"#).is_err());
    }
}
