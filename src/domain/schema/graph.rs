//! A schema as a graph of subschemas with its references resolved: what the limits are measured on
//! and what the walker of violations walks.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, OnceLock},
};

use jsonschema::{Draft, Registry, Uri, Validator, uri};
use serde_json::{Map, Value};

use super::{SchemaFault, options, pattern::Patterns};

/// How many subschemas a schema may have when every reference is unfolded (recursion once).
const MAX_UNFOLDED: u64 = 10_000;
/// The longest path through subschemas and references, before one of them repeats.
const MAX_PATH: u32 = 128;
/// Where a schema without `$id` lives; no reference can name it from outside.
const BASE: &str = "json-schema:///";
/// Keywords that look at one value alone, in both drafts.
const LEAF: [&str; 21] = [
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "format",
    "contentMediaType",
    "contentEncoding",
];

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
    /// Property name, where one belongs to the keyword.
    pub(super) name: String,
    pub(super) to: usize,
}

/// One subschema.
#[derive(Default)]
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
    /// Unfolded size, weighted with the cost of leaf keywords.
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
        let mut graph = Self { draft, nodes: builder.nodes, patterns: builder.patterns, work: 0 };
        graph.measure(0, 0)?;
        graph.work = graph.nodes[0].unfolded.unwrap_or_default();
        for node in &graph.nodes {
            graph.work = graph.work.saturating_add(node.cost);
        }
        Ok(graph)
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
            let (below, path) = self.measure(to, depth + 1)?;
            unfolded = unfolded.saturating_add(below);
            height = height.max(path);
        }
        let node = &mut self.nodes[index];
        if node.has_unevaluated {
            // What was evaluated is found out by going through the neighbours again.
            unfolded = unfolded.saturating_mul(3);
        }
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

/// Refuses to fetch anything.
struct Offline;

impl jsonschema::Retrieve for Offline {
    fn retrieve(
        &self,
        _: &jsonschema::Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("references are never fetched".into())
    }
}

/// A subschema that is yet to be read.
struct Open<'r> {
    index: usize,
    schema: &'r Value,
    base: Base,
}

/// A reference that is yet to be followed.
struct Reference<'r> {
    from: usize,
    to: &'r str,
    base: Base,
}

type Base = Arc<Uri<String>>;

struct Builder<'r> {
    draft: Draft,
    registry: &'r Registry<'r>,
    by_address: HashMap<usize, usize>,
    nodes: Vec<Node>,
    patterns: Patterns,
    open: VecDeque<Open<'r>>,
    references: Vec<Reference<'r>>,
    /// Nodes with a `$dynamicRef`, and the anchor that it names.
    dynamic: Vec<(usize, &'r str)>,
    /// Nodes by `$dynamicAnchor`.
    anchors: HashMap<&'r str, Vec<usize>>,
    uses_meta_schema: bool,
}

impl<'r> Builder<'r> {
    fn new(draft: Draft, registry: &'r Registry<'r>) -> Self {
        Self {
            draft,
            registry,
            by_address: HashMap::new(),
            nodes: Vec::new(),
            patterns: Patterns::default(),
            open: VecDeque::new(),
            references: Vec::new(),
            dynamic: Vec::new(),
            anchors: HashMap::new(),
            uses_meta_schema: false,
        }
    }

    /// Reads the document first and then follows references, so that a subschema is known by its
    /// place in the document and not by the way that led to it.
    fn run(&mut self) -> Result<(), SchemaFault> {
        loop {
            if let Some(open) = self.open.pop_front() {
                self.read(&open)?;
            } else if let Some(reference) = self.references.pop() {
                self.follow(&reference)?;
            } else {
                break;
            }
        }
        if self.uses_meta_schema && self.anchors.contains_key("meta") {
            let message = "a schema that extends a meta-schema by $dynamicAnchor is not accepted";
            return Err(SchemaFault::new(message));
        }
        for (from, anchor) in std::mem::take(&mut self.dynamic) {
            let targets = self.anchors.get(anchor).cloned().unwrap_or_default();
            let applies = if targets.len() == 1 { Applies::All } else { Applies::Perhaps };
            for to in targets {
                self.link(from, applies, "", to);
            }
        }
        Ok(())
    }

    /// The node of a subschema, which is read later if it is new.
    fn reach(&mut self, schema: &'r Value, location: String, base: Base) -> usize {
        let index = self.nodes.len();
        match self.by_address.entry(std::ptr::from_ref(schema).addr()) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(entry) => entry.insert(index),
        };
        self.nodes.push(Node { location, ..Node::default() });
        self.open.push_back(Open { index, schema, base });
        index
    }

    fn link(&mut self, from: usize, applies: Applies, name: &str, to: usize) {
        let node = &mut self.nodes[from];
        if applies == Applies::Property {
            node.properties.insert(name.to_owned(), node.edges.len());
        }
        let name = name.to_owned();
        node.edges.push(Edge { applies, name, to });
    }

    fn read(&mut self, open: &Open<'r>) -> Result<(), SchemaFault> {
        let members = match open.schema {
            Value::Bool(constant) => {
                self.nodes[open.index].constant = Some(*constant);
                return Ok(());
            }
            Value::Object(members) => members,
            _ => return Ok(()),
        };
        if self.draft == Draft::Draft7 && members.contains_key("$ref") {
            // In draft-07 a reference hides its siblings, `$id` included.
            self.refer(open.index, members, "$ref", &open.base);
            return Ok(());
        }
        let base = self.base_of(open, members)?;
        self.nested_dialect(open, members)?;
        self.refer(open.index, members, "$ref", &base);
        self.refer(open.index, members, "$dynamicRef", &base);
        if let Some(anchor) = members.get("$dynamicAnchor").and_then(Value::as_str) {
            self.anchors.entry(anchor).or_default().push(open.index);
        }
        self.leaf(open.index, members)?;
        for (keyword, value) in members {
            self.keyword(open.index, keyword, value, &base)?;
        }
        Ok(())
    }

    /// The base URI inside a subschema, which `$id` changes.
    fn base_of(&self, open: &Open<'r>, members: &Map<String, Value>) -> Result<Base, SchemaFault> {
        let id = members.get("$id").and_then(Value::as_str).unwrap_or_default();
        let id = id.split('#').next().unwrap_or_default();
        if id.is_empty() {
            return Ok(Arc::clone(&open.base));
        }
        let path = format!("{}/$id", self.nodes[open.index].location);
        let base = self.registry.resolve_uri(&open.base.borrow(), id);
        let base = base.map_err(|_| SchemaFault::at(&path, "$id is not a URI reference"))?;
        if is_meta_schema(base.as_str()) {
            return Err(SchemaFault::at(&path, "$id must not be that of a meta-schema"));
        }
        Ok(base)
    }

    fn nested_dialect(
        &self,
        open: &Open<'_>,
        members: &Map<String, Value>,
    ) -> Result<(), SchemaFault> {
        if !members.contains_key("$schema") || draft(open.schema)? == self.draft {
            return Ok(());
        }
        let path = format!("{}/$schema", self.nodes[open.index].location);
        Err(SchemaFault::at(&path, "one schema must not mix drafts"))
    }

    fn refer(&mut self, from: usize, members: &'r Map<String, Value>, keyword: &str, base: &Base) {
        let Some(to) = members.get(keyword).and_then(Value::as_str) else {
            return;
        };
        if keyword == "$dynamicRef"
            && let Some((_, anchor)) = to.split_once('#')
            && !anchor.is_empty()
            && !anchor.starts_with('/')
        {
            self.dynamic.push((from, anchor));
        }
        let base = Arc::clone(base);
        self.references.push(Reference { from, to, base });
    }

    fn follow(&mut self, reference: &Reference<'r>) -> Result<(), SchemaFault> {
        let Reference { from, to, base } = reference;
        let outside = || {
            let path = format!("{}/$ref", self.nodes[*from].location);
            let message = format!(
                "the reference {} does not lead to a schema in this document; \
                 references are never fetched, so put the definition under $defs",
                super::clip(to, super::MAX_ECHO)
            );
            SchemaFault::at(&path, message)
        };
        let document = to.split('#').next().unwrap_or_default();
        let target = self.registry.resolve_uri(&base.borrow(), document);
        let target = target.map_err(|_| outside())?;
        if is_meta_schema(target.as_str()) {
            return self.meta_schema(*from, to);
        }
        let resolver = self.registry.resolver(base.as_ref().clone());
        let resolved = resolver.lookup(to).map_err(|_| outside())?;
        if !resolved.contents().is_object() && !resolved.contents().is_boolean() {
            return Err(outside());
        }
        let location = to.strip_prefix('#').unwrap_or(to).to_owned();
        let to = self.reach(resolved.contents(), location, resolved.resolver().base_uri());
        let dynamic = self.dynamic.iter().any(|(node, _)| node == from);
        let applies = if dynamic { Applies::Perhaps } else { Applies::All };
        self.link(*from, applies, "", to);
        Ok(())
    }

    /// A meta-schema is one node that only `jsonschema` looks into.
    fn meta_schema(&mut self, from: usize, uri: &str) -> Result<(), SchemaFault> {
        if !uri.contains("//") {
            let message = "refer to a meta-schema by its whole URI";
            return Err(SchemaFault::at(&self.nodes[from].location, message));
        }
        self.uses_meta_schema = true;
        let leaf = serde_json::json!({ "$ref": uri });
        self.nodes.push(Node {
            location: uri.to_owned(),
            leaf: Some(leaf),
            is_meta_schema: true,
            ..Node::default()
        });
        self.link(from, Applies::All, "", self.nodes.len() - 1);
        Ok(())
    }

    /// Takes the keywords that look at one value alone.
    fn leaf(&mut self, index: usize, members: &'r Map<String, Value>) -> Result<(), SchemaFault> {
        let mut leaf = Map::new();
        for keyword in LEAF {
            if let Some(value) = members.get(keyword) {
                leaf.insert(keyword.to_owned(), value.clone());
            }
        }
        let count = |keyword| members.get(keyword).and_then(Value::as_u64);
        let pattern = match members.get("pattern").and_then(Value::as_str) {
            Some(text) => {
                let path = format!("{}/pattern", self.nodes[index].location);
                Some(self.patterns.add(&path, text)?)
            }
            None => None,
        };
        let node = &mut self.nodes[index];
        node.pattern = pattern;
        node.unique = members.get("uniqueItems") == Some(&Value::Bool(true));
        node.contains = (count("minContains").unwrap_or(1), count("maxContains"));
        node.has_unevaluated = members.contains_key("unevaluatedProperties")
            || members.contains_key("unevaluatedItems");
        node.reads_content =
            members.contains_key("contentMediaType") || members.contains_key("format");
        node.cost = leaf.values().map(size).sum();
        if !leaf.is_empty() {
            leaf.insert("$schema".to_owned(), dialect(self.draft).into());
            node.leaf = Some(Value::Object(leaf));
        }
        Ok(())
    }

    /// Links the subschemas of one keyword.
    fn keyword(
        &mut self,
        from: usize,
        keyword: &str,
        value: &'r Value,
        base: &Base,
    ) -> Result<(), SchemaFault> {
        let modern = self.draft == Draft::Draft202012;
        match (keyword, value) {
            ("$defs" | "definitions", Value::Object(_)) => {
                self.named(from, keyword, value, base, Applies::Nothing)
            }
            ("properties", _) => self.named(from, keyword, value, base, Applies::Property),
            ("dependentSchemas", _) if modern => {
                self.named(from, keyword, value, base, Applies::Dependent)
            }
            ("dependencies", _) if !modern => self.dependencies(from, value, base),
            ("patternProperties", _) => self.pattern_properties(from, value, base),
            ("allOf", _) => self.list(from, keyword, value, base, |_| Applies::All),
            ("anyOf", _) => self.list(from, keyword, value, base, |_| Applies::Any),
            ("oneOf", _) => self.list(from, keyword, value, base, |_| Applies::One),
            ("prefixItems", _) if modern => self.list(from, keyword, value, base, Applies::Prefix),
            ("items", Value::Array(_)) if !modern => {
                self.list(from, keyword, value, base, Applies::Prefix)
            }
            _ => match self.single(keyword) {
                Some(applies) => self.child(from, keyword, None, value, base, applies),
                None => Ok(()),
            },
        }
    }

    /// How a keyword with one subschema applies it.
    fn single(&self, keyword: &str) -> Option<Applies> {
        let modern = self.draft == Draft::Draft202012;
        Some(match keyword {
            "not" => Applies::Not,
            "if" => Applies::If,
            "then" => Applies::Then,
            "else" => Applies::Else,
            "additionalProperties" => Applies::Additional,
            "propertyNames" => Applies::Names,
            "contains" => Applies::Contains,
            "items" => Applies::Items,
            "additionalItems" if !modern => Applies::Items,
            "unevaluatedProperties" | "unevaluatedItems" if modern => Applies::Unevaluated,
            "contentSchema" if modern => Applies::Nothing,
            _ => return None,
        })
    }

    fn child(
        &mut self,
        from: usize,
        keyword: &str,
        name: Option<&str>,
        schema: &'r Value,
        base: &Base,
        applies: Applies,
    ) -> Result<(), SchemaFault> {
        let mut location = format!("{}/{keyword}", self.nodes[from].location);
        if let Some(name) = name {
            push_token(&mut location, name);
        }
        if !schema.is_object() && !schema.is_boolean() {
            return Err(SchemaFault::at(&location, "a schema must be an object or a boolean"));
        }
        let to = self.reach(schema, location, Arc::clone(base));
        self.link(from, applies, name.unwrap_or_default(), to);
        Ok(())
    }

    fn list(
        &mut self,
        from: usize,
        keyword: &str,
        value: &'r Value,
        base: &Base,
        applies: impl Fn(usize) -> Applies,
    ) -> Result<(), SchemaFault> {
        for (index, schema) in value.as_array().into_iter().flatten().enumerate() {
            let name = index.to_string();
            self.child(from, keyword, Some(&name), schema, base, applies(index))?;
        }
        Ok(())
    }

    fn named(
        &mut self,
        from: usize,
        keyword: &str,
        value: &'r Value,
        base: &Base,
        applies: Applies,
    ) -> Result<(), SchemaFault> {
        for (name, schema) in value.as_object().into_iter().flatten() {
            self.child(from, keyword, Some(name), schema, base, applies)?;
        }
        Ok(())
    }

    fn pattern_properties(
        &mut self,
        from: usize,
        value: &'r Value,
        base: &Base,
    ) -> Result<(), SchemaFault> {
        for (text, schema) in value.as_object().into_iter().flatten() {
            let mut path = format!("{}/patternProperties", self.nodes[from].location);
            push_token(&mut path, text);
            let pattern = self.patterns.add(&path, text)?;
            let applies = Applies::PatternProperty(pattern);
            self.child(from, "patternProperties", Some(text), schema, base, applies)?;
        }
        Ok(())
    }

    /// Draft-07 has lists of names here as well as subschemas; the lists are leaf work.
    fn dependencies(
        &mut self,
        from: usize,
        value: &'r Value,
        base: &Base,
    ) -> Result<(), SchemaFault> {
        for (name, schema) in value.as_object().into_iter().flatten() {
            if !schema.is_array() {
                self.child(from, "dependencies", Some(name), schema, base, Applies::Dependent)?;
                continue;
            }
            let node = &mut self.nodes[from];
            let leaf = node.leaf.get_or_insert_with(|| serde_json::json!({}));
            leaf["dependencies"][name] = schema.clone();
            leaf["$schema"] = dialect(self.draft).into();
            node.cost += size(schema);
        }
        Ok(())
    }
}

/// The `$schema` of a draft.
fn dialect(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft7 => "http://json-schema.org/draft-07/schema#",
        _ => "https://json-schema.org/draft/2020-12/schema",
    }
}

fn is_meta_schema(uri: &str) -> bool {
    uri.starts_with("https://json-schema.org/") || uri.starts_with("http://json-schema.org/")
}

/// How many JSON values a value consists of.
fn size(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<u64>(),
        _ => 1,
    }
}

/// Adds a reference token to a JSON Pointer (RFC 6901 §3).
pub(super) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}
