//! A schema as a graph of subschemas with its references resolved: what the limits are measured on
//! and what the walker of violations walks.

mod build;

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
/// What a subschema holds in memory, in bytes.
const NODE_BYTES: usize = 2_000;

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

impl Applies {
    /// Whether the subschema looks at the same value.
    pub(super) fn in_place(self) -> bool {
        use Applies::{All, Any, Dependent, Else, If, Not, One, Perhaps, Then};
        matches!(self, All | Any | One | Not | If | Then | Else | Dependent | Perhaps)
    }
}

/// From a subschema to one that it applies.
pub(super) struct Edge {
    pub(super) applies: Applies,
    /// Property name, where one belongs to the keyword.
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
    pub(super) edges: Vec<Edge>,
    /// Index in `edges` by name of the property.
    pub(super) properties: HashMap<String, usize>,
    /// The keywords that look at one value alone, if there are any.
    leaf: Option<Value>,
    validator: OnceLock<Option<Validator>>,
    /// Cost units of the leaf keywords.
    pub(super) cost: u64,
    pub(super) pattern: Option<usize>,
    pub(super) unique: bool,
    pub(super) contains: (u64, Option<u64>),
    pub(super) has_unevaluated: bool,
    pub(super) reads_content: bool,
    pub(super) is_meta_schema: bool,
    /// Whether a reference leads back to it.
    pub(super) recursive: bool,
    /// The longest path below, in subschemas.
    pub(super) height: u32,
    unfolded: Option<u64>,
    open: bool,
}

impl Node {
    pub(super) fn edges(&self, applies: Applies) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.applies == applies)
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
    /// Unfolded size and the cost of leaf keywords.
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
        graph.measure(0, 0)?;
        graph.work = graph.nodes[0].unfolded.unwrap_or_default();
        for node in &graph.nodes {
            graph.work = graph.work.saturating_add(node.cost);
            graph.is_plain &= !node.unique;
        }
        Ok(graph)
    }

    /// About how many bytes of memory it holds, and the validator of the same schema with it.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.len() * NODE_BYTES + self.patterns.bytes() * 3
    }

    /// Counts the unfolded size and height below a node, each node once.
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
        for edge in 0..self.nodes[index].edges.len() {
            let Edge { applies, to, .. } = self.nodes[index].edges[edge];
            if applies == Applies::Nothing {
                continue;
            }
            let (mut below, path) = self.measure(to, depth + 1)?;
            if self.nodes[index].has_unevaluated && applies.in_place() {
                // What was evaluated is found out by going through the same value again.
                below = below.saturating_mul(3);
            }
            unfolded = unfolded.saturating_add(below);
            height = height.max(path);
        }
        let node = &mut self.nodes[index];
        node.open = false;
        node.unfolded = Some(unfolded);
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
