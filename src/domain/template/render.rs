//! From a tree and an input to text.

use std::{borrow::Cow, cmp::Ordering};

use serde_json::Value;

use super::{
    Budget,
    filter::{Filter, Refused, written_plainly},
    tree::{Comparison, Expr, Loop, LoopFact, Node},
};
use crate::domain::{Violation, json};

/// The text that the tree gives for an input.
pub(super) fn render(
    nodes: &[Node],
    input: &Value,
    budget: &mut Budget,
) -> Result<String, Violation> {
    let mut renderer = Renderer { input, budget, loops: Vec::new(), text: String::new() };
    renderer.nodes(nodes)?;
    Ok(renderer.text)
}

struct Renderer<'v, 'b> {
    input: &'v Value,
    budget: &'b mut Budget,
    /// Those around, the innermost last.
    loops: Vec<Turn<'v>>,
    text: String,
}

/// One turn of a loop.
struct Turn<'v> {
    of: &'v Loop,
    /// For each name.
    values: Vec<Cow<'v, Value>>,
    at: usize,
    length: usize,
}

/// A value, or nothing where it is missing.
type Found<'v> = Option<Cow<'v, Value>>;

impl<'v> Renderer<'v, '_> {
    fn nodes(&mut self, nodes: &'v [Node]) -> Result<(), Violation> {
        nodes.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &'v Node) -> Result<(), Violation> {
        self.budget.step()?;
        match node {
            Node::Text(text) => self.write(text),
            Node::Show(expr) => {
                let value = self.value(expr)?;
                let text = written_plainly(&value, self.budget)?;
                self.write(&text)
            }
            Node::If(test, then, otherwise) => {
                let nodes = if self.is_true(test)? { then } else { otherwise };
                self.nodes(nodes)
            }
            Node::For(of) => self.repeat(of),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Violation> {
        self.budget.output(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    fn repeat(&mut self, of: &'v Loop) -> Result<(), Violation> {
        let items: Vec<Cow<'v, Value>> = match self.value(&of.over)? {
            Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
            Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
            _ => return Err(self.wrong(&of.over, "must be an array to be looped over")),
        };
        let length = items.len();
        if length == 0 {
            return self.nodes(&of.otherwise);
        }
        for (at, item) in items.into_iter().enumerate() {
            self.budget.step()?;
            let values = self.parts(of, item)?;
            self.loops.push(Turn { of, values, at, length });
            self.nodes(&of.body)?;
            self.loops.pop();
        }
        Ok(())
    }

    /// A value for each of the loop's names.
    fn parts(&self, of: &'v Loop, item: Cow<'v, Value>) -> Result<Vec<Cow<'v, Value>>, Violation> {
        let parts: Vec<_> = match item {
            item if of.names.len() == 1 => return Ok(vec![item]),
            Cow::Borrowed(Value::Array(parts)) => parts.iter().map(Cow::Borrowed).collect(),
            Cow::Owned(Value::Array(parts)) => parts.into_iter().map(Cow::Owned).collect(),
            _ => Vec::new(),
        };
        if parts.len() == of.names.len() {
            return Ok(parts);
        }
        let message = format!("must hold arrays of {} items for this loop", of.names.len());
        Err(self.wrong(&of.over, &message))
    }

    /// The value, which must be there.
    fn value(&mut self, expr: &'v Expr) -> Result<Cow<'v, Value>, Violation> {
        let found = self.find(expr)?;
        found.ok_or_else(|| self.wrong(expr, "is missing, and a template needs it"))
    }

    fn is_true(&mut self, expr: &'v Expr) -> Result<bool, Violation> {
        self.value(expr).map(|value| is_true(&value))
    }

    /// The first value where its truth is `decides`, else the second.
    fn either(&mut self, of: &'v [Expr; 2], decides: bool) -> Result<Found<'v>, Violation> {
        let first = self.value(&of[0])?;
        if is_true(&first) == decides { Ok(Some(first)) } else { self.find(&of[1]) }
    }

    fn find(&mut self, expr: &'v Expr) -> Result<Found<'v>, Violation> {
        self.budget.step()?;
        let truth = match expr {
            Expr::Constant(value) => return Ok(Some(Cow::Borrowed(value))),
            Expr::Name(name) => return self.name(name).map(Some),
            Expr::Loop(fact) => return Ok(self.fact(*fact).map(Cow::Owned)),
            Expr::Member(it) => return self.member(&it[0], &it[1]),
            Expr::Filter(filter, of, argument) => {
                return self.filter(*filter, of, argument.as_deref());
            }
            Expr::Choice(it) => {
                let [test, then, otherwise] = &**it;
                return if self.is_true(test)? { self.find(then) } else { self.find(otherwise) };
            }
            Expr::Or(it) => return self.either(it, true),
            Expr::And(it) => return self.either(it, false),
            Expr::Not(of) => !self.is_true(of)?,
            Expr::Test(test, of) => test.holds(self.find(of)?.as_deref()),
            Expr::Compare(first, others) => self.compare(first, others)?,
        };
        Ok(Some(Cow::Owned(Value::Bool(truth))))
    }

    fn name(&mut self, name: &str) -> Result<Cow<'v, Value>, Violation> {
        for turn in self.loops.iter().rev() {
            let at = turn.of.names.iter().position(|known| known == name);
            match at.and_then(|at| turn.values.get(at)) {
                Some(Cow::Borrowed(value)) => return Ok(Cow::Borrowed(value)),
                Some(Cow::Owned(value)) => {
                    self.budget.whole(value)?;
                    return Ok(Cow::Owned(value.clone()));
                }
                None => {}
            }
        }
        Ok(Cow::Borrowed(self.input))
    }

    fn fact(&self, fact: LoopFact) -> Option<Value> {
        let Turn { at, length, .. } = self.loops.last()?;
        Some(match fact {
            LoopFact::Index => Value::from(at + 1),
            LoopFact::Index0 => Value::from(*at),
            LoopFact::First => Value::from(*at == 0),
            LoopFact::Last => Value::from(at + 1 == *length),
            LoopFact::Length => Value::from(*length),
        })
    }

    fn member(&mut self, of: &'v Expr, key: &'v Expr) -> Result<Found<'v>, Violation> {
        let (of, key) = (self.value(of)?, self.value(key)?);
        if let Value::String(name) = key.as_ref() {
            self.budget.work(name.len())?;
        }
        match of {
            Cow::Borrowed(of) => Ok(member(of, &key).map(Cow::Borrowed)),
            Cow::Owned(of) => {
                let Some(found) = member(&of, &key) else { return Ok(None) };
                self.budget.whole(found)?;
                Ok(Some(Cow::Owned(found.clone())))
            }
        }
    }

    fn filter(
        &mut self,
        filter: Filter,
        of: &'v Expr,
        argument: Option<&'v Expr>,
    ) -> Result<Found<'v>, Violation> {
        if filter == Filter::Default {
            let found = self.find(of)?;
            return match argument {
                Some(argument) if found.is_none() => self.find(argument),
                _ => Ok(found),
            };
        }
        let value = self.value(of)?;
        let argument = argument.map(|argument| self.value(argument)).transpose()?;
        filter.apply(value, argument.as_deref(), self.budget).map_err(|refused| match refused {
            Refused::Exceeded(violation) => violation,
            Refused::Takes(what) => {
                let filter = format!("{filter:?}").to_lowercase();
                self.wrong(of, &format!("must be {what} for the filter {filter}"))
            }
        })
    }

    fn compare(
        &mut self,
        first: &'v Expr,
        others: &'v [(Comparison, Expr)],
    ) -> Result<bool, Violation> {
        let mut left = self.value(first)?;
        for (comparison, expr) in others {
            let right = self.value(expr)?;
            self.budget.whole(&left)?;
            self.budget.whole(&right)?;
            let Some(holds) = holds(*comparison, &left, &right) else {
                return Err(self.wrong(expr, "cannot be compared with a value of another type"));
            };
            if !holds {
                return Ok(false);
            }
            left = right;
        }
        Ok(true)
    }

    /// Says what is wrong with the value of an expression.
    fn wrong(&self, expr: &Expr, what: &str) -> Violation {
        let path = self.pointer(expr, self.loops.len()).unwrap_or_default();
        let message = format!("{} {what}", expr.words());
        Violation { path, schema_path: String::new(), message }
    }

    /// JSON Pointer (RFC 6901) of the expression's place in the input, where it has one. Only the
    /// outer loops are known to it.
    fn pointer(&self, expr: &Expr, outer: usize) -> Option<String> {
        match expr {
            Expr::Name(name) => {
                let is_it = |turn: &Turn<'_>| turn.of.names.contains(name);
                match self.loops[..outer].iter().rposition(is_it) {
                    Some(at) if self.loops[at].of.names.len() == 1 => {
                        let turn = &self.loops[at];
                        Some(format!("{}/{}", self.pointer(&turn.of.over, at)?, turn.at))
                    }
                    Some(_) => None,
                    None => Some(String::new()),
                }
            }
            Expr::Member(it) => {
                let Expr::Constant(key) = &it[1] else { return None };
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                let key = key.replace('~', "~0").replace('/', "~1");
                Some(format!("{}/{key}", self.pointer(&it[0], outer)?))
            }
            _ => None,
        }
    }
}

/// As Jinja sees it: what is empty or zero is not.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(it) => *it,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// A member of an object by its name, an item of an array by its place, from the end where it is negative.
fn member<'a>(of: &'a Value, key: &Value) -> Option<&'a Value> {
    match (of, key) {
        (Value::Object(members), Value::String(name)) => members.get(name),
        (Value::Array(items), Value::Number(at)) => {
            let at = at.as_i64()?;
            let from_end = at.unsigned_abs().try_into().ok();
            let at = if at < 0 { items.len().checked_sub(from_end?)? } else { from_end? };
            items.get(at)
        }
        _ => None,
    }
}

/// Whether a comparison holds; `None` where the two cannot be compared so.
fn holds(comparison: Comparison, left: &Value, right: &Value) -> Option<bool> {
    let ordering = || match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some(json::order(left, right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    };
    Some(match comparison {
        Comparison::Equal => json::same(left, right),
        Comparison::Unequal => !json::same(left, right),
        Comparison::Less => ordering()? == Ordering::Less,
        Comparison::LessOrEqual => ordering()? != Ordering::Greater,
        Comparison::Greater => ordering()? == Ordering::Greater,
        Comparison::GreaterOrEqual => ordering()? != Ordering::Less,
        Comparison::In => contains(right, left)?,
        Comparison::NotIn => !contains(right, left)?,
    })
}

fn contains(whole: &Value, part: &Value) -> Option<bool> {
    match (whole, part) {
        (Value::String(whole), Value::String(part)) => Some(whole.contains(part.as_str())),
        (Value::Array(items), part) => Some(items.iter().any(|item| json::same(item, part))),
        (Value::Object(members), Value::String(name)) => Some(members.contains_key(name)),
        _ => None,
    }
}
