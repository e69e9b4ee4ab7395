//! What a template says, once it is read: what is not here is not allowed.

use minijinja::machinery::ast::CompareOpKind;
use serde_json::Value;

use super::filter::{Filter, Test};

/// A piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    /// Text as it stands.
    Text(String),
    /// A value that is written.
    Show(Expr),
    /// What stands where a value is true, and where it is not.
    If(Expr, Vec<Node>, Vec<Node>),
    /// What is repeated.
    For(Box<Loop>),
}

/// `{% for names in over %} body {% else %} otherwise {% endfor %}`.
#[derive(Debug)]
pub(super) struct Loop {
    /// One name for each item, or one for each part of it.
    pub(super) names: Vec<String>,
    pub(super) over: Expr,
    pub(super) body: Vec<Node>,
    /// Where there are no items.
    pub(super) otherwise: Vec<Node>,
}

/// What has a value.
#[derive(Debug)]
pub(super) enum Expr {
    Constant(Value),
    /// `input`, or the name of a loop's item.
    Name(String),
    /// Something about the innermost loop.
    Loop(LoopFact),
    /// A member of an object, or an item of an array.
    Member(Box<[Expr; 2]>),
    Not(Box<Expr>),
    And(Box<[Expr; 2]>),
    Or(Box<[Expr; 2]>),
    /// `a < b < c`: each is compared with the next.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// Test, value where it is true, value where it is not.
    Choice(Box<[Expr; 3]>),
    Filter(Filter, Box<Expr>, Option<Box<Expr>>),
    Test(Test, Box<Expr>),
}

named! {
    /// Something about the innermost loop.
    LoopFact {
        "index" Index
        "index0" Index0
        "first" First
        "last" Last
        "length" Length
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

impl Comparison {
    /// As Jinja has it.
    pub(super) fn of(op: CompareOpKind) -> Self {
        match op {
            CompareOpKind::Eq => Self::Equal,
            CompareOpKind::Ne => Self::Unequal,
            CompareOpKind::Lt => Self::Less,
            CompareOpKind::Lte => Self::LessOrEqual,
            CompareOpKind::Gt => Self::Greater,
            CompareOpKind::Gte => Self::GreaterOrEqual,
            CompareOpKind::In => Self::In,
            CompareOpKind::NotIn => Self::NotIn,
        }
    }
}

/// About how many bytes of memory these hold.
pub(super) fn size(nodes: &[Node]) -> usize {
    let of = |node: &Node| match node {
        Node::Text(text) => text.len(),
        Node::Show(value) => value.size(),
        Node::If(test, then, otherwise) => test.size() + size(then) + size(otherwise),
        Node::For(it) => {
            let names: usize = it.names.iter().map(|name| size_of::<String>() + name.len()).sum();
            size_of::<Loop>() + names + it.over.size() + size(&it.body) + size(&it.otherwise)
        }
    };
    size_of_val(nodes) + nodes.iter().map(of).sum::<usize>()
}

impl Expr {
    /// About how many bytes of memory it holds beside itself.
    fn size(&self) -> usize {
        let boxed = |inner: &Self| size_of::<Self>() + inner.size();
        let all = |parts: &[Self]| parts.iter().map(boxed).sum();
        match self {
            Self::Constant(Value::String(text)) | Self::Name(text) => text.len(),
            // Written lists and objects are as long as what they are read from, some dozen bytes for each part.
            Self::Constant(other) => 16 * other.to_string().len(),
            Self::Loop(_) => 0,
            Self::Member(it) | Self::And(it) | Self::Or(it) => all(&it[..]),
            Self::Choice(it) => all(&it[..]),
            Self::Not(it) | Self::Test(_, it) => boxed(it),
            Self::Filter(_, it, more) => boxed(it) + more.as_deref().map_or(0, boxed),
            Self::Compare(first, rest) => {
                let pair =
                    |(_, next): &(Comparison, Self)| size_of::<(Comparison, Self)>() + next.size();
                boxed(first) + rest.iter().map(pair).sum::<usize>()
            }
        }
    }

    /// As a template names it.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Member(it) => match &it[1] {
                Self::Constant(Value::String(name)) => format!("{}.{name}", it[0].words()),
                Self::Constant(other) => format!("{}[{other}]", it[0].words()),
                _ => format!("{}[…]", it[0].words()),
            },
            _ => "a value".to_owned(),
        }
    }
}
