//! Reads a schema document into nodes and follows its references.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
};

use jsonschema::{Draft, Registry, Uri};
use serde_json::{Map, Value};

use super::{
    super::{MAX_ECHO, SchemaFault, clip, pattern::Patterns},
    Applies, Edge, Node, draft,
    leaf::{LEAF, leaf_cost, size, text_bytes, text_weight},
    push_token,
};

/// Refuses to fetch anything.
pub(super) struct Offline;

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

/// Reads a document into nodes.
pub(super) struct Builder<'r> {
    draft: Draft,
    registry: &'r Registry<'r>,
    by_address: HashMap<usize, usize>,
    pub(super) nodes: Vec<Node>,
    pub(super) patterns: Patterns,
    open: VecDeque<Open<'r>>,
    references: Vec<Reference<'r>>,
    /// Nodes with a `$dynamicRef`, and the anchor that it names.
    dynamic: Vec<(usize, &'r str)>,
    /// Nodes by `$dynamicAnchor`.
    anchors: HashMap<&'r str, Vec<usize>>,
    pub(super) uses_meta_schema: bool,
}

impl<'r> Builder<'r> {
    pub(super) fn new(draft: Draft, registry: &'r Registry<'r>) -> Self {
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
    pub(super) fn run(&mut self) -> Result<(), SchemaFault> {
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
    pub(super) fn reach(&mut self, schema: &'r Value, location: String, base: Base) -> usize {
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
        use Applies::{
            Additional, Contains, Items, Names, Nothing, PatternProperty, Prefix, Property,
            Unevaluated,
        };
        let node = &mut self.nodes[from];
        let edge = |name: &str| Edge { applies, name: name.to_owned(), to };
        match applies {
            Nothing => {}
            Property => {
                node.name_bytes += name.len();
                node.properties.insert(name.to_owned(), to);
            }
            Prefix(_) | Items | Contains => node.items.push(edge("")),
            PatternProperty(_) | Additional | Names => node.members.push(edge("")),
            Unevaluated => {
                node.items.push(edge(""));
                node.members.push(edge(""));
            }
            _ => node.in_place.push(edge(name)),
        }
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
                clip(to, MAX_ECHO)
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
        let found = resolver.lookup(to).map_err(|_| outside())?;
        if !found.contents().is_object() && !found.contents().is_boolean() {
            return Err(outside());
        }
        let location = to.strip_prefix('#').unwrap_or(to).to_owned();
        let to = self.reach(found.contents(), location, found.resolver().base_uri());
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
        let known = self.nodes.iter().position(|node| node.is_meta_schema && node.location == uri);
        if let Some(known) = known {
            self.link(from, Applies::All, "", known);
            return Ok(());
        }
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
        node.text_weight = text_weight(members);
        node.cost = leaf.iter().map(|(keyword, value)| leaf_cost(keyword, value)).sum();
        let names = [leaf.get("required"), leaf.get("dependentRequired")];
        node.name_bytes += names.into_iter().flatten().map(text_bytes).sum::<usize>();
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
            node.name_bytes += name.len() + text_bytes(schema);
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
