//! Singular queries of `JSONPath` (RFC 9535 §2.3.5.1), such as `$.a[0]['b c']`: each leads to one value at
//! most. Other queries can select the same value exponentially often, so they are not known here.

use serde_json::Value;

/// Steps of one query.
pub(super) const MAX_STEPS: usize = 64;

/// The way to one value within another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path(Vec<Step>);

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Name(String),
    /// From the end where it is negative.
    Index(i64),
}

/// The text is no singular query.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a JSONPath to one value, such as $.a[0].b or $['a b'][-1], of at most 64 steps")]
pub struct MalformedPath;

impl Path {
    /// Reads a query.
    ///
    /// ```
    /// use serde_json::json;
    /// use skai_server::domain::json::Path;
    /// let path = Path::parse("$.a[-1]['b c']").unwrap();
    /// assert_eq!(path.find(&json!({"a": [1, {"b c": 2}]})), Some(&json!(2)));
    /// assert!(Path::parse("$..a").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, MalformedPath> {
        let mut rest = text.strip_prefix('$').ok_or(MalformedPath)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest).ok_or(MalformedPath)?;
            steps.push(step);
            rest = after;
        }
        if steps.len() > MAX_STEPS { Err(MalformedPath) } else { Ok(Self(steps)) }
    }

    /// The value that it leads to, if there is one.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, step| step.enter(value))
    }
}

impl Step {
    fn enter<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Name(name) => value.as_object()?.get(name),
            Self::Index(index) => {
                let items = value.as_array()?;
                items.get(place(*index, items.len())?)
            }
        }
    }

    pub(super) fn enter_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        match self {
            Self::Name(name) => value.as_object_mut()?.get_mut(name),
            Self::Index(index) => {
                let items = value.as_array_mut()?;
                let place = place(*index, items.len())?;
                items.get_mut(place)
            }
        }
    }
}

/// Where an index leads to among so many items: from the end where it is negative.
fn place(index: i64, items: usize) -> Option<usize> {
    let distance = usize::try_from(index.unsigned_abs()).ok()?;
    if index < 0 { items.checked_sub(distance) } else { Some(distance) }
}

/// The first step of a query, and what comes after it.
pub(super) fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        let is_sign = |sign: char| sign.is_alphanumeric() || sign == '_' || !sign.is_ascii();
        let end = rest.find(|sign| !is_sign(sign)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let is_name = name.chars().next().is_some_and(|first| !first.is_ascii_digit());
        return is_name.then(|| (Step::Name(name.to_owned()), rest));
    }
    let rest = text.strip_prefix('[')?.trim_start();
    let quote = rest.chars().next().filter(|sign| matches!(sign, '"' | '\''));
    let (step, rest) = if let Some(quote) = quote {
        let (name, rest) = quoted(&rest[1..], quote)?;
        (Step::Name(name), rest)
    } else {
        let end = rest.find([']', ' ']).unwrap_or(rest.len());
        (Step::Index(index(&rest[..end])?), &rest[end..])
    };
    Some((step, rest.trim_start().strip_prefix(']')?))
}

/// An integer without leading zeros; `-0` is none.
fn index(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A name up to its closing quote. Escapes are those of JSON, and of the quote.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut json = String::from("\"");
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => match signs.next()?.1 {
                '\'' if quote == '\'' => json.push('\''),
                '"' if quote == '\'' => return None,
                escaped => json.extend(['\\', escaped]),
            },
            '"' if quote == '\'' => json.push_str("\\\""),
            _ if sign == quote => {
                json.push('"');
                let name = serde_json::from_str(&json).ok()?;
                return Some((name, &text[at + 1..]));
            }
            _ => json.push(sign),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_leads_to_one_value() {
        let value = json!({"a": [{"b": 1}, "x"], "c d": {"e'f": 2, "g\"h": 3}, "ü": 4, "_1": 5});
        for (path, expected) in [
            ("$", Some(&value)),
            ("$.a[0].b", Some(&json!(1))),
            ("$['a'][1]", Some(&json!("x"))),
            ("$.a[-1]", Some(&json!("x"))),
            ("$[\"c d\"]['e\\'f']", Some(&json!(2))),
            ("$['c d']['g\"h']", Some(&json!(3))),
            ("$['c d'][\"g\\\"h\"]", Some(&json!(3))),
            ("$.ü", Some(&json!(4))),
            ("$['\\u00fc']", Some(&json!(4))),
            ("$[ '_1' ]", Some(&json!(5))),
            ("$.a[2]", None),
            ("$.a[-3]", None),
            ("$.a.b", None),
            ("$[0]", None),
            ("$.missing.more", None),
        ] {
            assert_eq!(Path::parse(path).unwrap().find(&value), expected, "{path}");
        }
    }

    #[test]
    fn other_queries_are_refused() {
        for bad in [
            "",
            "a",
            "$.",
            "$..a",
            "$.*",
            "$[*]",
            "$[0:1]",
            "$[0,1]",
            "$[?@.a]",
            "$[01]",
            "$[-0]",
            "$['a]",
            "$[a]",
            "$.1a",
            "$.a b",
            "$[",
            "$[]",
            "$ .a",
            "$['\\x']",
            "$[99999999999999999999]",
            &format!("${}", ".a".repeat(65)),
        ] {
            assert_eq!(Path::parse(bad), Err(MalformedPath), "{bad}");
        }
    }
}
