//! The filters and tests of templates. None makes more than some times as many bytes as it is given.

use std::{borrow::Cow, ops::RangeInclusive};

use serde_json::Value;

use super::Budget;
use crate::domain::Violation;

named! {
    /// Makes a value of another.
    Filter {
        "upper" Upper
        "lower" Lower
        "capitalize" Capitalize
        "title" Title
        "trim" Trim
        "length" Length
        "default" Default
        "first" First
        "last" Last
        "join" Join
        "items" Items
        "tojson" Json
    }
}

named! {
    /// Says something about a value.
    Test {
        "defined" Defined
        "undefined" Undefined
        "none" Null
        "string" String
        "number" Number
        "boolean" Boolean
        "mapping" Mapping
        "sequence" Sequence
    }
}

impl Test {
    /// Whether it holds of the value, or of none.
    pub(super) fn holds(self, value: Option<&Value>) -> bool {
        match self {
            Self::Defined => value.is_some(),
            Self::Undefined => value.is_none(),
            Self::Null => value.is_some_and(Value::is_null),
            Self::String => value.is_some_and(Value::is_string),
            Self::Number => value.is_some_and(Value::is_number),
            Self::Boolean => value.is_some_and(Value::is_boolean),
            Self::Mapping => value.is_some_and(Value::is_object),
            Self::Sequence => value.is_some_and(Value::is_array),
        }
    }
}

/// Why a filter does not take a value.
pub(super) enum Refused {
    /// It is of the wrong kind; this completes "the filter `…` takes …".
    Takes(&'static str),
    /// The budget is used up.
    Exceeded(Violation),
}

impl From<Violation> for Refused {
    fn from(violation: Violation) -> Self {
        Self::Exceeded(violation)
    }
}

type Applied<'v> = Result<Option<Cow<'v, Value>>, Refused>;

impl Filter {
    /// How many arguments it takes.
    pub(super) fn arguments(self) -> RangeInclusive<usize> {
        match self {
            Self::Default => 1..=1,
            Self::Join => 0..=1,
            _ => 0..=0,
        }
    }

    /// What it makes of a value; `None` where that is nothing, such as the first of no items.
    pub(super) fn apply<'v>(
        self,
        value: Cow<'v, Value>,
        argument: Option<&Value>,
        budget: &mut Budget,
    ) -> Applied<'v> {
        match self {
            Self::Default => Ok(Some(value)),
            Self::Upper => text(&value, budget, str::to_uppercase),
            Self::Lower => text(&value, budget, str::to_lowercase),
            Self::Trim => text(&value, budget, |text| text.trim().to_owned()),
            Self::Capitalize => {
                twice(&value, budget)?;
                text(&value, budget, |text| words(text, |_| false))
            }
            Self::Title => {
                twice(&value, budget)?;
                text(&value, budget, |text| words(text, |sign| !sign.is_alphanumeric()))
            }
            Self::Length => length(&value, budget),
            Self::First => end(value, budget, false),
            Self::Last => end(value, budget, true),
            Self::Join => join(&value, argument, budget),
            Self::Items => items(&value, budget),
            Self::Json => {
                let json = written(&value, budget)?;
                Ok(Some(Cow::Owned(Value::String(json))))
            }
        }
    }
}

fn text<'v>(
    value: &Value,
    budget: &mut Budget,
    change: impl FnOnce(&str) -> String,
) -> Applied<'v> {
    let Value::String(text) = value else { return Err(Refused::Takes("a string")) };
    budget.work(text.len())?;
    Ok(Some(Cow::Owned(Value::String(change(text)))))
}

/// Pays a second time for a text whose letters are changed one by one.
fn twice(value: &Value, budget: &mut Budget) -> Result<(), Violation> {
    value.as_str().map_or(Ok(()), |text| budget.work(text.len()))
}

/// The first letter, and each after a sign that divides words, in upper case; the others in lower.
fn words(text: &str, divides: impl Fn(char) -> bool) -> String {
    let mut begins = true;
    let mut changed = String::with_capacity(text.len());
    for sign in text.chars() {
        if begins {
            changed.extend(sign.to_uppercase());
        } else {
            changed.extend(sign.to_lowercase());
        }
        begins = divides(sign);
    }
    changed
}

fn length<'v>(value: &Value, budget: &mut Budget) -> Applied<'v> {
    let length = match value {
        Value::String(text) => {
            budget.work(text.len())?;
            text.chars().count()
        }
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => return Err(Refused::Takes("a string, an array or an object")),
    };
    Ok(Some(Cow::Owned(Value::from(length))))
}

fn end<'v>(value: Cow<'v, Value>, budget: &mut Budget, last: bool) -> Applied<'v> {
    if let Value::String(text) = value.as_ref() {
        let sign = if last { text.chars().next_back() } else { text.chars().next() };
        return Ok(sign.map(|sign| Cow::Owned(Value::String(sign.to_string()))));
    }
    let of = |items: &[Value]| if last { items.len().checked_sub(1) } else { Some(0) };
    match value {
        Cow::Borrowed(Value::Array(items)) => {
            Ok(of(items).and_then(|at| items.get(at)).map(Cow::Borrowed))
        }
        Cow::Owned(Value::Array(items)) => match of(&items).and_then(|at| items.get(at)) {
            Some(item) => {
                budget.whole(item)?;
                Ok(Some(Cow::Owned(item.clone())))
            }
            None => Ok(None),
        },
        _ => Err(Refused::Takes("a string or an array")),
    }
}

fn join<'v>(value: &Value, separator: Option<&Value>, budget: &mut Budget) -> Applied<'v> {
    let Value::Array(items) = value else { return Err(Refused::Takes("an array")) };
    let separator = match separator {
        None => "",
        Some(Value::String(separator)) => separator,
        Some(_) => return Err(Refused::Takes("a string to put between the items")),
    };
    let mut joined = String::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            budget.work(separator.len())?;
            joined.push_str(separator);
        }
        joined.push_str(&written_plainly(item, budget)?);
    }
    Ok(Some(Cow::Owned(Value::String(joined))))
}

fn items<'v>(value: &Value, budget: &mut Budget) -> Applied<'v> {
    let Value::Object(members) = value else { return Err(Refused::Takes("an object")) };
    budget.whole(value)?;
    let pair = |(name, member): (&String, &Value)| {
        Value::Array(vec![Value::from(name.as_str()), member.clone()])
    };
    Ok(Some(Cow::Owned(Value::Array(members.iter().map(pair).collect()))))
}

/// A string as it is, any other value as JSON.
pub(super) fn written_plainly<'v>(
    value: &'v Value,
    budget: &mut Budget,
) -> Result<Cow<'v, str>, Violation> {
    if let Value::String(text) = value {
        budget.work(text.len())?;
        return Ok(Cow::Borrowed(text));
    }
    written(value, budget).map(Cow::Owned)
}

/// The value as JSON, which may be six times as long where all signs need an escape.
fn written(value: &Value, budget: &mut Budget) -> Result<String, Violation> {
    budget.whole(value)?;
    let json = value.to_string();
    budget.work(json.len())?;
    Ok(json)
}
