//! A schema as a graph of subschemas with its references resolved: what the limits are measured on
//! and what the walker of violations walks.

mod build;
mod leaf;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use jsonschema::{Draft, Registry, Validator, uri};
use serde_json::Value;

use self::build::{Builder, Offline};
use super::{SchemaFault, options, pattern::Patterns};

/// How many subschemas a schema may have when every reference is unfolded (recursion once).
const MAX_UNFOLDED: u64 = 10_000;
/// The longest path through subschemas and references, before one of them repeats.
const MAX_PATH: u32 = 128;
/// Where a schema without `$id` lives; no reference can name it from outside.
const BASE: &str = "json-schema:///";
/// What a compiled subschema holds, in bytes.
const NODE_BYTES: usize = 2_000;
/// What a compiled meta-schema holds, in bytes.
const META_SCHEMA_BYTES: usize = 512 << 10;

/// How a subschema applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Applies {
    /// To the same value, and must hold.
    All,
    Any,
    One,
    Not,
    If,
    Then,
    Else,
    /// To the same value, if it has the property of that name.
    Dependent,
    /// To the property of that name.
    Property,
    /// To the properties whose names match the pattern.
    PatternProperty(usize),
    /// To the properties that no neighbour names.
    Additional,
    /// To the names of properties.
    Names,
    /// To the item of that index.
    Prefix(usize),
    /// To the items after the prefix.
    Items,
    /// To as many items as `minContains` and `maxContains` say.
    Contains,
    /// To what no neighbour has looked at.
    Unevaluated,
    /// To nothing: a definition.
    Nothing,
    /// To the same value, depending on who asks (`$dynamicRef`).
    Perhaps,
}

/// From a subschema to one that it applies.
pub(super) struct Edge {
    pub(super) applies: Applies,
    /// The property that the value must have, where there is such a condition.
    pub(super) name: String,
    pub(super) to: usize,
}

/// One subschema.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read in one place")]
pub(super) struct Node {
    /// JSON Pointer of the subschema.
    pub(super) location: String,
    /// The value of a boolean schema.
    pub(super) constant: Option<bool>,
    /// To subschemas for the same value.
    pub(super) in_place: Vec<Edge>,
    /// To those for items.
    pub(super) items: Vec<Edge>,
    /// To those for properties that are not known by name.
    pub(super) members: Vec<Edge>,
    /// The subschemas for properties that are.
    pub(super) properties: HashMap<String, usize>,
    /// The keywords that look at one value alone, if there are any.
    leaf: Option<Value>,
    validator: OnceLock<Option<Validator>>,
    /// How many bytes the names in `properties`, `required` and the like have.
    pub(super) name_bytes: usize,
    /// Cost units of the leaf keywords.
    pub(super) cost: u64,
    pub(super) pattern: Option<usize>,
    pub(super) unique: bool,
    pub(super) contains: (u64, Option<u64>),
    pub(super) has_unevaluated: bool,
    /// What its keywords cost per byte of text, in half units; without `pattern`.
    pub(super) text_weight: u64,
    pub(super) is_meta_schema: bool,
    /// Whether a reference leads back to it.
    pub(super) recursive: bool,
    /// The longest path below, in subschemas.
    pub(super) height: u32,
    unfolded: Option<u64>,
    /// The unfolded cost of keywords, without recursion.
    work: u64,
    /// Whether references were found not to lead back to it for the same value.
    ends: bool,
    open: bool,
}

impl Node {
    /// To the subschemas that apply to the same value in this way.
    pub(super) fn alternatives(&self, applies: Applies) -> impl Iterator<Item = &Edge> {
        self.in_place.iter().filter(move |edge| edge.applies == applies)
    }

    /// To the subschemas for all properties that no other keyword names.
    pub(super) fn additional(&self) -> impl Iterator<Item = &Edge> {
        self.members.iter().filter(|edge| edge.applies == Applies::Additional)
    }

    /// How many subschemas there are for items that go first.
    pub(super) fn prefix(&self) -> usize {
        self.items.iter().filter(|edge| matches!(edge.applies, Applies::Prefix(_))).count()
    }

    fn targets(&self) -> Vec<(usize, bool)> {
        // Those that apply to items and properties are in both lists.
        let members = self.members.iter().filter(|edge| edge.applies != Applies::Unevaluated);
        let elsewhere = self.items.iter().chain(members).map(|edge| (edge.to, false));
        let in_place = self.in_place.iter().map(|edge| (edge.to, true));
        let named = self.properties.values().map(|&to| (to, false));
        in_place.chain(elsewhere).chain(named).collect()
    }

    /// Whether [`Node::leaf`] costs no compilation any more.
    pub(super) fn is_compiled(&self) -> bool {
        self.leaf.is_none() || self.validator.get().is_some()
    }

    /// The leaf keywords compiled, at first use.
    pub(super) fn leaf(&self, draft: Draft) -> Option<&Validator> {
        let compile = || options(draft).build(self.leaf.as_ref()?).ok();
        self.validator.get_or_init(compile).as_ref()
    }
}

/// All subschemas that the first can reach.
pub(super) struct Graph {
    pub(super) draft: Draft,
    pub(super) nodes: Vec<Node>,
    pub(super) patterns: Patterns,
    /// Whether no keyword costs more than in proportion to the size of what it looks at.
    pub(super) is_plain: bool,
    /// What checking one value costs, without recursion.
    pub(super) work: u64,
}

/// The draft that `$schema` names.
pub(super) fn draft(schema: &Value) -> Result<Draft, SchemaFault> {
    let named = match schema {
        Value::Bool(_) => None,
        Value::Object(members) => members.get("$schema"),
        _ => return Err(SchemaFault::new("a schema must be an object or a boolean")),
    };
    let Some(named) = named else {
        return Ok(Draft::Draft202012);
    };
    match named.as_str().map(|uri| uri.trim_end_matches('#')) {
        Some("https://json-schema.org/draft/2020-12/schema") => Ok(Draft::Draft202012),
        Some(
            "http://json-schema.org/draft-07/schema" | "https://json-schema.org/draft-07/schema",
        ) => Ok(Draft::Draft7),
        _ => Err(SchemaFault::at(
            "/$schema",
            "only draft 2020-12 (https://json-schema.org/draft/2020-12/schema) and draft-07 \
             (http://json-schema.org/draft-07/schema#) are accepted",
        )),
    }
}

impl Graph {
    pub(super) fn build(schema: &Value, draft: Draft) -> Result<Self, SchemaFault> {
        let outside = |_| {
            SchemaFault::new(
                "a $ref or $id leads outside the schema; references are never fetched, \
                 so put the definition under $defs",
            )
        };
        let base = uri::from_str(BASE).map_err(outside)?;
        let registry = Registry::new()
            .draft(draft)
            .retriever(Offline)
            .add(BASE, schema)
            .and_then(jsonschema::RegistryBuilder::prepare)
            .map_err(outside)?;
        let mut builder = Builder::new(draft, &registry);
        let resolver = registry.resolver(base.clone());
        let root = resolver.lookup("").map_err(outside)?;
        builder.reach(root.contents(), String::new(), Arc::new(base));
        builder.run()?;
        let mut graph = Self {
            draft,
            nodes: builder.nodes,
            is_plain: builder.patterns.is_empty() && !builder.uses_meta_schema,
            patterns: builder.patterns,
            work: 0,
        };
        for index in 0..graph.nodes.len() {
            graph.refuse_loops(index, 0)?;
        }
        graph.measure(0, 0)?;
        graph.work = graph.nodes[0].work;
        for node in &graph.nodes {
            graph.is_plain &= !node.unique && node.text_weight == 0 && !node.recursive;
        }
        Ok(graph)
    }

    /// About how many bytes of memory its nodes take, here and in the validator of the same schema.
    pub(super) fn bytes(&self) -> usize {
        let of_node =
            |node: &Node| if node.is_meta_schema { META_SCHEMA_BYTES } else { NODE_BYTES };
        self.nodes.iter().map(of_node).sum::<usize>() + self.patterns.bytes()
    }

    /// Refuses references that lead back to a subschema for the same value (2020-12 core §9.4.1): what
    /// they mean is not defined, and looking at every way around takes exponential time.
    fn refuse_loops(&mut self, index: usize, depth: u32) -> Result<(), SchemaFault> {
        if self.nodes[index].ends {
            return Ok(());
        }
        if self.nodes[index].open {
            let message = "the schema refers back to itself for the same value; a reference that does \
                           so must stand in a schema for a part of the value";
            return Err(SchemaFault::at(&self.nodes[index].location, message));
        }
        self.bounded(index, depth, 1)?;
        self.nodes[index].open = true;
        for edge in 0..self.nodes[index].in_place.len() {
            self.refuse_loops(self.nodes[index].in_place[edge].to, depth + 1)?;
        }
        let node = &mut self.nodes[index];
        (node.open, node.ends) = (false, true);
        Ok(())
    }

    /// Counts the unfolded size, cost and height below a node, each node once.
    fn measure(&mut self, index: usize, depth: u32) -> Result<(u64, u32), SchemaFault> {
        if let Some(unfolded) = self.nodes[index].unfolded {
            return self.bounded(index, depth, unfolded);
        }
        if self.nodes[index].open {
            self.nodes[index].recursive = true;
            return Ok((0, 0));
        }
        self.bounded(index, depth, 1)?;
        self.nodes[index].open = true;
        let (mut unfolded, mut height) = (1_u64, 0);
        let mut work = 1 + self.nodes[index].cost;
        for (to, in_place) in self.nodes[index].targets() {
            let (below, path) = self.measure(to, depth + 1)?;
            // What was evaluated is found out by going through the same value again.
            let times = if self.nodes[index].has_unevaluated && in_place { 3 } else { 1 };
            unfolded = unfolded.saturating_add(below.saturating_mul(times));
            work = work.saturating_add(self.nodes[to].work.saturating_mul(times));
            height = height.max(path);
        }
        let node = &mut self.nodes[index];
        node.open = false;
        node.unfolded = Some(unfolded);
        node.work = work;
        node.height = height + 1;
        self.bounded(index, depth, unfolded)
    }

    fn bounded(&self, index: usize, depth: u32, unfolded: u64) -> Result<(u64, u32), SchemaFault> {
        let node = &self.nodes[index];
        if unfolded > MAX_UNFOLDED {
            let message = format!(
                "the schema unfolds to more than {MAX_UNFOLDED} subschemas through its references"
            );
            return Err(SchemaFault::at(&node.location, message));
        }
        if depth + node.height > MAX_PATH {
            let message = format!("the schema nests deeper than {MAX_PATH} through its references");
            return Err(SchemaFault::at(&node.location, message));
        }
        Ok((unfolded, node.height))
    }
}

/// Adds a reference token to a JSON Pointer (RFC 6901 §3).
pub(super) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}
