use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn words_are_sorted_for_the_search() {
    assert!(SECRET_WORDS.is_sorted());
}

#[test]
fn names_tell_secrets() {
    for secret in [
        "authorization",
        "Proxy-Authorization",
        "http.cookie",
        "card_number",
        "operator_token",
        "accessToken",
        "key_hash",
        "Password",
        "webhook-secret",
        "openai_api_key",
        "X-Api-Key",
        "apiKey",
        "apikey",
        "DBPassword",
        "password2",
        "refresh_token_2",
        "refreshtoken",
        "HTTPAuth",
        "api_key_2",
        "APIKeyValue",
    ] {
        assert!(is_secret(secret), "{secret}");
    }
    for plain in [
        "tokens",
        "prompt_tokens",
        "max_tokens",
        "maxTokens",
        "discarded",
        "api_key_id",
        "api_key_prefix",
        "account",
        "message",
        "keys",
        "author",
        "sha256",
        "",
    ] {
        assert!(!is_secret(plain), "{plain}");
    }
}

#[test]
fn values_tell_secrets() {
    for (given, shown) in [
        ("key sk_live_abcABC123_def here", "key [redacted] here"),
        ("sk_test_", "[redacted]"),
        ("sk-proj-abcdef012345", "[redacted]"),
        (r"line\nsk-proj-abcdef012345", "line[redacted]"),
        ("/v1%2Fsk-proj-abcdef012345", "/v1[redacted]"),
        ("whsec_MfKQ9r8GKYqrTwjU+/=", "[redacted]"),
        ("Authorization: bearer abc.def-g", "[redacted]"),
        ("Authorization: Digest username=\"a\", response=\"b\"", "[redacted]"),
        ("sent Bearer abc.def-g", "sent [redacted]"),
        ("?q=Bearer%20abc&n=1", "?q=[redacted]&n=1"),
        ("$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$aGFzaA.", "[redacted]"),
        ("op_0123456789012345678901234567890123456789012", "[redacted]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln rest", "[redacted] rest"),
        ("mail ada@example.com now", "mail [redacted] now"),
        ("Cookie: a=b; c=d\nHost: x", "[redacted]\nHost: x"),
        (r#"{"cookie": "a=b; c=d", "n": 1}"#, r#"{"[redacted]", "n": 1}"#),
        (r#"{"password":"a b","n":1}"#, r#"{"[redacted]","n":1}"#),
        (r#"{"password":"a\"b","n":1}"#, r#"{"[redacted]","n":1}"#),
        (r#"{\"password\":\"a b\",\"n\":1}"#, r#"{\"[redacted]\",\"n\":1}"#),
        (r#"{\"password\":\"a\\\"b\",\"n\":1}"#, r#"{\"[redacted]\",\"n\":1}"#),
        ("client_secret: Some(\"a b\")", "client[redacted]\")"),
        ("accessToken=abc&n=1", "access[redacted]&n=1"),
        ("https://u:p@host.example/x", "https://[redacted]@host.example/x"),
        ("https://u:p@ss:w!rd@host.example/x", "https://[redacted]@host.example/x"),
        ("task_run is risky", "task_run is risky"),
        ("max_tokens: 5, prompt_tokens=7", "max_tokens: 5, prompt_tokens=7"),
        ("discard: 1", "discard: 1"),
    ] {
        assert_eq!(text(given), shown);
    }
}

#[test]
fn errors_keep_what_their_readers_need() {
    for (given, shown) in [
        ("ada@example.com is at the cap", "ada@example.com is at the cap"),
        ("unexpected token: x", "unexpected token: x"),
        ("send Authorization: Bearer <key>", "send Authorization: Bearer <key>"),
        ("a bearer token is needed", "a bearer token is needed"),
        ("no model sk-proj-abcdef012345", "no model [redacted]"),
        ("Bearer abcdefghijklmnop", "[redacted]"),
        ("https://u:p@host/x", "https://[redacted]@host/x"),
        ("unknown %2573k-abcdefgh; use 50%", "unknown [redacted]; use 50%"),
        ("unknown %20; use 50%", "unknown %20; use 50%"),
    ] {
        assert_eq!(credentials(given), shown);
    }
}

#[test]
fn paths_are_looked_through() {
    for (given, shown) in [
        ("/v1/jobs/a%20b", "/v1/jobs/a%20b"),
        ("/v1/jobs/sk_live_abc", "/v1/jobs/[redacted]"),
        ("/v1/jobs/%73k_live_abc%20x", "/v1/jobs/[redacted] x"),
        ("/v1/jobs/%2573k_live_abc", "/v1/jobs/[redacted]"),
        ("/v1/end-users/ada%40example.com", "/v1/end-users/[redacted]"),
        ("/x/%ff%ffsk-proj-abcdef012345", "/x/\u{fffd}\u{fffd}[redacted]"),
    ] {
        assert_eq!(path(given), shown);
    }
}

#[test]
fn values_of_json_keep_their_form() {
    let mut value = json!({
        "password": {"a": 1},
        "token": null,
        "max_tokens": 5,
        "usage": {"prompt_tokens": 7},
        "messages": [{"content": "my key is sk_live_abc"}],
        "sk_live_abc": 1,
        "sk_live_def": 2
    });
    json(&mut value);
    let expected = json!({
        "password": "[redacted]",
        "token": null,
        "max_tokens": 5,
        "usage": {"prompt_tokens": 7},
        "messages": [{"content": "my key is [redacted]"}],
        "[redacted]": 1,
        "[redacted]+": 2
    });
    assert_eq!(value, expected);
}

/// Secrets, each with its part that must never be seen.
fn secret() -> impl Strategy<Value = (String, String)> {
    let canary = "[A-Za-z0-9]{16,40}";
    let shapes = [
        "sk_live_{}",
        "sk_test_{}",
        "whsec_{}",
        " sk-{}",
        "\\nsk-proj-{}",
        "Bearer {}",
        "bearer%20{}",
        " Basic {}",
        "\"password\":\"{}\"",
        "\\\"api_key\\\": \\\"x {}\\\"",
        "\n_token={}&",
        "\nCookie: a=b; c={}\n",
        "\nproxy-authorization: Digest {}\n",
        " {}@example.com ",
        "https://user:{}@host/",
    ];
    (proptest::sample::select(shapes.to_vec()), canary)
        .prop_map(|(shape, canary)| (shape.replace("{}", &canary), canary))
}

proptest! {
    #[test]
    fn whatever_surrounds_a_secret_it_is_covered(
        before in any::<String>(), (secret, canary) in secret(), after in any::<String>(),
    ) {
        let given = format!("{before}{secret}{after}");
        let shown = text(&given);
        prop_assert!(!shown.contains(&canary), "{given:?}: {shown:?}");
        prop_assert_eq!(text(&shown), shown.as_ref());
    }

    #[test]
    fn nothing_of_ordinary_text_is_lost(text in "([a-z]{1,7}[ ,.;:=/&?\"'\\[\\]{}()\n-]{1,3}){0,20}") {
        // Names and schemes are not ordinary.
        let lower = ["passw", "secret", "credential", "key", "card", "cvc", "cvv", "token", "jwt", "cookie",
            "authorization", "bearer", "basic", "sk-"];
        prop_assume!(!lower.iter().any(|word| text.contains(word)));
        prop_assert_eq!(super::text(&text), text.as_str());
    }

    #[test]
    fn any_text_around_secrets_of_errors_stays(before in "[a-zäß .,]{0,30}", after in "[ .,()äß]{1,9}") {
        let given = format!("{before} sk_live_0123456789_abc{after}");
        prop_assert_eq!(credentials(&given), format!("{before} [redacted]{after}"));
    }
}
