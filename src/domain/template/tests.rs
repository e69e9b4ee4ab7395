//! What templates say, what they may not say.

use serde_json::{Value, json};

use super::{Budget, Template, TemplateFault};
use crate::domain::Violation;

fn read(text: &str) -> Template {
    Template::parse(text, None).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn render(text: &str, input: &Value) -> Result<String, Violation> {
    read(text).render(input, &mut Budget::default())
}

fn refused(text: &str) -> TemplateFault {
    match Template::parse(text, None) {
        Err(fault) => fault,
        Ok(_) => panic!("{text:.80} is read"),
    }
}

#[test]
fn values_are_put_in_their_place() {
    let input = json!({
        "name": "ada <lovelace>", "n": 1.5, "none": null, "tags": ["a", "b"], "o": {"k": true},
        "empty": [], "rows": [{"id": 1}, {"id": 2}],
    });
    for (text, expected) in [
        ("plain\n", "plain\n"),
        ("{{ input.name }}", "ada <lovelace>"),
        ("{{ input['name'] }}", "ada <lovelace>"),
        ("{{ input.n }} {{ input.none }} {{ input.tags }}", r#"1.5 null ["a","b"]"#),
        ("{{ input.o }}", r#"{"k":true}"#),
        ("{{ input.name | tojson }}", r#""ada <lovelace>""#),
        ("{{ input.name | upper }}", "ADA <LOVELACE>"),
        ("{{ 'a b-c' | title }} {{ 'aB c' | capitalize }}", "A B-C Ab c"),
        ("{{ input.tags | join(', ') }}{{ input.tags | join }}", "a, bab"),
        ("{{ input.tags | first }}{{ input.tags | last }}{{ input.tags | length }}", "ab2"),
        ("{{ input.tags[0] }}{{ input.tags[-1] }}{{ input.tags.1 }}", "abb"),
        ("{{ input.missing | default('none') }}", "none"),
        ("{{ input.empty | first | default('none') }}", "none"),
        ("{% if input.missing is defined %}a{% else %}b{% endif %}", "b"),
        ("{% if input.empty %}a{% elif 'a' in input.tags %}b{% endif %}", "b"),
        ("{% if input.n > 1 and not input.none %}a{% endif %}", "a"),
        ("{{ 1 if 'x' not in input.name else 2 }}", "1"),
        ("{{ 1 == 1.0 }} {{ 'a' < 'b' < 'c' }} {{ -1 < 0 }}", "true true true"),
        ("{% if input.o.k in [true, false] %}a{% endif %}", "a"),
        ("{% for t in input.tags %}{{ loop.index }}{{ t }}{% endfor %}", "1a2b"),
        ("{% for t in input.tags %}{{ t }}{{ '' if loop.last else '-' }}{% endfor %}", "a-b"),
        ("{% for t in input.empty %}a{% else %}none{% endfor %}", "none"),
        ("{% for k, v in input.o | items %}{{ k }}={{ v }}{% endfor %}", "k=true"),
        (
            "{% for r in input.rows %}{% for t in input.tags %}{{ r.id }}{{ t }}{% endfor %}{% endfor %}",
            "1a1b2a2b",
        ),
        ("a {#- nothing -#} b", "ab"),
        ("{% raw %}{{ input.x }}{% endraw %}", "{{ input.x }}"),
        ("{{ input.none or 'x' }}{{ input.n and 'y' }}", "xy"),
    ] {
        assert_eq!(render(text, &input).unwrap(), expected, "{text}");
    }
}

#[test]
fn an_input_of_any_kind_can_be_shown() {
    for input in [json!(null), json!("text"), json!(3), json!([1]), json!({})] {
        let expected = input.as_str().map_or_else(|| input.to_string(), str::to_owned);
        assert_eq!(render("{{ input }}", &input).unwrap(), expected);
    }
}

#[test]
fn whether_the_input_is_used_is_known() {
    for (text, uses) in [("plain", false), ("{{ 1 }}", false), ("{% if input %}{% endif %}", true)]
    {
        assert_eq!(read(text).uses_input(), uses, "{text}");
    }
}

#[test]
fn what_is_missing_or_of_the_wrong_kind_is_named() {
    let input = json!({"a": {"b": 1}, "rows": [{"id": 1}, {}], "s": "x", "a/b": {}});
    for (text, path, part) in [
        ("{{ input.x }}", "/x", "input.x is missing"),
        ("{{ input.a.x.y }}", "/a/x", "input.a.x is missing"),
        ("{{ input.a.b.c }}", "/a/b/c", "is missing"),
        ("{{ input['a/b'].c }}", "/a~1b/c", "is missing"),
        ("{{ input.rows[5] }}", "/rows/5", "is missing"),
        ("{% if input.x %}{% endif %}", "/x", "is missing"),
        ("{{ input.x | upper }}", "/x", "is missing"),
        ("{% for r in input.rows %}{{ r.id }}{% endfor %}", "/rows/1/id", "r.id is missing"),
        ("{% for r in input.a %}{% endfor %}", "/a", "must be an array"),
        ("{{ input.a | upper }}", "/a", "must be a string for the filter upper"),
        ("{{ input.s | items }}", "/s", "must be an object"),
        ("{{ input.s > 1 }}", "", "cannot be compared"),
        ("{% for a, b in input.rows %}{% endfor %}", "/rows", "arrays of 2 items"),
    ] {
        let wrong = render(text, &input).unwrap_err();
        assert_eq!(wrong.path, path, "{text}: {}", wrong.message);
        assert!(wrong.message.contains(part), "{text}: {}", wrong.message);
    }
}

#[test]
fn what_is_not_allowed_is_refused_with_its_line() {
    for text in [
        "{{ input.a",
        "{{ }}",
        "{% if input %}",
        "{% endif %}",
        "{{ output }}",
        "{{ input.a + 1 }}",
        "{{ 'a' * 1000000 }}",
        "{{ 'a' ~ 'b' }}",
        "{{ 2 ** 64 }}",
        "{{ -input.a }}",
        "{% set a = input %}",
        "{% set a %}x{% endset %}",
        "{% with a = input %}{{ a }}{% endwith %}",
        "{% macro a() %}{{ a() }}{% endmacro %}",
        "{% call input() %}{% endcall %}",
        "{% include 'a' %}",
        "{% import 'a' as a %}",
        "{% extends 'a' %}",
        "{% block a %}{% endblock %}",
        "{% do input() %}",
        "{% filter upper %}a{% endfilter %}",
        "{% autoescape true %}{% endautoescape %}",
        "{{ range(10) }}",
        "{{ namespace() }}",
        "{{ input.a() }}",
        "{{ input[1:2] }}",
        "{{ [input, input] }}",
        "{{ {'a': input} }}",
        "{{ (1, 2) }}",
        "{{ input | replace('a', 'b') }}",
        "{{ input | join(1, 2) }}",
        "{{ input | default }}",
        "{{ input | default(value=1) }}",
        "{{ input is divisibleby(2) }}",
        "{{ loop.index }}",
        "{{ loop }}",
        "{% for input in input %}{% endfor %}",
        "{% for a in input if a %}{% endfor %}",
        "{% for a in input recursive %}{% endfor %}",
        "{% for a in input %}{{ loop(a) }}{% endfor %}",
        "{% for a in input %}{{ loop.cycle }}{% endfor %}",
        "{% for a in input %}{% endfor %}{{ a }}",
        "{{ self }}",
        "{{ 1 if input }}",
    ] {
        assert!(!refused(text).message.is_empty());
        assert_eq!(refused(&format!("first\n\n{text}")).line, 3, "{text}");
    }
}

#[test]
fn a_path_that_the_schema_rules_out_is_refused() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "open": {"type": "object", "properties": {}, "additionalProperties": true},
            "map": {"properties": {}, "additionalProperties": {"properties": {"a": {}}}},
            "free": {"type": "object"},
            "any": {},
            "rows": {"type": "array", "items": {"properties": {"id": {}}}},
            "pair": {"prefixItems": [{}], "items": {"properties": {}}},
            "ref": {"$ref": "#/properties/name", "properties": {}},
            "either": {"anyOf": [{}], "properties": {}},
            "pattern": {"patternProperties": {"^x": {}}, "properties": {}},
        },
    });
    let parse = |text: &str| Template::parse(text, Some(&schema));
    for good in [
        "{{ input.name }}",
        "{{ input.open.x }}",
        "{{ input.map.x.a }}",
        "{{ input.free.x.y }}",
        "{{ input.any.x }}",
        "{{ input.rows[0].id }}",
        "{% for r in input.rows %}{{ r.id }}{% endfor %}",
        "{% for r in input.pair %}{{ r.id }}{% endfor %}",
        "{{ input.ref.x }}{{ input.either.x }}{{ input.pattern.x }}",
        "{{ input[input.name] }}",
    ] {
        parse(good).unwrap_or_else(|fault| panic!("{good}: {fault}"));
    }
    for (bad, named) in [
        ("{{ input.nam }}", "`input.nam`"),
        ("{{ input['nam'] }}", "`input.nam`"),
        ("{{ input.nam | default(1) }}", "`input.nam`"),
        ("{{ input.name.first }}", "`input.name.first`"),
        ("{{ input.map.x.b }}", "`input.map.x.b`"),
        ("{{ input.rows.length }}", "`input.rows.length`"),
        ("{{ input.rows[0].no }}", "`input.rows[0].no`"),
        ("{% for r in input.rows %}{{ r.no }}{% endfor %}", "`r.no`"),
    ] {
        let fault = parse(bad).err().unwrap_or_else(|| panic!("{bad} is read"));
        assert!(fault.message.contains(named), "{bad}: {fault}");
    }
}

#[test]
fn what_a_template_holds_grows_with_its_parts() {
    let bytes = |text: &str| Template::parse(text, None).unwrap().bytes();
    let none = bytes("");
    assert!((1_000..1_200).contains(&(bytes(&"x".repeat(1_000)) - none)));
    // A part takes much more memory than the five bytes that it is written with.
    let part = bytes("{{1}}{{1}}") - bytes("{{1}}");
    assert!((50..500).contains(&part), "{part}");
    for text in [
        "{% for a in input.b %}{{ a }}{% else %}none{% endfor %}",
        "{% if input.a and not input.b or input.c %}{{ input.d | title }}{% endif %}",
        "{{ input.a if 1 < input.b < 3 else [1, 2, 3] }}",
    ] {
        assert!(bytes(text) > none + text.len(), "{text}");
    }
}
