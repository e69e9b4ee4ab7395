use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn canonical(text: &str) -> String {
    String::from_utf8(check(text.as_bytes()).unwrap().canonical).unwrap()
}

fn fault(text: &str) -> String {
    check(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn canonical_text_is_sorted_and_minimal() {
    assert_eq!(
        canonical(
            " { \"b\" : [ 1.0 , 2e1, {} , [] ] ,\r\n\t\"a\\u0062\" : \"\\/\\u00e9\\ud83d\\ude00\\u001F\\n\" } "
        ),
        "{\"ab\":\"/é😀\\u001f\\n\",\"b\":[1.0,2e1,{},[]]}"
    );
    // Sorted by the character, not by its escape: `"` is U+0022, `A` is U+0041, `\` is U+005C.
    assert_eq!(
        canonical(r#"{"a":4,"\\":3,"A":2,"\"":1,"\n":0}"#),
        r#"{"\n":0,"\"":1,"A":2,"\\":3,"a":4}"#
    );
    assert_eq!(
        canonical(r#"{"😀":1,"\uffee":2,"b":{"y":1,"x":{"n":1,"m":2}}}"#),
        "{\"b\":{\"x\":{\"m\":2,\"n\":1},\"y\":1},\"\u{ffee}\":2,\"😀\":1}"
    );
}

#[test]
fn the_hash_is_sha_256_of_the_canonical_text() {
    let hash = check(b" { } ").unwrap().canonical_hash();
    assert_eq!(hash[..4], [0x44, 0x13, 0x6f, 0xa3]);
}

#[test]
fn repeated_keys_are_found_behind_escapes_and_order() {
    assert_eq!(fault(r#"{"a":1,"b":2,"\u0061":3}"#), "the key \"a\" is repeated at byte 13");
    assert_eq!(fault(r#"[{"x":{"\n":1,"\u000a":1}}]"#), "the key \"\\n\" is repeated at byte 14");
    assert!(check(br#"{"a":{"a":[{"a":1},{"a":1}]}}"#).is_ok());
    let long = "k".repeat(1000);
    assert!(fault(&format!("{{\"{long}\":1,\"{long}\":2}}")).len() < 100);
}

#[test]
fn faults_say_what_and_where() {
    for (text, expected) in [
        ("", "the JSON ends too early at byte 0"),
        ("{\"a\":", "the JSON ends too early at byte 5"),
        ("[1,]", "expected a JSON value at byte 3"),
        ("{\"a\":1,}", "expected a key in double quotes at byte 7"),
        ("{\"a\" 1}", "expected a colon after the key at byte 5"),
        ("[1 2]", "expected a comma or ] at byte 3"),
        ("01", "more text follows the JSON value at byte 1"),
        ("-", "expected a digit at byte 1"),
        ("1e400", "the number is beyond the range of a double at byte 0"),
        ("\u{feff}{}", "a byte order mark is not allowed at byte 0"),
        ("\"\\ud800\"", "a lone surrogate in a \\u escape is no character at byte 1"),
        ("\"\\ud800\\u0041\"", "a lone surrogate in a \\u escape is no character at byte 1"),
        ("\"\\udc00\"", "a lone surrogate in a \\u escape is no character at byte 1"),
        ("\"\\u12", "a \\u escape needs four hexadecimal digits at byte 1"),
        ("\"\\x\"", "unknown escape in a string at byte 1"),
        ("\"\t\"", "a control character in a string must be escaped at byte 1"),
        ("\"a", "the string is not closed at byte 2"),
        ("nul", "expected a JSON value at byte 0"),
    ] {
        assert_eq!(fault(text), expected, "{text:?}");
    }
    let fault = check(b"\"\xff\"").unwrap_err();
    assert_eq!(fault.to_string(), "the body is not UTF-8 at byte 1");
}

#[test]
fn depth_ends_at_64() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(check(nested(64).as_bytes()).is_ok());
    assert_eq!(fault(&nested(65)), "the JSON nests deeper than 64 levels at byte 64");
    assert!(check("[{\"a\":".repeat(1_000_000).as_bytes()).is_err());
}

/// Any JSON value without floats, whose spelling could differ.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(".{0,4}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Writes `value` with its keys reversed, every character escaped and white space everywhere.
fn disguise(value: &Value) -> String {
    let string = |text: &str| {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
        format!("\"{}\"", units.collect::<String>())
    };
    match value {
        Value::String(text) => string(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(disguise).collect();
            format!("[ {} ]", items.join("\n, "))
        }
        Value::Object(members) => {
            let member =
                |(key, value): (&String, _)| format!("{} :\t{}", string(key), disguise(value));
            let members: Vec<_> = members.iter().rev().map(member).collect();
            format!("{{ {} }}", members.join(" ,\r\n"))
        }
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn spelling_does_not_matter(value in value()) {
        let (plain, disguised) = (value.to_string(), disguise(&value));
        let plain = check(plain.as_bytes()).unwrap();
        let disguised = check(disguised.as_bytes()).unwrap();
        prop_assert_eq!(plain.canonical_hash(), disguised.canonical_hash());
        prop_assert_eq!(serde_json::from_slice::<Value>(plain.canonical()).unwrap(), value);
        prop_assert_eq!(serde_json::from_str::<Value>(disguised.text()).unwrap(),
            serde_json::from_slice::<Value>(disguised.canonical()).unwrap());
    }

    #[test]
    fn other_values_hash_differently(a in value(), b in value()) {
        let hash = |value: &Value| check(value.to_string().as_bytes()).unwrap().canonical_hash();
        prop_assert_eq!(a == b, hash(&a) == hash(&b));
    }

    #[test]
    fn agrees_with_serde_json_on_any_text(text in "[\\[\\]{}:,\"\\\\u0-9a-fntrue.+ \\-]{0,24}") {
        let ours = check(text.as_bytes());
        let theirs = serde_json::from_str::<Value>(&text);
        match (ours, theirs) {
            (Ok(_), theirs) => prop_assert!(theirs.is_ok()),
            (Err(fault), Ok(_)) => prop_assert!(fault.problem.contains("repeated")),
            _ => {}
        }
    }
}

#[test]
fn a_change_of_one_value_changes_the_hash() {
    let hash = |value: Value| check(value.to_string().as_bytes()).unwrap().canonical_hash();
    assert_ne!(hash(json!({"a": [1, 2]})), hash(json!({"a": [2, 1]})));
    assert_ne!(hash(json!({"a": "1"})), hash(json!({"a": 1})));
}
