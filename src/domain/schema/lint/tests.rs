use serde_json::{Map, Value, json};

use super::{MAX_WARNINGS, lint};

/// An object as strict modes want it.
fn closed(properties: &Value) -> Value {
    let names: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

/// Asserts the path of each warning, and a part of its message.
#[track_caller]
fn assert_warnings(schema: &Value, expected: &[(&str, &str)]) {
    let warnings = lint(schema);
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (warning, (path, part)) in warnings.iter().zip(expected) {
        assert_eq!(warning.path, *path, "{warnings:#?}");
        assert!(warning.message.contains(part), "{warning:?}");
    }
}

#[test]
fn a_strict_schema_has_no_warnings() {
    let item = closed(
        &json!({"name": {"type": ["string", "null"], "format": "email"}, "kind": {"enum": ["a", "b"]}}),
    );
    let mut schema = closed(&json!({
        "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}},
        "one": {"anyOf": [{"$ref": "#/$defs/item"}, {"type": "null"}]},
    }));
    schema["$defs"] = json!({"item": item});
    assert_warnings(&schema, &[]);
}

#[test]
fn objects_are_closed_and_all_is_required() {
    let schema = json!({
        "type": "object",
        "properties": {"a/b": {"type": "string"}, "in": {"type": ["object", "null"]}},
        "required": ["in"],
    });
    assert_warnings(
        &schema,
        &[
            ("", "\"additionalProperties\": false"),
            ("/properties/a~1b", "add \"a/b\" to \"required\""),
            ("/properties/in", "\"additionalProperties\": false"),
        ],
    );
}

#[test]
fn the_root_is_an_object() {
    assert_warnings(&json!({"type": "array", "items": {"type": "string"}}), &[("", "root")]);
    assert_warnings(&json!({"anyOf": [closed(&json!({}))]}), &[("/anyOf", "root")]);
    assert_warnings(&json!(true), &[("", "root"), ("", "true and false")]);
}

#[test]
fn refused_keywords_say_what_to_do_instead() {
    let schema = closed(&json!({
        "all": {"allOf": [{"type": "string"}]},
        "one": {"oneOf": [{"type": "string"}]},
        "not": {"type": "string", "not": {"const": "x"}},
        "number": {"type": "integer", "minimum": 1},
        "list": {"type": "array", "items": {}, "minItems": 2, "uniqueItems": true},
        "complex": {"enum": [[1]]},
        "any": true,
    }));
    assert_warnings(
        &schema,
        &[
            ("/properties/all/allOf", "merge"),
            ("/properties/one/oneOf", "anyOf"),
            ("/properties/not/not", "description"),
            ("/properties/number/minimum", "Anthropic"),
            ("/properties/list/uniqueItems", "strict modes"),
            ("/properties/list/minItems", "0 and 1"),
            ("/properties/list/items", "add \"type\""),
            ("/properties/complex/enum", "anyOf"),
            ("/properties/any", "true and false"),
        ],
    );
}

#[test]
fn references_stand_alone_and_end() {
    let mut schema = closed(&json!({
        "a": {"$ref": "#/$defs/node", "description": "the first"},
    }));
    let mut node = closed(&json!({"next": {"$ref": "#/$defs/node"}}));
    node["description"] = json!("a node");
    schema["$defs"] = json!({ "node": node });
    assert_warnings(
        &schema,
        &[("/properties/a/$ref", "beside"), ("/$defs/node/properties/next/$ref", "recursion")],
    );
}

#[test]
fn sizes_have_limits() {
    let deep = (0..10).fold(closed(&json!({})), |inner, _| closed(&json!({"a": inner})));
    assert_warnings(&deep, &[("/properties/a".repeat(10).as_str(), "10 levels")]);
    let ten = (0..9).fold(closed(&json!({})), |inner, _| closed(&json!({"a": inner})));
    assert_warnings(&ten, &[]);

    let many: Map<String, Value> =
        (0..5_001).map(|index| (format!("p{index}"), json!({"type": "null"}))).collect();
    assert_warnings(&closed(&many.into()), &[("", "5000 properties")]);

    let numbers: Vec<_> = (0..1_001).collect();
    assert_warnings(&closed(&json!({"a": {"enum": numbers}})), &[("/properties/a/enum", "1000")]);

    let texts: Vec<_> = (0..251).map(|index| format!("{index:060}")).collect();
    assert_warnings(&closed(&json!({"a": {"enum": texts}})), &[("/properties/a/enum", "15000")]);

    let long = "x".repeat(120_000);
    assert_warnings(&closed(&json!({"a": {"const": long}})), &[("/properties/a", "120000")]);
}

#[test]
fn warnings_are_few_and_short() {
    let many: Map<String, Value> =
        (0..9_000).map(|index| (format!("{}{index}", "x".repeat(1_000)), json!({}))).collect();
    let warnings = lint(&json!({"type": "object", "properties": many}));
    assert_eq!(warnings.len(), MAX_WARNINGS);
    for warning in warnings {
        assert!(warning.path.chars().count() <= 201 && warning.message.chars().count() <= 201);
    }
}
