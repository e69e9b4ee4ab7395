//! Queries of `JSONPath` (RFC 9535) with wildcards, such as `$.messages[*].content`: what is left out of a document.
//! Those that search at any depth are not known here, so that a document is walked at most once for each query.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::path::{MAX_STEPS, MalformedPath, Step, step};

/// Places within a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Places {
    text: String,
    steps: Vec<Option<Step>>,
}

impl Places {
    /// Reads a query. A wildcard is `.*` or `[*]`.
    pub fn parse(text: &str) -> Result<Self, MalformedPath> {
        let mut rest = text.strip_prefix('$').ok_or(MalformedPath)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let wild = rest.strip_prefix(".*").or_else(|| rest.strip_prefix("[*]"));
            let (one, after) = match wild {
                Some(after) => (None, after),
                None => step(rest).map(|(one, after)| (Some(one), after)).ok_or(MalformedPath)?,
            };
            steps.push(one);
            rest = after;
        }
        if steps.len() > MAX_STEPS {
            return Err(MalformedPath);
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// Puts `mark` wherever the query leads to.
    pub fn cover(&self, document: &mut Value, mark: &str) {
        cover(document, &self.steps, mark);
    }
}

impl Serialize for Places {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

fn cover(value: &mut Value, steps: &[Option<Step>], mark: &str) {
    match steps {
        [] => *value = mark.into(),
        [Some(step), rest @ ..] => {
            if let Some(value) = step.enter_mut(value) {
                cover(value, rest, mark);
            }
        }
        [None, rest @ ..] => match value {
            Value::Array(items) => items.iter_mut().for_each(|item| cover(item, rest, mark)),
            Value::Object(members) => {
                members.values_mut().for_each(|member| cover(member, rest, mark));
            }
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_it_leads_to_is_covered() {
        let document = json!({"messages": [{"content": "a", "role": "b"}, {"content": [1]}, 3], "x": {"y": 1}});
        for (path, expected) in [
            ("$", json!("-")),
            (
                "$.messages[*].content",
                json!({"messages": [{"content": "-", "role": "b"}, {"content": "-"}, 3], "x": {"y": 1}}),
            ),
            (
                "$.messages[-1]",
                json!({"messages": [{"content": "a", "role": "b"}, {"content": [1]}, "-"], "x": {"y": 1}}),
            ),
            ("$.*", json!({"messages": "-", "x": "-"})),
            (
                "$['x'].*",
                json!({"messages": [{"content": "a", "role": "b"}, {"content": [1]}, 3], "x": {"y": "-"}}),
            ),
            ("$.x.y.z", document.clone()),
            ("$.missing[*]", document.clone()),
        ] {
            let mut covered = document.clone();
            Places::parse(path).unwrap().cover(&mut covered, "-");
            assert_eq!(covered, expected, "{path}");
        }
    }

    #[test]
    fn other_queries_are_refused() {
        for path in ["", "messages", "$..content", "$[?@.a]", "$[0:1]", "$.a[", "$.messages[*"] {
            assert!(Places::parse(path).is_err(), "{path}");
        }
        assert!(Places::parse(&format!("${}", "[*]".repeat(65))).is_err());
    }
}
