//! What checking an instance would cost at most: `jsonschema` cannot be stopped once it has begun.

use std::collections::HashMap;

use serde_json::Value;

use super::graph::{Applies, Graph, Node};

/// What one check may cost, in units of about 10 ns.
const BUDGET: u64 = 1_000_000;
/// How deeply the check may recurse, in subschemas: it runs on stacks of 2 MiB.
const MAX_DEPTH: u32 = 600;
/// What a meta-schema costs for each value of the instance.
const META_SCHEMA: u64 = 60;

/// Whether the check stays within budget and stack.
pub(super) fn affordable(graph: &Graph, instance: &Value) -> bool {
    let (values, depth) = extent(instance);
    let simple = values.saturating_mul(graph.work) <= BUDGET / 10;
    let flat = (depth + 1).saturating_mul(graph.nodes[0].height) <= MAX_DEPTH;
    if simple && flat && graph.is_plain {
        return true;
    }
    let mut meter = Meter { graph, left: BUDGET, known: HashMap::new() };
    meter.visit(0, instance, 0).is_some()
}

/// How many bytes and values an instance has (as one number), and how deeply it nests.
fn extent(value: &Value) -> (u64, u32) {
    let fold =
        |(sum, deep): (u64, u32), (values, depth): (u64, u32)| (sum + values, deep.max(depth + 1));
    match value {
        Value::Array(items) => items.iter().map(extent).fold((1, 1), fold),
        Value::Object(members) => {
            let extents = members.iter().map(|(name, member)| {
                let (values, depth) = extent(member);
                (values + bytes(name) / 64, depth)
            });
            extents.fold((1, 1), fold)
        }
        Value::String(text) => (1 + bytes(text) / 64, 0),
        _ => (1, 0),
    }
}

fn bytes(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// What the keywords of one subschema cost that look at the value alone.
pub(super) fn own_cost(graph: &Graph, node: &Node, value: &Value) -> u64 {
    if node.is_meta_schema {
        return META_SCHEMA.saturating_mul(extent(value).0);
    }
    let special = match value {
        Value::String(text) => {
            let weight = node.pattern.map_or(0, |index| graph.patterns.get(index).weight);
            let weight = weight + node.text_weight;
            bytes(text) / 64 + bytes(text).saturating_mul(weight) / 2
        }
        Value::Array(_) => {
            let unique = if node.unique { 4 * extent(value).0 } else { 0 };
            unique + node.items.len() as u64 / 4
        }
        Value::Object(members) => {
            let hashed: u64 = members.keys().map(|name| bytes(name)).sum();
            let (names, members) = (node.properties.len() as u64, members.len() as u64);
            let hashed = hashed + node.name_bytes as u64;
            names + members + names.saturating_mul(members) / 16 + hashed / 8
        }
        _ => 0,
    };
    1 + node.in_place.len() as u64 + node.cost.saturating_add(special)
}

/// Goes every way that the check could go.
struct Meter<'a> {
    graph: &'a Graph,
    left: u64,
    /// Heights of the recursive subschemas that were visited with a value, by its address. The
    /// check remembers those too.
    known: HashMap<(usize, usize), u32>,
}

impl Meter<'_> {
    /// Answers how deeply the visit recursed, or nothing when the budget is used up.
    fn visit(&mut self, index: usize, value: &Value, depth: u32) -> Option<u32> {
        let node = &self.graph.nodes[index];
        let key = (index, std::ptr::from_ref(value).addr());
        if node.recursive {
            if let Some(&height) = self.known.get(&key) {
                self.charge(16)?;
                return (depth + height <= MAX_DEPTH).then_some(height);
            }
            // Stands for "in progress" as well: a loop without progress ends there.
            self.known.insert(key, 0);
        }
        if depth >= MAX_DEPTH {
            return None;
        }
        self.charge(own_cost(self.graph, node, value))?;
        let height = 1 + self.below(node, value, depth + 1)?;
        if node.recursive {
            if value.is_array() || value.is_object() {
                self.known.insert(key, height);
            } else {
                // The address of a name of a property is used again by the next one.
                self.known.remove(&key);
            }
        }
        Some(height)
    }

    fn charge(&mut self, units: u64) -> Option<()> {
        self.left = self.left.checked_sub(units)?;
        Some(())
    }

    fn below(&mut self, node: &Node, value: &Value, depth: u32) -> Option<u32> {
        let mut height = 0;
        let before = self.left;
        for edge in &node.in_place {
            if edge.applies != Applies::Dependent || value.get(&edge.name).is_some() {
                height = height.max(self.visit(edge.to, value, depth)?);
            }
        }
        if node.has_unevaluated {
            // See `Graph::measure`.
            self.charge(2 * (before - self.left))?;
        }
        match value {
            Value::Array(items) => self.items(node, items, depth).map(|below| below.max(height)),
            Value::Object(members) => {
                for (name, member) in members {
                    height = height.max(self.member(node, name, member, depth)?);
                }
                Some(height)
            }
            _ => Some(height),
        }
    }

    fn items(&mut self, node: &Node, items: &[Value], depth: u32) -> Option<u32> {
        let mut height = 0;
        for edge in &node.items {
            let items = match edge.applies {
                Applies::Prefix(index) => items.get(index..=index).unwrap_or_default(),
                Applies::Items | Applies::Contains | Applies::Unevaluated => items,
                _ => continue,
            };
            for item in items {
                height = height.max(self.visit(edge.to, item, depth)?);
            }
        }
        Some(height)
    }

    fn member(&mut self, node: &Node, name: &str, value: &Value, depth: u32) -> Option<u32> {
        let mut height = 0;
        let property = node.properties.get(name);
        if let Some(&to) = property {
            height = self.visit(to, value, depth)?;
        }
        for edge in &node.members {
            let below = match edge.applies {
                Applies::PatternProperty(pattern) => {
                    self.charge(pattern_cost(self.graph, pattern, name))?;
                    self.visit(edge.to, value, depth)?
                }
                Applies::Unevaluated => self.visit(edge.to, value, depth)?,
                Applies::Additional if property.is_none() => self.visit(edge.to, value, depth)?,
                Applies::Names => self.visit(edge.to, &Value::from(name), depth)?,
                _ => continue,
            };
            height = height.max(below);
        }
        Some(height)
    }
}

/// What it costs to find out which subschemas look at a property of that name.
pub(super) fn name_cost(graph: &Graph, node: &Node, name: &str) -> u64 {
    let patterns = node.members.iter().filter_map(|edge| match edge.applies {
        Applies::PatternProperty(pattern) => Some(pattern),
        _ => None,
    });
    let matched: u64 = patterns.map(|pattern| pattern_cost(graph, pattern, name)).sum();
    10 + bytes(name) / 8 + matched
}

fn pattern_cost(graph: &Graph, pattern: usize, name: &str) -> u64 {
    4 + graph.patterns.get(pattern).weight.saturating_mul(bytes(name))
}
