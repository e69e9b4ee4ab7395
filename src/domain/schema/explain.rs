//! Finds violations with a budget, after `jsonschema` has decided that there are some.
//!
//! The crate's own collectors keep an error for every branch of every alternative, which is
//! exponential in memory for recursive schemas. This walker goes into what must hold and stops at
//! alternatives, so it lists less and never runs away. It leaves `unevaluated…` and ambiguous
//! `$dynamicRef`s to a general violation.

mod holds;

use serde_json::Value;

use super::{
    MAX_TEXT, MAX_VIOLATIONS, Violation, clip, cost, describe, echo,
    graph::{Applies, Edge, Graph, Node, push_token},
};

/// What the walker may spend before it is content with what it has, in the units of [`cost`].
const BUDGET: u64 = 1_000_000;
/// What a visit costs beyond the leaf keywords.
const VISIT: u64 = 20;
/// What the first visit of a subschema costs: its leaf keywords are compiled.
const FIRST_VISIT: u64 = 2_000;
/// The same of a meta-schema.
const FIRST_VISIT_OF_META_SCHEMA: u64 = 200_000;
/// How deeply the walker recurses, in subschemas.
const MAX_DEPTH: u32 = 300;

/// At least one violation, at most [`MAX_VIOLATIONS`].
pub(super) fn violations(graph: &Graph, instance: &Value) -> Vec<Violation> {
    let mut walker = Walker { graph, left: BUDGET, found: Vec::new() };
    // Nothing comes of it when the budget runs out: what was found by then is the answer.
    let _complete = walker.explain(0, instance, &mut String::new(), 0);
    if walker.found.is_empty() {
        let general = "the value does not satisfy the schema";
        walker.report("", &graph.nodes[0].location, "", general);
    }
    walker.found
}

/// How many alternatives hold.
#[derive(Default)]
struct Alternatives {
    total: usize,
    hold: usize,
}

struct Walker<'a> {
    graph: &'a Graph,
    left: u64,
    found: Vec<Violation>,
}

impl<'a> Walker<'a> {
    fn report(&mut self, path: &str, location: &str, keyword: &str, message: &str) {
        let mut schema_path = location.to_owned();
        if !keyword.is_empty() {
            push_token(&mut schema_path, keyword);
        }
        let violation = Violation {
            path: clip(path, MAX_TEXT),
            schema_path: clip(&schema_path, MAX_TEXT),
            message: clip(message, MAX_TEXT),
        };
        if !self.found.contains(&violation) {
            self.found.push(violation);
        }
    }

    /// Pays for a visit; nothing is left to do when the budget is spent or the list is full.
    fn pay(&mut self, node: &Node, value: &Value, depth: u32) -> Option<()> {
        let first = match (node.is_compiled(), node.is_meta_schema) {
            (true, _) => VISIT,
            (false, false) => FIRST_VISIT,
            (false, true) => FIRST_VISIT_OF_META_SCHEMA,
        };
        let own = cost::own_cost(self.graph, node, value);
        self.left = self.left.checked_sub(own.saturating_add(first))?;
        (depth < MAX_DEPTH && self.found.len() < MAX_VIOLATIONS).then_some(())
    }

    /// Lists how `value` breaks a subschema.
    fn explain(
        &mut self,
        index: usize,
        value: &Value,
        path: &mut String,
        depth: u32,
    ) -> Option<()> {
        let node = &self.graph.nodes[index];
        self.pay(node, value, depth)?;
        if node.constant == Some(false) {
            self.report(path, &node.location, "", "no value is allowed here");
        }
        self.leaf(node, value, path);
        self.in_place(node, value, path, depth + 1)?;
        match value {
            Value::Array(items) => self.items(node, items, path, depth + 1),
            Value::Object(_) => self.members(node, value, path, depth + 1),
            _ => Some(()),
        }
    }

    fn leaf(&mut self, node: &Node, value: &Value, path: &str) {
        let Some(validator) = node.leaf(self.graph.draft) else {
            return;
        };
        if node.is_meta_schema {
            if !validator.is_valid(value) {
                self.report(path, &node.location, "", "is not a valid JSON Schema");
            }
            return;
        }
        // Without subschemas there is one error per keyword and name at most.
        for error in validator.iter_errors(value).take(MAX_VIOLATIONS) {
            let location = format!("{}{}", node.location, error.schema_path().as_str());
            self.report(path, &location, "", &describe(error.kind()));
        }
    }

    /// Subschemas that look at the same value.
    fn in_place(
        &mut self,
        node: &'a Node,
        value: &Value,
        path: &mut String,
        depth: u32,
    ) -> Option<()> {
        let (mut any, mut one) = (Alternatives::default(), Alternatives::default());
        for edge in &node.in_place {
            match edge.applies {
                Applies::All => self.explain(edge.to, value, path, depth)?,
                Applies::Dependent if value.get(&edge.name).is_some() => {
                    self.explain(edge.to, value, path, depth)?;
                }
                Applies::Any => self.count(&mut any, edge, value, depth)?,
                Applies::One => self.count(&mut one, edge, value, depth)?,
                Applies::Not if self.holds(edge.to, value, depth)? => {
                    self.report(
                        path,
                        &node.location,
                        "not",
                        "must not match the schema under \"not\"",
                    );
                }
                _ => {}
            }
        }
        for edge in self.branch(node, value, depth)? {
            self.explain(edge.to, value, path, depth)?;
        }
        if any.total > 0 && any.hold == 0 {
            self.alternatives(node, Applies::Any, value, path, depth)?;
        }
        if one.total > 0 && one.hold == 0 {
            self.alternatives(node, Applies::One, value, path, depth)?;
        }
        if one.hold > 1 {
            let message = format!("matches {} of the forms, but must match exactly one", one.hold);
            self.report(path, &node.location, "oneOf", &message);
        }
        Some(())
    }

    fn count(
        &mut self,
        count: &mut Alternatives,
        edge: &Edge,
        value: &Value,
        depth: u32,
    ) -> Option<()> {
        count.total += 1;
        count.hold += usize::from(self.holds(edge.to, value, depth)?);
        Some(())
    }

    /// None of the alternatives holds. If a single one takes values of this type, it is explained.
    fn alternatives(
        &mut self,
        node: &'a Node,
        applies: Applies,
        value: &Value,
        path: &mut String,
        depth: u32,
    ) -> Option<()> {
        let keyword = if applies == Applies::Any { "anyOf" } else { "oneOf" };
        let total = node.alternatives(applies).count();
        let message = format!("matches none of the {total} allowed forms");
        self.report(path, &node.location, keyword, &message);
        let meant = node.alternatives(applies).filter(|edge| self.takes_type(edge.to, value));
        if let [edge] = meant.collect::<Vec<_>>()[..] {
            self.explain(edge.to, value, path, depth)?;
        }
        Some(())
    }

    fn takes_type(&self, index: usize, value: &Value) -> bool {
        let node = &self.graph.nodes[index];
        match node.leaf(self.graph.draft) {
            Some(leaf) if !node.is_meta_schema => {
                leaf.iter_errors(value).all(|error| error.kind().keyword() != "type")
            }
            _ => node.constant != Some(false),
        }
    }

    /// The branch of `if` that applies, if there is one.
    fn branch(&mut self, node: &'a Node, value: &Value, depth: u32) -> Option<Vec<&'a Edge>> {
        let Some(condition) = node.alternatives(Applies::If).next() else {
            return Some(Vec::new());
        };
        let holds = self.holds(condition.to, value, depth)?;
        let branch = if holds { Applies::Then } else { Applies::Else };
        Some(node.alternatives(branch).collect())
    }

    fn items(
        &mut self,
        node: &'a Node,
        items: &[Value],
        path: &mut String,
        depth: u32,
    ) -> Option<()> {
        let prefix = node.prefix();
        for edge in &node.items {
            let (from, to) = match edge.applies {
                Applies::Prefix(index) => (index, index + 1),
                Applies::Items => (prefix, items.len()),
                Applies::Contains => {
                    self.contains(node, edge, items, path, depth)?;
                    continue;
                }
                _ => continue,
            };
            if edge.applies == Applies::Items && to > from && self.is_false(edge.to) {
                let message = format!("must have at most {prefix} items");
                self.report(path, &self.graph.nodes[edge.to].location, "", &message);
                continue;
            }
            for (index, item) in items.iter().enumerate().take(to).skip(from) {
                self.child(edge.to, &index.to_string(), item, path, depth)?;
            }
        }
        Some(())
    }

    fn contains(
        &mut self,
        node: &Node,
        edge: &Edge,
        items: &[Value],
        path: &str,
        depth: u32,
    ) -> Option<()> {
        let mut count = 0;
        for item in items {
            count += u64::from(self.holds(edge.to, item, depth)?);
        }
        let (least, most) = node.contains;
        if count < least {
            let message = format!("must have at least {least} items that match \"contains\"");
            self.report(path, &node.location, "contains", &message);
        }
        if let Some(most) = most.filter(|most| count > *most) {
            let message = format!("must have at most {most} items that match \"contains\"");
            self.report(path, &node.location, "maxContains", &message);
        }
        Some(())
    }

    fn members(
        &mut self,
        node: &'a Node,
        value: &Value,
        path: &mut String,
        depth: u32,
    ) -> Option<()> {
        for (name, member) in value.as_object().into_iter().flatten() {
            for (applies, to) in self.for_member(node, name)? {
                if applies == Applies::Additional && self.is_false(to) {
                    let message =
                        format!("the property {} is not allowed", echo(&name.as_str().into()));
                    self.report(path, &self.graph.nodes[to].location, "", &message);
                } else if applies != Applies::Names {
                    self.child(to, name, member, path, depth)?;
                } else if !self.holds(to, &name.as_str().into(), depth)? {
                    let message =
                        format!("the property name {} is not allowed", echo(&name.as_str().into()));
                    self.report(path, &node.location, "propertyNames", &message);
                }
            }
        }
        Some(())
    }

    /// The subschemas that look at a property of that name, or at the name, and how they apply.
    fn for_member(&mut self, node: &'a Node, name: &str) -> Option<Vec<(Applies, usize)>> {
        self.left = self.left.checked_sub(cost::name_cost(self.graph, node, name))?;
        let named = node.properties.get(name).map(|&to| (Applies::Property, to));
        let mut found: Vec<_> = named.into_iter().collect();
        found.extend(node.members.iter().filter_map(|edge| match edge.applies {
            Applies::PatternProperty(pattern) => {
                let matches = self.graph.patterns.get(pattern).matches(name);
                matches.then_some((edge.applies, edge.to))
            }
            _ => None,
        }));
        if found.is_empty() {
            found.extend(node.additional().map(|edge| (edge.applies, edge.to)));
        }
        let for_names = node.members.iter().filter(|edge| edge.applies == Applies::Names);
        found.extend(for_names.map(|edge| (edge.applies, edge.to)));
        Some(found)
    }

    fn child(
        &mut self,
        to: usize,
        token: &str,
        value: &Value,
        path: &mut String,
        depth: u32,
    ) -> Option<()> {
        let length = path.len();
        push_token(path, token);
        let explained = self.explain(to, value, path, depth);
        path.truncate(length);
        explained
    }

    fn is_false(&self, to: usize) -> bool {
        self.graph.nodes[to].constant == Some(false)
    }
}
