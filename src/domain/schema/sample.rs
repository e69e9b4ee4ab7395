//! A value that satisfies a schema, for the sandbox provider and for examples.

use serde_json::{Map, Number, Value, json};

use super::Contract;

/// How deeply references and containers are followed.
const MAX_DEPTH: u32 = 16;
/// Attempts at alternatives and values made in all.
const MAX_STEPS: u32 = 2_000;
/// Defaults and examples that are checked before they are taken; each check compiles a subschema.
const MAX_CHECKS: u32 = 16;
/// The longest string or array that is made to satisfy a minimum.
const MAX_LENGTH: u64 = 1_000;

/// A deterministic instance of the schema, or nothing where none is easily found (a `pattern`, for
/// one, is never solved). What is answered has been checked against the schema.
pub fn sample(schema: &Value) -> Option<Value> {
    let contract = Contract::compile(schema).ok()?;
    let fits = |value: &Value| contract.check(value).is_ok();
    // Alternatives are tried in order: the first choice everywhere, then the second, ….
    (0..4).find_map(|choice| {
        let mut maker = Maker { root: schema, steps: MAX_STEPS, checks: MAX_CHECKS, choice };
        maker.make(schema, 0).filter(fits)
    })
}

struct Maker<'a> {
    root: &'a Value,
    steps: u32,
    /// Offered values that may still be checked against their subschema.
    checks: u32,
    /// Which of several alternatives to take.
    choice: usize,
}

impl Maker<'_> {
    fn make(&mut self, schema: &Value, depth: u32) -> Option<Value> {
        self.steps = self.steps.checked_sub(1)?;
        if depth > MAX_DEPTH {
            return None;
        }
        let members = match schema {
            Value::Bool(allowed) => return allowed.then_some(Value::Null),
            other => other.as_object()?,
        };
        let merged = self.merge(members, depth)?;
        let members = &merged;
        if let Some(value) = members.get("const") {
            return Some(value.clone());
        }
        if let Some(value) = self.offered(members) {
            return Some(value.clone());
        }
        match self.type_of(members) {
            "object" => self.object(members, depth),
            "array" => self.array(members, depth),
            "string" => string(members),
            "integer" => number(members, true),
            "number" => number(members, false),
            "boolean" => Some(Value::Bool(true)),
            _ => Some(Value::Null),
        }
    }

    /// The first default or example that satisfies its own subschema, or the first `enum` value.
    fn offered<'m>(&mut self, members: &'m Map<String, Value>) -> Option<&'m Value> {
        for keyword in ["default", "examples", "example"] {
            let Some(value) = members.get(keyword).and_then(|value| offer(keyword, value)) else {
                continue;
            };
            self.checks = self.checks.checked_sub(1)?;
            if self.is_plausible(members, value) {
                return Some(value);
            }
        }
        offer("enum", members.get("enum")?)
    }

    fn is_plausible(&self, members: &Map<String, Value>, value: &Value) -> bool {
        let mut schema = members.clone();
        for keyword in ["$defs", "definitions"] {
            match self.root.get(keyword) {
                Some(definitions) => schema.insert(keyword.into(), definitions.clone()),
                None => schema.shift_remove(keyword),
            };
        }
        schema.shift_remove("$id");
        Contract::compile(&Value::Object(schema))
            .is_ok_and(|contract| contract.check(value).is_ok())
    }

    /// Follows `$ref`, and puts `allOf` and one alternative of `anyOf` and `oneOf` into the schema.
    fn merge(&mut self, members: &Map<String, Value>, depth: u32) -> Option<Map<String, Value>> {
        let mut merged = members.clone();
        let target = merged.shift_remove("$ref");
        if let Some(target) = target.as_ref().and_then(Value::as_str) {
            let target = self.root.pointer(target.strip_prefix('#')?)?.clone();
            self.add(&mut merged, &target, depth)?;
        }
        if let Some(Value::Array(all)) = merged.shift_remove("allOf") {
            for schema in all {
                self.add(&mut merged, &schema, depth)?;
            }
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(alternatives)) = merged.shift_remove(keyword) {
                let index = self.choice.min(alternatives.len().checked_sub(1)?);
                self.add(&mut merged, &alternatives[index], depth)?;
            }
        }
        Some(merged)
    }

    fn add(&mut self, merged: &mut Map<String, Value>, schema: &Value, depth: u32) -> Option<()> {
        self.steps = self.steps.checked_sub(1)?;
        if depth >= MAX_DEPTH {
            return None;
        }
        let members = match schema {
            Value::Bool(allowed) => return allowed.then_some(()),
            other => self.merge(other.as_object()?, depth + 1)?,
        };
        for (keyword, value) in members {
            match (merged.get_mut(&keyword), value) {
                (Some(Value::Object(known)), Value::Object(more)) if keyword == "properties" => {
                    for (name, schema) in more {
                        known.entry(name).or_insert(schema);
                    }
                }
                (Some(Value::Array(known)), Value::Array(more)) if keyword == "required" => {
                    known.extend(more);
                }
                (Some(known), value) => tighten(&keyword, known, value),
                (None, value) => {
                    merged.insert(keyword, value);
                }
            }
        }
        Some(())
    }

    fn type_of<'m>(&self, members: &'m Map<String, Value>) -> &'m str {
        match members.get("type") {
            Some(Value::String(name)) => name,
            Some(Value::Array(names)) => {
                let index = self.choice.min(names.len().saturating_sub(1));
                names.get(index).and_then(Value::as_str).unwrap_or("null")
            }
            _ => implied_type(members),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, depth: u32) -> Option<Value> {
        let required: Vec<&str> = members
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let anything = json!({ "type": "string" });
        let additional = members.get("additionalProperties").filter(|schema| schema.is_object());
        let mut object = Map::new();
        let properties = members.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            match self.make(schema, depth + 1) {
                Some(value) => drop(object.insert(name.clone(), value)),
                None if required.contains(&name.as_str()) => return None,
                None => {}
            }
        }
        for name in required {
            if !object.contains_key(name) {
                let value = self.make(additional.unwrap_or(&anything), depth + 1)?;
                object.insert(name.to_owned(), value);
            }
        }
        let least = limit(members, "minProperties").min(MAX_LENGTH);
        for index in 0..least {
            if object.len() as u64 >= least {
                break;
            }
            let value = self.make(additional.unwrap_or(&anything), depth + 1)?;
            object.insert(format!("property_{}", index + 1), value);
        }
        Some(Value::Object(object))
    }

    fn array(&mut self, members: &Map<String, Value>, depth: u32) -> Option<Value> {
        let mut items = Vec::new();
        let list = members.get("prefixItems").or(members.get("items")).and_then(Value::as_array);
        for schema in list.into_iter().flatten() {
            items.push(self.make(schema, depth + 1)?);
        }
        let rest = members.get("items").filter(|schema| schema.is_object());
        let contains = members.get("contains");
        let most = members.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        // One item shows more than none, where the schema says what an item is.
        let least = match (rest, contains) {
            (None, None) => limit(members, "minItems"),
            _ => limit(members, "minItems").max(limit(members, "minContains")).max(1),
        };
        let anything = json!({ "type": "string" });
        let schema = contains.or(rest).unwrap_or(&anything);
        while (items.len() as u64) < least.min(most).min(MAX_LENGTH) {
            match self.make(schema, depth + 1) {
                Some(item) => items.push(distinct(members, item, items.len())),
                None if items.len() as u64 >= limit(members, "minItems") => break,
                None => return None,
            }
        }
        Some(Value::Array(items))
    }
}

/// What a keyword offers as a value.
fn offer<'a>(keyword: &str, value: &'a Value) -> Option<&'a Value> {
    match keyword {
        "examples" | "enum" => value.as_array()?.first(),
        _ => Some(value),
    }
}

/// Of two limits keeps the narrower one.
fn tighten(keyword: &str, known: &mut Value, other: Value) {
    let (Some(a), Some(b)) = (known.as_f64(), other.as_f64()) else {
        return;
    };
    let narrower =
        if keyword.starts_with("min") || keyword == "exclusiveMinimum" { b > a } else { b < a };
    if narrower {
        *known = other;
    }
}

/// The type that keywords speak of, where `type` is missing.
fn implied_type(members: &Map<String, Value>) -> &'static str {
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| members.contains_key(*keyword));
    if has(&["properties", "required", "additionalProperties", "minProperties"]) {
        "object"
    } else if has(&["items", "prefixItems", "minItems", "contains"]) {
        "array"
    } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        "number"
    } else {
        "string"
    }
}

fn limit(members: &Map<String, Value>, keyword: &str) -> u64 {
    members.get(keyword).and_then(Value::as_u64).unwrap_or_default()
}

/// Under `uniqueItems` scalars are told apart by their index.
fn distinct(members: &Map<String, Value>, item: Value, index: usize) -> Value {
    if index == 0 || members.get("uniqueItems") != Some(&Value::Bool(true)) {
        return item;
    }
    match item {
        Value::String(text) => Value::String(format!("{text} {}", index + 1)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => {
                Value::from(number.saturating_add(i64::try_from(index).unwrap_or_default()))
            }
            None => Value::Number(number),
        },
        other => other,
    }
}

fn string(members: &Map<String, Value>) -> Option<Value> {
    let format = members.get("format").and_then(Value::as_str).unwrap_or_default();
    let text = match format {
        "date-time" => "2026-01-01T00:00:00Z",
        "date" => "2026-01-01",
        "time" => "00:00:00Z",
        "duration" => "P1D",
        "email" | "idn-email" => "user@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "iri" | "uri-reference" | "iri-reference" => "https://example.com/",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => "sandbox text",
    };
    let (least, most) =
        (limit(members, "minLength"), members.get("maxLength").and_then(Value::as_u64));
    if least > MAX_LENGTH {
        return None;
    }
    let mut text = text.to_owned();
    while (text.len() as u64) < least {
        text.push_str(" text");
    }
    let end = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    text.truncate(end);
    Some(Value::String(text))
}

fn number(members: &Map<String, Value>, integer: bool) -> Option<Value> {
    let bound = |keyword: &str| members.get(keyword).and_then(Value::as_f64);
    let step = bound("multipleOf").filter(|step| *step > 0.0);
    let step = if integer { step.map_or(1.0, f64::ceil) } else { step.unwrap_or(1.0) };
    let lowest = bound("minimum").or(bound("exclusiveMinimum")).unwrap_or(f64::NEG_INFINITY);
    let highest = bound("maximum").or(bound("exclusiveMaximum")).unwrap_or(f64::INFINITY);
    let mut value = if lowest > 1.0 || highest < 1.0 { lowest } else { 1.0 };
    if value.is_infinite() {
        value = highest;
    }
    let mut value = (value / step).ceil() * step;
    if bound("exclusiveMinimum").is_some_and(|low| value <= low) {
        value += step;
    }
    if value > highest && !integer && bound("multipleOf").is_none() {
        value = f64::midpoint(lowest, highest);
    } else if value > highest || bound("exclusiveMaximum").is_some_and(|high| value >= high) {
        value -= step;
    }
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return format!("{value:.0}").parse::<i64>().ok().map(Value::from);
    }
    Number::from_f64(value).map(Value::Number)
}
