//! What templates say, what they may not say, and that none takes long.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Budget, MAX_OUTPUT, MAX_TEMPLATE, Template, TemplateFault};
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

/// Whatever it leads to, it is over soon.
fn within_limits(what: &str, text: &str, input: &Value) {
    let began = crate::ambient::Ambient::system();
    let before = began.monotonic();
    let rendered =
        Template::parse(text, None).map_err(|fault| fault.to_string()).and_then(|template| {
            let mut budget = Budget::default();
            template.render(input, &mut budget).map_err(|wrong| wrong.message)
        });
    let took = began.monotonic() - before;
    assert!(rendered.map_or(0, |text| text.len()) <= MAX_OUTPUT, "{what}");
    let limit = if cfg!(debug_assertions) { 2_000 } else { 50 };
    assert!(took.as_millis() < limit, "{what} took {took:?}");
}

#[test]
fn no_template_takes_long() {
    let big = "ß".repeat(500_000);
    let list: Vec<u32> = (0..100_000).collect();
    let keys: Vec<_> = (0..1_000).map(|n| format!("{}{n}", "k".repeat(500))).collect();
    let input = json!({"big": big, "other": big, "list": list, "keys": keys, "row": [list, list]});
    let looped = |body: &str| format!("{{% for x in input.list %}}{body}{{% endfor %}}");
    for body in [
        "{{ input.big }}",
        "{{ input.big | upper | length }}",
        "{{ input.big | title | lower | trim | first }}",
        "{{ input.list | join(input.big) | length }}",
        "{{ input.list | join('x') }}",
        "{{ input | tojson | length }}",
        "{{ 'z' in input.big }}",
        "{{ input.big == input.other }}",
        "{{ input.big < input.other }}",
        "{{ x in input.list }}",
        "{{ input[input.big] | default('') }}",
        "{{ input | items | last | length }}",
        "{% for k, v in input | items %}{{ k }}{% endfor %}",
        "{% for y in input.list %}{% for z in input.list %}{% endfor %}{% endfor %}",
        "{% for y in input.keys %}{{ y | upper | lower | length }}{% endfor %}",
    ] {
        within_limits(body, &looped(body), &input);
    }
    // Doubling, if there were a way to it.
    let mut doubling = String::from("{{ input.keys");
    doubling.push_str(&" | join(input.big)".repeat(20));
    within_limits("join of join", &format!("{doubling} }}}}"), &input);
}

#[test]
fn no_nesting_exhausts_the_stack() {
    let input = json!({});
    let fill = |piece: &str| piece.repeat(MAX_TEMPLATE / piece.len() - 10);
    for (what, text) in [
        ("100,000 parentheses", format!("{{{{ {} }}}}", "(".repeat(100_000))),
        ("parentheses", format!("{{{{ {} }}}}", fill("("))),
        ("brackets", format!("{{{{ {} }}}}", fill("["))),
        ("braces", format!("{{{{ {} }}}}", fill("{1:"))),
        ("not", format!("{{{{ {}1 }}}}", fill("not "))),
        ("minus", format!("{{{{ {}1 }}}}", fill("- "))),
        ("members", format!("{{{{ input{} }}}}", fill(".a"))),
        ("calls", format!("{{{{ input{} }}}}", fill("()"))),
        ("filters", format!("{{{{ 'a'{} }}}}", fill("|trim"))),
        ("and", format!("{{{{ 1{} }}}}", fill(" and 1"))),
        ("sums", format!("{{{{ 1{} }}}}", fill("+1"))),
        ("choices", format!("{{{{ {}1 }}}}", fill("1 if 1 else "))),
        ("targets", format!("{{% for {}", fill("("))),
        ("if", fill("{% if 1 %}")),
        ("for", fill("{% for a in input %}")),
        ("elif", format!("{{% if 1 %}}{}", fill("{% elif 1 %}"))),
        ("elif with end", format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(5_000))),
    ] {
        assert!(Template::parse(&text, None).is_err(), "{what}");
        within_limits(what, &text, &input);
    }
    // What may be nested most deeply runs through too.
    let mut deep = String::new();
    for _ in 0..140 {
        deep.push_str("{% if 1 %}");
    }
    write!(deep, "{{{{ {}1 }}}}", "not ".repeat(190)).unwrap();
    deep.push_str(&"{% endif %}".repeat(140));
    assert_eq!(render(&deep, &input).unwrap(), "true");
    let members = format!("{{{{ input{} }}}}", ".a".repeat(90));
    assert_eq!(render(&members, &input).unwrap_err().path, "/a");
}

#[test]
fn many_small_pieces_are_read_quickly() {
    let text = "{{ 1 }}".repeat(MAX_TEMPLATE / 7);
    within_limits("pieces", &text, &json!({}));
    within_limits("lines", &"\n".repeat(MAX_TEMPLATE), &json!({}));
    assert!(Template::parse(&"x".repeat(MAX_TEMPLATE), None).is_ok());
    assert!(Template::parse(&"x".repeat(MAX_TEMPLATE + 1), None).is_err());
}
