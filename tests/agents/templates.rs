//! No template takes long, whatever it says, and none breaks the server that reads it.

use std::{fmt::Write as _, time::Instant};

use serde_json::{Value, json};
use skai_server::domain::{Budget, MAX_OUTPUT, MAX_TEMPLATE, Template, Violation};

fn render(text: &str, input: &Value) -> Result<String, Violation> {
    Template::parse(text, None).unwrap().render(input, &mut Budget::default())
}

/// Whatever it leads to, it is over soon.
fn within_limits(what: &str, text: &str, input: &Value) {
    let before = Instant::now();
    let rendered =
        Template::parse(text, None).map_err(|fault| fault.to_string()).and_then(|template| {
            let mut budget = Budget::default();
            template.render(input, &mut budget).map_err(|wrong| wrong.message)
        });
    let took = before.elapsed();
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
