//! What the functions of the server itself do for one account, in transactions that are short however much there is.
//! Each may come twice, or at the same time as itself, and may end between any two of them.

pub mod batch;
pub mod cleanup;
pub mod streaks;
mod token_reset;

use serde_json::Value;

pub use batch::BatchOrder;
pub use token_reset::{TokenReset, token_reset};

use crate::domain::{Builtin, Error, Result};

/// Rows that one transaction changes, at most.
pub(in crate::app) const ROWS: u32 = 500;

/// Refuses a payload that the function does not understand. All but `batch-ai-processor` take none, or an object
/// without members.
pub fn check_payload(builtin: Builtin, payload: Option<&Value>) -> Result<()> {
    match builtin {
        Builtin::BatchAiProcessor => BatchOrder::read(payload).map(drop),
        Builtin::DailyTokenReset | Builtin::StreakUpdater | Builtin::CleanupExpiredTokens => {
            members(payload, &[], |name, _| Err(unknown(name, &[])))
        }
    }
}

/// Hands `take` the members of a payload, each of which must be one of `known`.
fn members(
    payload: Option<&Value>,
    known: &[&str],
    mut take: impl FnMut(&str, &Value) -> Result<()>,
) -> Result<()> {
    let members = match payload {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(members)) => members,
        Some(_) => {
            let message = "the payload of a built-in function must be an object, or left out";
            return Err(Error::invalid("payload", message));
        }
    };
    members.iter().try_for_each(|(name, value)| {
        if known.contains(&name.as_str()) { take(name, value) } else { Err(unknown(name, known)) }
    })
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let allowed = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let message = format!("this function knows no such member; it takes {allowed}");
    Error::invalid(format!("payload/{name}"), message)
}

/// Reads a whole number from 1 to `most`.
fn whole(name: &str, value: &Value, most: usize) -> Result<usize> {
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    number.filter(|number| (1..=most).contains(number)).ok_or_else(|| {
        let message = format!("{name} must be a whole number from 1 to {most}");
        Error::invalid(format!("payload/{name}"), message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn payloads_are_checked() {
        for builtin in Builtin::ALL {
            for good in [None, Some(json!(null)), Some(json!({}))] {
                check_payload(builtin, good.as_ref()).unwrap();
            }
            for (bad, param) in [
                (json!([]), "payload"),
                (json!("size"), "payload"),
                (json!({"user": 1}), "payload/user"),
            ] {
                let refused = check_payload(builtin, Some(&bad)).unwrap_err();
                assert_eq!(refused.param(), Some(param), "{bad}");
            }
        }
        let good = json!({"size": 1000, "limit": 10_000});
        check_payload(Builtin::BatchAiProcessor, Some(&good)).unwrap();
        assert!(check_payload(Builtin::StreakUpdater, Some(&good)).is_err());
        for (bad, param) in [
            (json!({"size": 0}), "payload/size"),
            (json!({"size": 1001}), "payload/size"),
            (json!({"size": null}), "payload/size"),
            (json!({"size": 1, "limit": "9"}), "payload/limit"),
            (json!({"limit": 10_001}), "payload/limit"),
            (json!({"limit": 1.5}), "payload/limit"),
        ] {
            let refused = check_payload(Builtin::BatchAiProcessor, Some(&bad)).unwrap_err();
            assert_eq!(refused.param(), Some(param), "{bad}");
        }
    }
}
