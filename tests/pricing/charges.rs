//! Which tokens a charge counts, and what the ledger says about it.

use serde_json::{Value, json};
use skai_server::config::{Config, Model, ProviderKind};

use crate::support::{
    Answer, Provider,
    provider::{completion, completion_body, error},
    scripted::Scripted,
    server::{Account, TestServer},
};

/// Credits for a token of input, of cached input and of output, and for a job at least.
fn priced(config: &mut Config, name: &str, [input, cached, output, minimum]: [&str; 4]) {
    let model = config.models.get_mut(name).unwrap();
    let per_million = |credits: &str| Some(format!("{credits}000000").parse().unwrap());
    *model = Model {
        input_per_million: per_million(input),
        cached_input_per_million: per_million(cached),
        output_per_million: per_million(output),
        minimum_charge: Some(minimum.parse().unwrap()),
        ..model.clone()
    };
}

/// The charge among the job's entries.
fn charge(account: &Account, job: &Value) -> Value {
    let id = job["id"].as_str().unwrap();
    let entries = account.list(&format!("/v1/credits/ledger?kind=charge&job_id={id}"));
    let [entry] = &*entries else { panic!("{entries:?}") };
    entry.clone()
}

#[test]
fn cached_tokens_have_a_price_of_their_own() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider);
    let server = server.config(|config| priced(config, "m", ["3", "1", "5", "0"])).start();
    let account = server.account();
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4}});
    provider.queue(Answer::json(200, &completion_body("Hello", &usage)));
    let job = account.run_job(&json!({}));
    let tokens = json!({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12,
        "cached_tokens": 4});
    assert_eq!(job["usage"], tokens);
    assert_eq!(job["credits"]["charged"], 6 * 3 + 4 + 2 * 5);

    let entry = charge(&account, &job);
    assert_eq!(entry["delta"], -32);
    let text = "10 prompt tokens (4 cached) and 2 completion tokens of m, price version 1";
    assert_eq!((&entry["description"], &entry["product_name"]), (&json!(text), &json!("m")));
    let price = json!({"version": 1, "input_per_million": 3_000_000, "free": false,
        "cached_input_per_million": 1_000_000, "output_per_million": 5_000_000, "minimum_charge": 0});
    assert_eq!(entry["price"], price);
    let model = account.client.get("/v1/models/m").expect(200).json();
    assert_eq!(model["pricing"], price);
    let free = account.client.get("/v1/models/free").expect(200).json();
    assert_eq!((&free["pricing"]["free"], &free["pricing"]["version"]), (&json!(true), &json!(1)));

    // Where none is told, none is shown, and all cost as input.
    provider.queue(completion("Hello"));
    let job = account.run_job(&json!({}));
    assert!(job["usage"].get("cached_tokens").is_none(), "{job}");
    assert_eq!(job["credits"]["charged"], 10 * 3 + 5 * 5);
}

#[test]
fn an_absurd_number_of_cached_tokens_is_cut_to_those_read() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider);
    let server = server.config(|config| priced(config, "m", ["3", "1", "5", "0"])).start();
    let account = server.account();
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 99}});
    provider.always(Answer::json(200, &completion_body("Hello", &usage)));
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let answer = account.client.post("/v1/chat/completions", &body).expect(200).json();
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 10);
    let [entry] = &*account.list("/v1/credits/ledger?kind=charge") else { panic!() };
    assert_eq!(entry["delta"], -(10 + 2 * 5));
}

#[test]
fn what_anthropic_read_from_its_cache_is_charged_as_cached() {
    let usage = json!({"input_tokens": 4, "cache_read_input_tokens": 6,
        "cache_creation_input_tokens": 2, "output_tokens": 5});
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [{"type": "text", "text": "A bird."}], "stop_reason": "end_turn", "usage": usage});
    let provider = Scripted::start(move |_| Answer::json(200, &message));
    let server = TestServer::builder().config(|config| {
        let other = config.providers.get_mut("other").unwrap();
        other.kind = ProviderKind::Anthropic;
        other.base_url = format!("http://{}/v1", provider.address());
        priced(config, "second", ["3", "1", "7", "0"]);
    });
    let server = server.start();
    let account = server.account();
    let job = account.run_job(&json!({"model": "second"}));
    assert_eq!(
        (&job["usage"]["prompt_tokens"], &job["usage"]["cached_tokens"]),
        (&12.into(), &6.into())
    );
    assert_eq!(job["credits"]["charged"], 6 * 3 + 6 + 5 * 7);
}

#[test]
fn a_job_that_succeeded_costs_the_minimum_and_one_that_failed_nothing() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider);
    let server = server.config(|config| priced(config, "m", ["0", "0", "0", "0.5"])).start();
    let account = server.account();
    let job = account.run_job(&json!({}));
    assert_eq!(job["credits"], json!({"reserved": 0.5, "charged": 0.5}));
    provider.queue(error(400, "no"));
    let job = account.run_job(&json!({}));
    assert_eq!((&job["status"], &job["credits"]["charged"]), (&json!("failed"), &json!(0)));
}

#[test]
fn every_entry_says_what_it_is_for() {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1});
    provider.always(Answer::json(200, &completion_body("Hello", &usage)));
    // The model that was asked for fails; the entry names the one that answered.
    let job = account.run_job(&json!({"model": "second", "fallback_models": ["m"]}));
    assert_eq!(job["status"], "succeeded", "{job}");
    let entries = account.list("/v1/credits/ledger");
    let told = entries.iter().rev().map(|entry| {
        let text = |name: &str| entry[name].as_str().map(str::to_owned);
        (text("description").unwrap(), text("product_name"), entry["price"].is_null())
    });
    let told: Vec<_> = told.collect();
    let product = |name: &str| Some(name.to_owned());
    assert_eq!(
        told,
        [
            ("by the operator".to_owned(), None, true),
            ("set aside for a job of second".to_owned(), product("second"), true),
            ("given back at the end of a job of second".to_owned(), product("second"), true),
            (
                "1 prompt token and 1 completion token of m, price version 1".to_owned(),
                product("m"),
                false
            ),
        ]
    );

    let csv =
        account.client.with_header("Accept", "text/csv").get("/v1/credits/ledger").expect(200);
    let lines: Vec<_> = csv.text().lines().collect();
    assert!(lines[0].ends_with("created_at,description,price_version"), "{lines:?}");
    assert!(
        lines[1].ends_with(",\"1 prompt token and 1 completion token of m, price version 1\",1"),
        "{lines:?}"
    );
    assert!(lines[2].ends_with(",given back at the end of a job of second,"), "{lines:?}");
}

#[test]
fn an_unchanged_price_is_the_same_version_after_a_restart() {
    let server = TestServer::start();
    let account = server.account();
    let before = account.client.get("/v1/models").expect(200).json();
    let server = server.restart();
    let account = account.at(&server);
    let versions = |list: &Value| -> Vec<Value> {
        list["data"].as_array().unwrap().iter().map(|model| model["pricing"].clone()).collect()
    };
    let after = account.client.get("/v1/models").expect(200).json();
    assert_eq!(versions(&after), versions(&before));
    let server = server.restart_with(|config| priced(config, "m", ["1", "1", "2", "1"]));
    let model = account.at(&server).client.get("/v1/models/m").expect(200).json();
    assert_eq!(
        (&model["pricing"]["version"], &model["pricing"]["minimum_charge"]),
        (&2.into(), &1.into())
    );
}
