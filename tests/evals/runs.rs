//! Evals over a real socket: made, run, judged, compared; and what they refuse.

use serde_json::{Value, json};

use crate::support::{
    Provider,
    provider::{completion, error},
    server::{Account, COST, TestServer},
};

const EVALS: &str = "/v1/agents/echo/evals";

fn set_up() -> (TestServer, Account, Provider) {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    // The model says what it is told.
    provider.answer_with(|call| {
        let messages = call.json()["messages"].clone();
        match messages.as_array().unwrap().last().unwrap()["content"].as_str().unwrap() {
            "fail" => error(400, "no"),
            said => completion(said),
        }
    });
    account.client.post("/v1/agents", &agent("{{ input.say }}")).expect(201);
    (server, account, provider)
}

fn agent(says: &str) -> Value {
    json!({
        "name": "echo", "model": "m", "messages": [{"role": "user", "content": says}],
        "input_schema": {"required": ["say"], "properties": {"say": {"type": "string"}}},
    })
}

fn case(say: &str, expect: &Value) -> Value {
    json!({"input": {"say": say}, "expect": expect})
}

fn make(account: &Account, cases: &Value) -> Value {
    account.client.post(EVALS, &json!({"name": "e", "cases": cases})).expect(201).json()
}

fn path(eval: &Value, rest: &str) -> String {
    format!("{EVALS}/{}{rest}", eval["id"].as_str().unwrap())
}

/// Runs the eval and waits for the verdicts.
fn run(account: &Account, eval: &Value, body: &Value) -> Value {
    let accepted = account.client.post(&path(eval, "/runs"), body).expect(202).json();
    assert_eq!(accepted["object"], "eval_run");
    let id = accepted["id"].as_str().unwrap();
    let report = account.client.get(&path(eval, &format!("/runs/{id}?wait=15"))).expect(200).json();
    assert_eq!(report["status"], "completed", "{report}");
    report
}

#[test]
fn each_case_is_judged_by_all_that_is_expected() {
    let (_server, account, _provider) = set_up();
    let eval = make(
        &account,
        &json!([
            {"name": "says it", "input": {"say": "hello"}, "expect": {"contains": "ell", "max_credits": COST}},
            case(r#"{"a": [1, {"b": 2}]}"#, &json!({"json_path": {"path": "$.a[1].b", "equals": 2.0}})),
            case("hello", &json!({"equals": "other"})),
            {"name": "not taken", "input": {"say": 7}, "expect": {"status": "succeeded"}},
            case("fail", &json!({"status": "failed"})),
            case("fail", &json!({"contains": "x"})),
        ]),
    );
    assert_eq!((&eval["object"], &eval["agent"]), (&json!("eval"), &json!("echo")));
    assert_eq!(account.client.get(&path(&eval, "")).expect(200).json(), eval);
    assert_eq!(account.list(EVALS), std::slice::from_ref(&eval));

    let report = run(&account, &eval, &json!({}));
    let counts = json!({"total": 6, "passed": 3, "failed": 3, "pending": 0});
    assert_eq!((&report["counts"], &report["pass_rate"]), (&counts, &json!(0.5)));
    assert_eq!((&report["version"], &report["eval_id"]), (&json!(1), &eval["id"]));
    let results = report["results"].as_array().unwrap();
    let passed: Vec<_> = results.iter().map(|it| it["passed"].as_bool().unwrap()).collect();
    assert_eq!(passed, [true, true, false, false, true, false]);
    let first = &results[0];
    assert_eq!((&first["case"], &first["name"]), (&json!(1), &json!("says it")));
    assert_eq!((&first["output"], &first["credits_charged"]), (&json!("hello"), &json!(COST)));
    assert!(first["latency_ms"].is_u64() && first["job_id"].is_string());
    assert_eq!(first["reasons"], json!([]));
    let reason = |at: usize| results[at]["reasons"][0].as_str().unwrap();
    assert!(reason(2).starts_with("equals: it is \"hello\""), "{}", reason(2));
    assert!(reason(3).contains("input/say: must be of type string"), "{}", reason(3));
    assert_eq!(results[3]["job_id"], Value::Null);
    assert!(reason(5).starts_with("status: the job is failed (BAD_REQUEST"), "{}", reason(5));

    // Its jobs are those of a batch.
    let batch = report["batch_id"].as_str().unwrap();
    let batch = account.client.get(&format!("/v1/batches/{batch}")).expect(200).json();
    assert_eq!((&batch["counts"]["total"], &batch["counts"]["failed"]), (&json!(5), &json!(2)));
    let runs = account.list(&path(&eval, "/runs"));
    assert_eq!((runs.len(), &runs[0]["id"]), (1, &report["id"]));
    // They tell nothing of how the agent does for its users.
    let health = account.client.get("/v1/agents/echo/health").expect(200).json();
    assert_eq!(health["current"]["jobs"], 0);
}

#[test]
fn two_versions_are_compared_by_their_runs() {
    let (_server, account, _provider) = set_up();
    let cases = json!([
        {"name": "short", "input": {"say": "a"}, "expect": {"equals": "a"}},
        {"name": "loud", "input": {"say": "b"}, "expect": {"equals": "B"}},
        case("1", &json!({"equals": "1"})),
    ]);
    let eval = make(&account, &cases);
    let first = run(&account, &eval, &json!({}));
    let mut loud = agent("{{ input.say | upper }}");
    loud.as_object_mut().unwrap().remove("name");
    account.client.post("/v1/agents/echo/versions", &loud).expect(201);
    let second = run(&account, &eval, &json!({}));
    assert_eq!(second["version"], 2);
    let old = run(&account, &eval, &json!({"version": 1}));
    assert_eq!((&old["version"], &old["pass_rate"]), (&json!(1), &first["pass_rate"]));

    let id = |run: &Value| run["id"].as_str().unwrap().to_owned();
    let compare = |run: &Value, with: &str| {
        account.client.get(&path(&eval, &format!("/runs/{}/compare?with={with}", id(run))))
    };
    let compared = compare(&second, &id(&first)).expect(200).json();
    assert_eq!(compared["better"], json!([{"case": 2, "name": "loud", "passed": true}]));
    assert_eq!(compared["worse"], json!([{"case": 1, "name": "short", "passed": false}]));
    assert_eq!(compared["stayed"], json!([{"case": 3, "name": null, "passed": true}]));
    let rates = (&compared["run"]["pass_rate"], &compared["with"]["pass_rate"]);
    assert_eq!(rates, (&second["pass_rate"], &first["pass_rate"]));

    compare(&second, "").expect(400);
    let other = make(&account, &cases);
    let foreign = run(&account, &other, &json!({}));
    let error = compare(&second, &id(&foreign)).expect(400).json();
    assert_eq!(error["error"]["param"], "with");
    let none = path(&eval, &format!("/runs/{}/compare", id(&second)));
    assert_eq!(account.client.get(&none).expect(400).json()["error"]["param"], "with");
}

#[test]
fn a_run_without_jobs_is_over_at_once() {
    let (_server, account, provider) = set_up();
    let eval = make(&account, &json!([{"input": 1, "expect": {"equals": 1}}]));
    let done = account.client.post(&path(&eval, "/runs"), &json!({})).expect(202).json();
    assert_eq!((&done["status"], &done["batch_id"]), (&json!("completed"), &Value::Null));
    assert_eq!((&done["pass_rate"], &done["counts"]["failed"]), (&json!(0.0), &json!(1)));
    assert!(provider.received().is_empty());
}

#[test]
fn a_run_that_is_not_over_shows_what_there_is() {
    let (server, account, _provider) = set_up();
    server.set_paused("generation.create", true);
    let cases = json!([case("a", &json!({"equals": "a"})), {"input": 1, "expect": {"equals": 1}}]);
    let eval = make(&account, &cases);
    let open = account.client.post(&path(&eval, "/runs"), &json!({})).expect(202).json();
    let run = format!("/runs/{}", open["id"].as_str().unwrap());
    let report = account.client.get(&path(&eval, &format!("{run}?wait=1"))).expect(200).json();
    assert_eq!((&report["status"], &report["pass_rate"]), (&json!("running"), &Value::Null));
    assert_eq!(report["counts"], json!({"total": 2, "passed": 0, "failed": 1, "pending": 1}));
    assert_eq!(report["results"][0]["passed"], Value::Null);
    let compare = path(&eval, &format!("{run}/compare?with={}", open["id"].as_str().unwrap()));
    assert_eq!(account.client.get(&compare).expect(409).json()["error"]["code"], "CONFLICT");
    // A batch that is canceled is judged too.
    let batch = open["batch_id"].as_str().unwrap();
    account.client.send("POST", &format!("/v1/batches/{batch}/cancel"), &[], None).expect(200);
    let report = account.client.get(&path(&eval, &format!("{run}?wait=15"))).expect(200).json();
    assert_eq!((&report["status"], &report["counts"]["failed"]), (&json!("completed"), &json!(2)));
    let reason = report["results"][0]["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("status: the job is canceled"), "{reason}");
    server.set_paused("generation.create", false);
}

#[test]
fn the_same_request_is_done_once() {
    let (_server, account, _provider) = set_up();
    let cases = json!([case("a", &json!({"equals": "a"}))]);
    let body = json!({"name": "e", "cases": cases});
    let make = || account.client.post_once(EVALS, "k", &body).expect(201);
    assert_eq!(make().body, make().body);
    let eval = account.list(EVALS).pop().unwrap();
    let run = || account.client.post_once(&path(&eval, "/runs"), "k", &json!({})).expect(202);
    let (first, again) = (run(), run());
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(account.list(&path(&eval, "/runs")).len(), 1);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    account.client.get(&path(&eval, &format!("/runs/{id}?wait=15"))).expect(200);
}

#[test]
fn what_cannot_be_is_refused() {
    let (server, account, _provider) = set_up();
    let post = |body: &Value| account.client.post(EVALS, body);
    let good = json!([case("a", &json!({"equals": "a"}))]);
    for (body, code, param) in [
        (json!({"name": "", "cases": good}), "INVALID_REQUEST", "name"),
        (json!({"name": "e", "cases": []}), "INVALID_REQUEST", "cases"),
        (json!({"name": "e", "cases": vec![good[0].clone(); 1_001]}), "INVALID_REQUEST", "cases"),
        (
            json!({"name": "e", "cases": [case("a", &json!({}))]}),
            "INVALID_REQUEST",
            "cases/0/expect",
        ),
        (
            json!({"name": "e", "cases": [case("a", &json!({"schema": {"type": 1}}))]}),
            "INVALID_SCHEMA",
            "cases/0/expect/schema",
        ),
        (
            json!({"name": "e", "cases": [case("a", &json!({"other": 1}))]}),
            "INVALID_REQUEST",
            "cases/0/expect/other",
        ),
    ] {
        let refused = post(&body).expect(400).json();
        assert_eq!(
            (&refused["error"]["code"], &refused["error"]["param"]),
            (&json!(code), &json!(param))
        );
    }
    let eval = make(&account, &good);
    let stranger = server.account();
    for client in [&stranger.client, &server.account().client] {
        client.get(EVALS).expect(404);
        client.get(&path(&eval, "")).expect(404);
        client.post(&path(&eval, "/runs"), &json!({})).expect(404);
        client.get(&path(&eval, "/runs")).expect(404);
    }
    let nothing = path(&eval, "/runs/01939b2a-7c1e-7000-8000-000000000000");
    account.client.get(&nothing).expect(404);
    account.client.get(&format!("{nothing}?wait=1")).expect(404);
    account
        .client
        .get(&format!("{nothing}/compare?with={}", eval["id"].as_str().unwrap()))
        .expect(400);
    account.client.post(&path(&eval, "/runs"), &json!({"version": 9})).expect(404);
    // Another agent does not have it.
    let mut other = agent("x");
    other["name"] = json!("other");
    account.client.post("/v1/agents", &other).expect(201);
    let id = eval["id"].as_str().unwrap();
    account.client.get(&format!("/v1/agents/other/evals/{id}")).expect(404);
    account.client.delete("/v1/agents/echo").expect(204);
    account.client.post(&path(&eval, "/runs"), &json!({})).expect(409);
    post(&json!({"name": "e", "cases": good})).expect(409);
    account.client.get(&path(&eval, "")).expect(200);
}

#[test]
fn a_run_that_nobody_can_pay_is_refused_whole() {
    let (server, _account, _provider) = set_up();
    let poor = server.account_with(&json!(150));
    poor.client.post("/v1/agents", &agent("{{ input.say }}")).expect(201);
    let eval = make(&poor, &json!(vec![case("a", &json!({"equals": "a"})); 3]));
    poor.client.post(&path(&eval, "/runs"), &json!({})).expect(402);
    assert!(poor.list(&path(&eval, "/runs")).is_empty());
    assert!(poor.list("/v1/jobs").is_empty());
}

#[test]
fn lists_go_on_from_page_to_page() {
    let (_server, account, _provider) = set_up();
    let cases = json!([{"input": 1, "expect": {"equals": 1}}]);
    let evals: Vec<_> = (0..2).map(|_| make(&account, &cases)["id"].clone()).collect();
    let eval = json!({"id": evals[0]});
    let run = || account.client.post(&path(&eval, "/runs"), &json!({})).expect(202).json();
    let runs: Vec<_> = (0..2).map(|_| run()["id"].clone()).collect();
    for (list, made) in [(EVALS.to_owned(), evals), (path(&eval, "/runs"), runs)] {
        let first = account.client.get(&format!("{list}?limit=1")).expect(200).json();
        assert_eq!((&first["data"][0]["id"], &first["has_more"]), (&made[1], &json!(true)));
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = account.list(&format!("{list}?cursor={cursor}"));
        assert_eq!((rest.len(), &rest[0]["id"]), (1, &made[0]));
    }
}

#[test]
fn a_job_that_was_judged_is_not_run_again() {
    let (_server, account, _provider) = set_up();
    let eval = make(&account, &json!([case("fail", &json!({"equals": "a"}))]));
    let report = run(&account, &eval, &json!({}));
    let job = json!({"id": report["results"][0]["job_id"]});
    let refused = account.deed(&job, "retry").expect(409).json();
    assert_eq!(refused["error"]["code"], "CONFLICT");
}

#[test]
fn what_was_done_before_is_answered_though_it_would_be_refused_now() {
    let (server, account, _provider) = set_up();
    let mut new = agent("hi");
    new["name"] = json!("other");
    let version = json!({"model": "m", "messages": new["messages"]});
    let eval = json!({"name": "e", "cases": [case("a", &json!({"equals": "a"}))]});
    let asked = [("/v1/agents", new), ("/v1/agents/echo/versions", version), (EVALS, eval)];
    let ask = |account: &Account| {
        asked
            .each_ref()
            .map(|(path, body)| account.client.post_once(path, "k", body).expect(201).body)
    };
    let first = ask(&account);
    let server = server.restart_with(|config| drop(config.models.remove("m")));
    let account = account.at(&server);
    assert_eq!(ask(&account), first);
    account.client.post("/v1/agents/echo/versions", &asked[1].1).expect(400);
}
