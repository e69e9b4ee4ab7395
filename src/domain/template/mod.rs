//! Templates of prompts: a part of Jinja, safe for templates that a tenant writes.
//!
//! `minijinja` reads a template; what may stand in it is copied into an own, smaller tree ([`parse`]),
//! and all else is refused: nothing in that tree makes a value larger than those that it is made of.
//! The tree is walked here too ([`render`]), because the engine's fuel counts instructions, and one
//! instruction may compare a megabyte. Here each step and each byte that it touches is paid from one
//! [`Budget`], so that a template costs some milliseconds at most, whatever it says.

/// Makes an enum whose variants have names in templates.
macro_rules! named {
    ($(#[$meta:meta])* $kind:ident { $($name:literal $variant:ident)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum $kind {
            $($variant),+
        }

        impl $kind {
            /// The one of that name.
            pub(super) fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// All names, for an error.
            pub(super) fn names() -> String {
                [$($name),+].join(", ")
            }
        }
    };
}

mod filter;
mod parse;
mod render;
mod shape;
#[cfg(test)]
mod tests;
mod tree;

use serde_json::Value;

use super::Violation;
use tree::Node;

/// The longest template, in bytes.
pub const MAX_TEMPLATE: usize = 64 << 10;
/// What all templates of one prompt may write together, in bytes.
pub const MAX_OUTPUT: usize = 1 << 20;
/// What all templates of one prompt may do together: a byte is one, a step [`STEP`].
const MAX_WORK: usize = 4 << 20;
/// What a step costs, so that there are some 100,000 of them.
const STEP: usize = 40;

/// A template that was checked.
#[derive(Debug)]
pub struct Template {
    nodes: Vec<Node>,
    uses_input: bool,
}

/// Why a template is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct TemplateFault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what would be accepted, for the client.
    pub message: String,
}

impl Template {
    /// Reads a template. Where the schema of its input is given, a path that it does not declare is
    /// refused.
    ///
    /// # Errors
    ///
    /// Bad syntax, what is not among the allowed statements, filters and tests, an unknown name, or a
    /// template beyond the limits.
    ///
    /// ```
    /// use serde_json::json;
    /// use skai_server::domain::{Budget, Template};
    /// let template = Template::parse("Dear {{ input.name | title }}!", None).unwrap();
    /// let text = template.render(&json!({"name": "ada"}), &mut Budget::default()).unwrap();
    /// assert_eq!(text, "Dear Ada!");
    /// assert!(Template::parse("{{ output }}", None).is_err());
    /// ```
    pub fn parse(text: &str, input_schema: Option<&Value>) -> Result<Self, TemplateFault> {
        let (nodes, uses_input) = parse::template(text, input_schema)?;
        Ok(Self { nodes, uses_input })
    }

    /// Whether it says anything of its input.
    pub fn uses_input(&self) -> bool {
        self.uses_input
    }

    /// About how many bytes of memory it holds.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + tree::size(&self.nodes)
    }

    /// The text that it gives for this input.
    ///
    /// # Errors
    ///
    /// What is wrong with the input: something is missing or of a type that does not fit, or it makes
    /// the templates exceed their budget.
    pub fn render(&self, input: &Value, budget: &mut Budget) -> Result<String, Violation> {
        render::render(&self.nodes, input, budget)
    }
}

/// What the templates of one prompt may still do and write.
#[derive(Debug)]
pub struct Budget {
    work: usize,
    output: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { work: MAX_WORK, output: MAX_OUTPUT }
    }
}

impl Budget {
    /// Pays for looking at or making so many bytes.
    fn work(&mut self, bytes: usize) -> Result<(), Violation> {
        let left = self.work.checked_sub(bytes);
        self.work = left.ok_or_else(|| {
            exceeded("the templates do too much with this input; loop over less, or shorten it")
        })?;
        Ok(())
    }

    /// Pays for a step.
    fn step(&mut self) -> Result<(), Violation> {
        self.work(STEP)
    }

    /// Pays for looking at all of a value.
    fn whole(&mut self, value: &Value) -> Result<(), Violation> {
        self.step()?;
        match value {
            Value::String(text) => self.work(text.len()),
            Value::Array(items) => items.iter().try_for_each(|item| self.whole(item)),
            Value::Object(members) => members.iter().try_for_each(|(name, member)| {
                self.work(name.len())?;
                self.whole(member)
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    /// Pays for writing so many bytes.
    fn output(&mut self, bytes: usize) -> Result<(), Violation> {
        let left = self.output.checked_sub(bytes);
        self.output = left.ok_or_else(|| {
            let most = MAX_OUTPUT >> 20;
            exceeded(&format!("the messages are longer than {most} MiB together with this input"))
        })?;
        Ok(())
    }
}

fn exceeded(message: &str) -> Violation {
    Violation { path: String::new(), schema_path: String::new(), message: message.to_owned() }
}
