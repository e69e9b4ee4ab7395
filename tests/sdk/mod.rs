//! The official SDKs of OpenAI, told nothing but another base URL and key.
//!
//! `tests/run.sh` installs them. Each script asks by prompts that [`answer`] knows, and asserts what its
//! programmer would see; how often it asked is counted here, by the server and by the provider.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::support::{
    Answer, Piece, Provider, Received,
    provider::{
        DONE, chunk, completion, completion_body, ends, error, events, says, streamed, usage_chunk,
    },
    server::{Account, TestServer},
};

/// What is wrong with each request that fails, and how often the SDKs send it: thrice where a retry may help.
const REFUSED: &[(&str, u64)] = &[
    ("400", 1),
    ("401", 1),
    ("403", 1),
    ("404", 1),
    // Another body under a known key.
    ("409", 1),
    // No credits.
    ("429", 1),
    // `always fail` thrice, `fail twice` twice, `refuse the key` and `no json` once.
    ("502", 7),
];

/// How often the provider is asked each prompt.
const ASKED: &[(&str, usize)] = &[
    ("always fail", 3),
    ("fail twice", 3),
    ("refuse the key", 1),
    ("no json", 2),
    ("json", 1),
    ("json after a repair", 2),
    ("refuse", 1),
    ("cut", 1),
    ("call a tool", 1),
    ("break", 1),
    // Once whole, once for each of two streams, twice after a tool, once under a key.
    ("hello", 6),
];

#[test]
fn the_python_sdk_works_with_another_base_url_and_key() {
    let python = installed("python/bin/python");
    drive(Command::new(python).arg(script("openai_client.py")));
}

#[test]
fn the_node_sdk_works_with_another_base_url_and_key() {
    let packages = installed("node/node_modules");
    let folder = packages.parent().unwrap();
    drive(Command::new("node").arg(script("openai_client.mjs")).env("SDK", folder));
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(name)
}

/// Where `tests/run.sh` put it.
pub(crate) fn installed(path: &str) -> PathBuf {
    let folder = std::env::var_os("SKAI_TEST_SDKS")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdks"), PathBuf::from);
    let path = folder.join(path);
    assert!(
        path.exists(),
        "the SDKs are not installed at {}: run tests/run.sh once, which installs them",
        folder.display()
    );
    path
}

/// Runs a script against a server of its own.
fn drive(command: &mut Command) {
    let provider = Provider::start();
    let failures = AtomicUsize::new(0);
    provider.answer_with(move |call| {
        let is_it = prompt(call) == "fail twice";
        answer(call, failures.fetch_add(usize::from(is_it), Ordering::Relaxed))
    });
    let server = TestServer::builder().provider(&provider).start();
    let (account, poor) = (server.account(), server.account_with(&json!(0)));
    let reader = server.key(&account.id, &json!(["usage:read"]), &json!({}));
    let key_of = |account: &Account| {
        account.client.authorization().strip_prefix("Bearer ").unwrap().to_owned()
    };
    let output = command
        .env("OPENAI_BASE_URL", format!("http://{}/v1", server.address()))
        .env("OPENAI_API_KEY", key_of(&account))
        .env("POOR_KEY", key_of(&poor))
        .env("READER_KEY", reader)
        .output()
        .unwrap_or_else(|error| {
            panic!("{error}: run tests/run.sh, which installs what is missing")
        });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "the step after these failed:\n{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    assert_eq!(answered(&server), REFUSED.iter().map(|(at, n)| ((*at).to_owned(), *n)).collect());
    assert_eq!(asked(&provider), ASKED.iter().map(|(at, n)| ((*at).to_owned(), *n)).collect());
}

/// How often the server answered each status but 200 to calls, by its own metrics.
fn answered(server: &TestServer) -> BTreeMap<String, u64> {
    let metrics = server.client().get("/metrics").expect(200);
    let calls = r#"skai_http_requests_total{method="POST",route="/v1/chat/completions",status=""#;
    let lines = metrics.text().lines().filter_map(|line| line.strip_prefix(calls));
    let counts = lines.filter_map(|line| line.split_once("\"} "));
    counts
        .filter(|(status, _)| *status != "200")
        .map(|(status, count)| (status.to_owned(), count.parse().unwrap()))
        .collect()
}

fn asked(provider: &Provider) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for call in provider.received() {
        *asked.entry(prompt(&call)).or_default() += 1;
    }
    asked
}

fn prompt(call: &Received) -> String {
    call.json()["messages"][0]["content"].as_str().unwrap().to_owned()
}

/// How the provider behind the server answers; `before` counts calls that were to fail twice.
fn answer(call: &Received, before: usize) -> Answer {
    let (body, prompt) = (call.json(), prompt(call));
    let repairs = body["messages"].as_array().unwrap().len() > 1;
    match prompt.as_str() {
        "json" => completion(CITY),
        "json after a repair" if repairs => completion(CITY),
        "json after a repair" => completion(r#"{"name":"Rome","people":"three"}"#),
        "no json" => completion("Rome, I think."),
        "cut" => ending("length", &json!({"role": "assistant", "content": "{\"name\":"})),
        "refuse" => {
            let refusal = json!({"role": "assistant", "content": null, "refusal": "I cannot."});
            ending("stop", &refusal)
        }
        "call a tool" => ending("tool_calls", &called()),
        "always fail" => error(500, "out of order"),
        "fail twice" if before < 2 => error(500, "out of order"),
        "refuse the key" => error(401, "no such key"),
        _ if body["stream"] == true => stream(&prompt),
        _ => completion(&format!("You said: {prompt}")),
    }
}

const CITY: &str = r#"{"name":"Rome","people":3}"#;

fn called() -> Value {
    let function = json!({"name": "weather", "arguments": "{\"city\":\"Rome\"}"});
    let calls = [json!({"id": "call_1", "type": "function", "function": function})];
    json!({"role": "assistant", "content": null, "tool_calls": calls})
}

/// A completion with this message and end.
fn ending(reason: &str, message: &Value) -> Answer {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let mut body = completion_body("", &usage);
    body["choices"][0]["message"] = message.clone();
    body["choices"][0]["finish_reason"] = json!(reason);
    Answer::json(200, &body)
}

fn stream(prompt: &str) -> Answer {
    let begin = chunk(&json!({"role": "assistant", "content": ""}));
    let mut usage = usage_chunk();
    usage["usage"]["prompt_tokens"] = json!(12);
    usage["usage"]["total_tokens"] = json!(15);
    let said = Piece::text(events([&begin, &says("You said: ")]));
    let rest = events([&says(prompt), &ends("stop"), &usage]) + DONE;
    let rest = if prompt == "break" { Piece::Break } else { Piece::text(rest) };
    streamed([said, rest])
}
