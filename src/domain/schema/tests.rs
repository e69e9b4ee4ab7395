use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Contract, MAX_VIOLATIONS, Violation, sample};

fn violations(schema: &Value, instance: &Value) -> Vec<Violation> {
    Contract::compile(schema).unwrap().check(instance).err().unwrap_or_default()
}

/// `(path, schema_path, message)` of each violation.
fn listed(schema: &Value, instance: &Value) -> Vec<(String, String, String)> {
    let listed = violations(schema, instance).into_iter();
    listed.map(|found| (found.path, found.schema_path, found.message)).collect()
}

fn refused(schema: &Value) -> String {
    Contract::compile(schema).unwrap_err().message
}

fn triple(path: &str, schema_path: &str, message: &str) -> (String, String, String) {
    (path.into(), schema_path.into(), message.into())
}

/// Runs something that takes milliseconds when it is bounded, and for ever when it is not.
#[expect(clippy::disallowed_methods, reason = "the time that passes is what is tested")]
fn quick<T>(run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(2), "{taken:?}");
    result
}

fn nested(depth: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..depth).fold(json!({}), |inner, _| wrap(inner))
}

#[test]
fn violations_name_the_place_in_both_documents() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a/b": {"type": "array", "items": {"$ref": "#/$defs/item"}},
            "kind": {"enum": ["x", "y"]},
            "n": {"oneOf": [{"type": "integer", "minimum": 5}, {"type": "string"}]},
        },
        "required": ["kind", "missing"],
        "additionalProperties": false,
        "$defs": {"item": {"type": "object", "properties": {"id": {"type": "integer"}}}},
    });
    let instance = json!({"a/b": [{"id": 1}, {"id": "2"}], "kind": "z", "n": 1, "more": 0});
    assert_eq!(
        listed(&schema, &instance),
        [
            triple("", "/required", "the property \"missing\" is missing"),
            triple("/a~1b/1/id", "/$defs/item/properties/id/type", "must be of type integer"),
            triple("/kind", "/properties/kind/enum", "must be one of [\"x\",\"y\"]"),
            triple("/n", "/properties/n/oneOf", "matches none of the 2 allowed forms"),
            triple("/n", "/properties/n/oneOf/0/minimum", "must be at least 5"),
            triple("", "/additionalProperties", "the property \"more\" is not allowed"),
        ]
    );
}

/// Asserts where the first violation of each pair points to.
fn assert_schema_paths(cases: impl IntoIterator<Item = (Value, Value, &'static str)>) {
    for (schema, instance, schema_path) in cases {
        let found = violations(&schema, &instance);
        assert_eq!(found[0].schema_path, schema_path, "{schema} {found:?}");
    }
}

#[test]
fn keywords_for_the_same_value_are_explained() {
    let conditional =
        json!({"if": {"type": "string"}, "then": {"minLength": 3}, "else": {"minimum": 3}});
    let dependent = json!({"dependentSchemas": {"a": {"required": ["b"]}}});
    let meta = "https://json-schema.org/draft/2020-12/schema";
    assert_schema_paths([
        (json!({"not": {"type": "string"}}), json!("a"), "/not"),
        (conditional.clone(), json!("a"), "/then/minLength"),
        (conditional, json!(1), "/else/minimum"),
        (json!({"allOf": [{}, {"maxLength": 1}]}), json!("ab"), "/allOf/1/maxLength"),
        (json!({"oneOf": [{}, {"type": "string"}]}), json!("a"), "/oneOf"),
        (dependent, json!({"a": 1}), "/dependentSchemas/a/required"),
        (json!({"dependentRequired": {"a": ["b"]}}), json!({"a": 1}), "/dependentRequired"),
        (json!({"uniqueItems": true}), json!([1, 1]), "/uniqueItems"),
        (json!({ "$ref": meta }), json!({"type": 1}), meta),
        (json!({"unevaluatedProperties": false}), json!({"a": 1}), ""),
    ]);
}

#[test]
fn keywords_for_items_and_properties_are_explained() {
    let old = "http://json-schema.org/draft-07/schema#";
    let named = json!({"patternProperties": {"^x": {"type": "null"}}});
    assert_schema_paths([
        (json!({"contains": {"type": "string"}}), json!([1]), "/contains"),
        (json!({"contains": {}, "maxContains": 1}), json!([1, 2]), "/maxContains"),
        (json!({"prefixItems": [{}], "items": false}), json!([1, 2]), "/items"),
        (json!({"propertyNames": {"maxLength": 1}}), json!({"ab": 1}), "/propertyNames"),
        (named, json!({"xa": 1}), "/patternProperties/^x/type"),
        (json!({"properties": {"a": false}}), json!({"a": 1}), "/properties/a"),
        (json!({"$schema": old, "dependencies": {"a": ["b"]}}), json!({"a": 1}), "/dependencies"),
        (json!({"$schema": old, "items": [{"type": "null"}]}), json!([1]), "/items/0/type"),
    ]);
}

#[test]
fn violations_are_few_and_short() {
    let schema = json!({"items": {"type": "string"}});
    let found = violations(&schema, &json!((0..1000).collect::<Vec<_>>()));
    assert_eq!(found.len(), MAX_VIOLATIONS);

    let long = "x".repeat(100_000);
    let schema = json!({"properties": {(&long): {"const": long}}, "additionalProperties": false});
    for found in violations(&schema, &json!({(&long): 1, "y".repeat(100_000): 1})) {
        assert!(found.path.chars().count() <= 201, "{}", found.path.len());
        assert!(found.schema_path.chars().count() <= 201);
        assert!(found.message.chars().count() <= 201);
    }
}

#[test]
fn what_is_no_schema_is_refused() {
    for schema in [
        json!({"type": "strin"}),
        json!(1),
        json!({"properties": {"a": 1}}),
        json!({"minLength": -1}),
    ] {
        assert!(Contract::compile(&schema).is_err(), "{schema}");
    }
    assert!(
        refused(&json!({"$schema": "https://json-schema.org/draft/2019-09/schema"}))
            .contains("2020-12")
    );
    assert!(refused(&json!({"$schema": "http://localhost/schema"})).contains("2020-12"));
}

#[test]
fn references_outside_are_refused_and_inside_followed() {
    for reference in [
        "http://127.0.0.1:1/schema",
        "file:///etc/passwd",
        "other.json",
        "#/$defs/none",
        "#none",
        "//host/x",
    ] {
        let message = refused(&json!({"properties": {"a": {"$ref": reference}}}));
        assert!(message.contains("never fetched"), "{reference}: {message}");
    }
    assert!(
        Contract::compile(&json!({"$id": "http://127.0.0.1:1/root", "$ref": "other"})).is_err()
    );
    let schema = json!({"$id": "https://example.com/root", "$ref": "item", "$defs": {"a": {"$id": "item", "type": "null"}}});
    assert_eq!(violations(&schema, &json!(1))[0].schema_path, "/$defs/a/type");
}

#[test]
fn patterns_are_linear_or_refused() {
    let text = "a".repeat(50_000);
    let nested = json!({"pattern": "^(a+)+$"});
    assert!(!quick(|| violations(&nested, &json!(text.clone() + "!"))).is_empty());
    let overlapping = json!({"pattern": "^(a|aa)+$"});
    assert!(quick(|| violations(&overlapping, &json!(text))).is_empty());
    let letters = json!({"pattern": r"^\p{Letter}{1,20}$"});
    assert!(quick(|| violations(&letters, &json!("straße"))).is_empty());
    for pattern in ["(?=a)", r"(a)\1", "(", "(((a{1,1000}){1,1000}){1,1000})"] {
        assert!(refused(&json!({"pattern": pattern})).contains("pattern"), "{pattern}");
    }
    assert!(refused(&json!({"patternProperties": {"(?!a)": {}}})).contains("pattern"));
}

/// 13 levels, each of which refers to the next three times.
fn reference_tree() -> Value {
    let mut defs = serde_json::Map::new();
    for level in 0..13 {
        let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
        defs.insert(format!("l{level}"), json!({"allOf": [next, next, next]}));
    }
    defs.insert("l13".into(), json!({"type": "string"}));
    json!({"$ref": "#/$defs/l0", "$defs": defs})
}

/// Small, and exponential for a validator that collects the errors of every alternative.
fn recursive() -> Value {
    let child = json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]});
    json!({"anyOf": [child, child, child, {"type": "string"}]})
}

#[test]
fn exponential_schemas_are_refused_or_answered() {
    assert!(refused(&reference_tree()).contains("unfolds"));
    for (leaf, valid) in [(json!(1), false), (json!("leaf"), true)] {
        let instance = (0..60).fold(leaf, |inner, _| json!({"a": inner}));
        assert_eq!(quick(|| violations(&recursive(), &instance)).is_empty(), valid);
    }
    let unevaluated = nested(25, |inner| json!({"anyOf": [inner], "unevaluatedProperties": false}));
    assert!(Contract::compile(&unevaluated).is_err());
}

#[test]
fn deep_and_large_schemas_are_refused() {
    // By hand: `json!` would copy what it wraps at every level.
    let wrap = |inner, _| Value::Object([("not".to_owned(), inner)].into_iter().collect());
    let deep = (0..10_000).fold(json!({}), wrap);
    assert!(refused(&deep).contains("nests deeper"));
    // Dropping it recurses too; that is the JSON check's business, which lets none of it in.
    std::mem::forget(deep);
    assert!(refused(&json!({"enum": vec![0; 20_000]})).contains("values"));
    let chain: serde_json::Map<_, _> = (0..1000)
        .map(|link| {
            (format!("c{link}"), json!({"$ref": format!("#/$defs/c{}", (link + 1) % 1000)}))
        })
        .collect();
    assert!(refused(&json!({"$ref": "#/$defs/c0", "$defs": chain})).contains("nests deeper"));
}

#[test]
fn loops_without_progress_are_refused() {
    let schema = json!({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}});
    assert!(refused(&schema).contains("refers back to itself"));
    // Each of eight to all others: exponential for whoever goes every way.
    let others = |one: usize| {
        let others = (0..8).filter(|other| *other != one);
        others.map(|other| json!({"$ref": format!("#/$defs/d{other}")})).collect::<Vec<_>>()
    };
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let defs: serde_json::Map<_, _> =
            (0..8).map(|one| (format!("d{one}"), json!({keyword: others(one)}))).collect();
        let schema = json!({"$ref": "#/$defs/d0", "$defs": defs});
        assert!(quick(|| refused(&schema)).contains("refers back to itself"));
    }
}

#[test]
fn unique_items_take_time_in_proportion() {
    // Grouped differently, the same numbers have the same hash in `jsonschema`.
    let grouped = |bits: usize| {
        let (mut groups, mut group) = (Vec::new(), Vec::new());
        for number in 0..14 {
            group.push(json!(number));
            if bits >> number & 1 == 1 {
                groups.push(json!(std::mem::take(&mut group)));
            }
        }
        groups.push(json!(group));
        json!(groups)
    };
    let mut items: Vec<_> = (0..5_000).map(grouped).collect();
    let schema = json!({"uniqueItems": true});
    assert!(quick(|| violations(&schema, &json!(items))).is_empty());
    items.push(items[0].clone());
    assert_eq!(quick(|| violations(&schema, &json!(items)))[0].schema_path, "/uniqueItems");
}

#[test]
fn what_would_copy_long_names_is_refused() {
    let long = "x".repeat(100_000);
    let many: serde_json::Map<_, _> =
        (0..3_000).map(|index| (format!("p{index}"), json!({"type": "string"}))).collect();
    for schema in [
        json!({"properties": {(&long): {"properties": many}}}),
        json!({"$id": format!("http://example.com/{long}"), "properties": many}),
        json!({"$id": format!("{long}/"), "$defs": {"a": {"$id": "b/", "properties": many}}}),
    ] {
        assert!(quick(|| refused(&schema)).contains("shorten"));
    }
    let one = json!({"properties": {(&long): {"type": "string"}}});
    assert_eq!(violations(&one, &json!({(&long): 1}))[0].schema_path.chars().count(), 201);
}

#[test]
fn an_instance_that_costs_too_much_is_refused() {
    let items: Vec<_> = (0..20_000).collect();
    let found =
        violations(&json!({"items": {"enum": (0..5000).collect::<Vec<_>>()}}), &json!(items));
    assert!(found[0].message.contains("too large"), "{found:?}");
}

#[test]
fn samples_satisfy_their_schema() {
    for schema in [
        json!({"type": "object", "properties": {"summary": {"type": "string", "minLength": 30}, "score": {"type": "number", "minimum": 0.2, "maximum": 0.9}}, "required": ["summary", "score"], "additionalProperties": false}),
        json!({"type": "array", "items": {"enum": ["b", "a"]}, "minItems": 3}),
        json!({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": true}),
        json!({"type": "array", "prefixItems": [{"const": 1}, {"type": "boolean"}], "items": false}),
        json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "next": {"$ref": "#/$defs/node"}}, "required": ["id"]}}}),
        json!({"allOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 3}}}, {"required": ["b"], "properties": {"b": {"type": "string", "format": "date-time"}}}]}),
        json!({"anyOf": [{"type": "string", "pattern": "^[0-9]$"}, {"type": "integer", "exclusiveMinimum": 4, "multipleOf": 5}]}),
        json!({"type": ["null", "string"]}),
        json!({"type": "string", "default": 5, "examples": ["good"]}),
        json!({"type": "integer", "minimum": 0, "maximum": 0}),
        json!({"type": "integer", "maximum": -7}),
        json!({"type": "string", "maxLength": 3}),
        json!({"required": ["free"], "minProperties": 3}),
        json!(true),
    ] {
        let value = sample(&schema).unwrap_or_else(|| panic!("no sample of {schema}"));
        assert!(violations(&schema, &value).is_empty(), "{schema} {value}");
    }
    assert_eq!(sample(&json!({"default": {"a": 1}})), Some(json!({"a": 1})));
    assert_eq!(
        sample(&json!({"type": "string", "default": 5, "examples": ["good"]})),
        Some(json!("good"))
    );
    assert_eq!(sample(&json!({"type": "string", "pattern": "^[A-Z]{3}$"})), None);
    assert_eq!(sample(&json!(false)), None);
    assert_eq!(sample(&recursive()), Some(json!("sandbox text")));
}

#[test]
fn the_deepest_recursion_fits_the_stack_of_a_thread() {
    let step = json!({"properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}});
    let mut answers = Vec::new();
    for wrapped in 1..12 {
        let schema = (0..wrapped).fold(step.clone(), |inner, _| json!({"allOf": [inner]}));
        let instance = (0..62).fold(json!({"b": [1]}), |inner, _| json!({"a": inner}));
        answers.push(violations(&schema, &instance).is_empty());
    }
    // The first ones are checked; those that would recurse too deeply are refused, not tried.
    assert!(answers[0] && !answers[10], "{answers:?}");
}
