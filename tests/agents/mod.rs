//! Agents over a real socket: made, run, changed, rolled back, archived; and everything that is refused.

mod memory;
mod refusals;
mod templates;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    LIMIT, Provider,
    provider::completion,
    server::{Account, COST, TestServer},
};

/// A small agent with contracts, with `more` in it.
fn agent(more: &Value) -> Value {
    let mut body = json!({
        "name": "greeter",
        "description": "Greets.",
        "model": "m",
        "messages": [
            {"role": "system", "content": "Answer as JSON."},
            {"role": "user", "content": "Greet {{ input.name | title }}."},
        ],
        "input_schema": {
            "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}},
        },
        "output_schema": {
            "type": "object", "required": ["text"], "properties": {"text": {"type": "string"}},
            "additionalProperties": false,
        },
        "max_tokens": 20,
        "tags": ["a", "b"],
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// The same without what belongs to the agent: a version.
fn version(more: &Value) -> Value {
    let mut body = agent(more);
    for key in ["name", "description", "tags"] {
        if more.get(key).is_none() {
            body.as_object_mut().unwrap().remove(key);
        }
    }
    body
}

fn set_up() -> (TestServer, Account, Provider) {
    let provider = Provider::start();
    let server = TestServer::builder().provider(&provider).start();
    let account = server.account();
    (server, account, provider)
}

impl Account {
    fn make_agent(&self, more: &Value) -> Value {
        self.client.post("/v1/agents", &agent(more)).expect(201).json()
    }

    /// Runs the agent and waits for its end.
    fn run_agent(&self, body: &Value) -> Value {
        self.client.post("/v1/agents/greeter/runs?wait=15", body).expect(202).json()
    }
}

/// The text of the last message that the provider was asked with.
fn asked(provider: &Provider) -> String {
    let call = provider.received().pop().unwrap().json();
    call["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
}

#[test]
fn an_agent_is_made_run_changed_rolled_back_and_archived() {
    let (_server, account, provider) = set_up();
    let made = account.make_agent(&json!({"temperature": 0.5, "fallback_models": ["free"]}));
    assert_eq!(made["object"], "agent");
    assert_eq!((&made["version"], &made["latest_version"]), (&json!(1), &json!(1)));
    assert_eq!(made["tags"], json!(["a", "b"]));
    assert_eq!(made["temperature"], 0.5);
    assert_eq!(made["archived_at"], Value::Null);
    assert_eq!(account.client.get("/v1/agents/greeter").expect(200).json(), made);

    provider.say(r#"{"text": "Hello Ada"}"#);
    let job =
        account.run_agent(&json!({"input": {"name": "ada"}, "user": "u", "metadata": {"k": 1}}));
    assert_eq!(job["status"], "succeeded");
    assert_eq!(job["output"], json!({"text": "Hello Ada"}));
    assert_eq!(job["output_schema"], made["output_schema"]);
    assert_eq!(job["agent"], json!({"name": "greeter", "version": 1}));
    assert_eq!((&job["user"], &job["metadata"]), (&json!("u"), &json!({"k": 1})));
    assert_eq!(job["credits"]["charged"], COST);
    assert_eq!(asked(&provider), "Greet Ada.");
    assert_eq!(job["messages"][1]["content"], "Greet Ada.");

    let shorter = version(&json!({
        "messages": [{"role": "user", "content": "Hi {{ input.name }}"}], "description": "Shorter.",
    }));
    let path = "/v1/agents/greeter/versions";
    let second = account.client.post(path, &shorter).expect(201).json();
    assert_eq!(second["object"], "agent_version");
    assert_eq!((&second["version"], &second["active"]), (&json!(2), &json!(true)));
    let now = account.client.get("/v1/agents/greeter").expect(200).json();
    assert_eq!((&now["version"], &now["latest_version"]), (&json!(2), &json!(2)));
    assert_eq!((&now["description"], &now["tags"]), (&json!("Shorter."), &made["tags"]));
    let job = account.run_agent(&json!({"input": {"name": "ada"}}));
    assert_eq!(job["agent"]["version"], 2);
    assert_eq!(asked(&provider), "Hi ada");
    // An older one still runs by its number.
    let job = account.run_agent(&json!({"input": {"name": "ada"}, "version": 1}));
    assert_eq!(job["agent"]["version"], 1);

    let rolled = account.client.post("/v1/agents/greeter/activate", &json!({"version": 1}));
    let rolled = rolled.expect(200).json();
    assert_eq!((&rolled["version"], &rolled["latest_version"]), (&json!(1), &json!(2)));
    assert_eq!(rolled["messages"], made["messages"]);
    let versions = account.list(path);
    let active: Vec<_> = versions.iter().map(|it| (&it["version"], &it["active"])).collect();
    assert_eq!(active, [(&json!(2), &json!(false)), (&json!(1), &json!(true))]);

    account.client.delete("/v1/agents/greeter").expect(204);
    account.client.delete("/v1/agents/greeter").expect(204);
    let archived = account.client.get("/v1/agents/greeter").expect(200).json();
    assert!(archived["archived_at"].is_string());
    assert!(account.list("/v1/agents").is_empty());
    assert_eq!(account.list("/v1/agents?archived=true"), [archived]);
    assert_eq!(account.list("/v1/jobs?agent=greeter").len(), 3);
    assert_eq!(account.list(path).len(), 2);
}

#[test]
fn what_strict_modes_refuse_is_warned_of() {
    let (_server, account, _provider) = set_up();
    assert_eq!(account.make_agent(&json!({}))["warnings"], json!([]));
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}});
    let made = account.make_agent(&json!({"name": "loose", "output_schema": schema}));
    let warnings = made["warnings"].as_array().unwrap();
    assert!(!warnings.is_empty());
    assert!(warnings.iter().all(|it| it["path"].is_string() && it["message"].is_string()));
    let stored = account.client.get("/v1/agents/loose/versions/1").expect(200).json();
    assert_eq!(stored["warnings"], made["warnings"]);
}

#[test]
fn a_version_never_changes() {
    let (_server, account, _provider) = set_up();
    account.make_agent(&json!({}));
    let first = account.client.get("/v1/agents/greeter/versions/1").expect(200).json();
    let quiet = version(&json!({"activate": false, "model": "free"}));
    let second = account.client.post("/v1/agents/greeter/versions", &quiet).expect(201).json();
    assert_eq!(second["active"], false);
    assert_eq!(account.client.get("/v1/agents/greeter").expect(200).json()["version"], 1);
    account.client.post("/v1/agents/greeter/activate", &json!({"version": 2})).expect(200);
    let mut after = account.client.get("/v1/agents/greeter/versions/1").expect(200).json();
    assert_eq!(after["active"], false);
    after["active"] = json!(true);
    assert_eq!(after, first);
    for method in ["PATCH", "PUT", "DELETE"] {
        account.client.send(method, "/v1/agents/greeter/versions/1", &[], None).expect(405);
    }
}

#[test]
fn an_answer_is_repaired_as_often_as_the_agent_says() {
    for (repairs, calls, status) in [(0, 1, "failed"), (2, 3, "succeeded")] {
        let (_server, account, provider) = set_up();
        account.make_agent(&json!({"max_repairs": repairs}));
        for answer in ["no JSON", r#"{"text": 1}"#, r#"{"text": "at last"}"#] {
            provider.queue(completion(answer));
        }
        let job = account.run_agent(&json!({"input": {"name": "ada"}}));
        assert_eq!(job["status"], status, "{job}");
        assert_eq!(provider.received().len(), calls);
        if repairs == 0 {
            assert_eq!(job["error"]["code"], "OUTPUT_SCHEMA_MISMATCH");
            assert_eq!(job["credits"]["charged"], 0);
        } else {
            assert_eq!(job["output"], json!({"text": "at last"}));
        }
    }
}

#[test]
fn a_run_may_end_on_a_fallback_model() {
    let (provider, other) = (Provider::start(), Provider::start());
    let server = TestServer::builder().provider(&provider).other_provider(&other).start();
    let account = server.account();
    account.make_agent(&json!({"fallback_models": ["second"]}));
    provider.always(crate::support::provider::error(500, "oops"));
    other.say(r#"{"text": "from the other"}"#);
    let job = account.run_agent(&json!({"input": {"name": "ada"}}));
    assert_eq!((&job["status"], &job["provider"]), (&json!("succeeded"), &json!("other")));
}

#[test]
fn a_run_is_answered_when_it_ends_or_the_time_is_over() {
    let (_server, account, provider) = set_up();
    account.make_agent(&json!({"output_schema": null}));
    provider.always(completion("late").held());
    let body = json!({"input": {"name": "ada"}});
    let now = account.client.post("/v1/agents/greeter/runs", &body).expect(202);
    let job = now.json();
    assert_eq!(job["job_id"], job["id"]);
    let location = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(now.header("location"), Some(&*location));
    let waited = account.client.post("/v1/agents/greeter/runs?wait=1", &body).expect(202).json();
    assert_eq!(waited["job_id"], waited["id"]);
    provider.wait_for_calls(2, LIMIT);
    provider.release();
    for job in [job, waited] {
        assert_eq!(account.wait_job(&job)["status"], "succeeded");
    }
}

#[test]
fn the_same_request_is_done_once() {
    let (_server, account, provider) = set_up();
    provider.say(r#"{"text": "hi"}"#);
    let create = || account.client.post_once("/v1/agents", "k", &agent(&json!({}))).expect(201);
    let (first, again) = (create(), create());
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let path = "/v1/agents/greeter/versions";
    let add = || account.client.post_once(path, "k", &version(&json!({}))).expect(201);
    assert_eq!(add().body, add().body);
    assert_eq!(account.list(path).len(), 2);

    let body = json!({"input": {"name": "ada"}});
    let run = |query: &str, status: u16| {
        let path = format!("/v1/agents/greeter/runs{query}");
        account.client.post_once(&path, "k", &body).expect(status)
    };
    let first = run("?wait=15", 202);
    let again = run("?wait=15", 202);
    assert_eq!(first.json(), again.json());
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    // Without waiting, it is the answer that accepted the job.
    let accepted = run("", 202).json();
    assert_eq!((&accepted["id"], &accepted["status"]), (&first.json()["id"], &json!("queued")));
    assert_eq!(account.list("/v1/jobs").len(), 1);
    let other = json!({"input": {"name": "eve"}});
    account.client.post_once("/v1/agents/greeter/runs", "k", &other).expect(409);
    // Also once the agent takes no more.
    account.client.delete("/v1/agents/greeter").expect(204);
    assert_eq!(run("", 202).json(), accepted);
    account.client.post_once("/v1/agents/greeter/runs", "k2", &body).expect(409);
}

#[test]
fn lists_go_on_from_page_to_page() {
    let (_server, account, _provider) = set_up();
    for name in ["one", "two", "three"] {
        account.make_agent(&json!({"name": name}));
    }
    let page = account.client.get("/v1/agents?limit=2").expect(200).json();
    let names = |page: &Value| -> Vec<Value> {
        page["data"].as_array().unwrap().iter().map(|agent| agent["name"].clone()).collect()
    };
    assert_eq!(names(&page), ["three", "two"]);
    let next = page["next_cursor"].as_str().unwrap();
    let rest = account.client.get(&format!("/v1/agents?cursor={next}")).expect(200).json();
    assert_eq!((names(&rest), &rest["has_more"]), (vec![json!("one")], &json!(false)));
    for _ in 0..2 {
        account.client.post("/v1/agents/one/versions", &version(&json!({}))).expect(201);
    }
    let page = account.client.get("/v1/agents/one/versions?limit=1").expect(200).json();
    let next = page["next_cursor"].as_str().unwrap();
    let path = format!("/v1/agents/one/versions?limit=1&cursor={next}");
    assert_eq!(account.client.get(&path).expect(200).json()["data"][0]["version"], 2);
}

#[test]
fn a_template_writes_no_more_than_a_mebibyte() {
    let (_server, account, _provider) = set_up();
    let twice = "{{ input.text }}{{ input.text }}{{ input.text }}";
    let messages = json!([{"role": "user", "content": twice}]);
    account.make_agent(&json!({"messages": messages, "input_schema": null}));
    let body = json!({"input": {"text": "x".repeat(400_000)}});
    let began = std::time::Instant::now();
    let refused = account.client.post("/v1/agents/greeter/runs", &body).expect(422).json();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(refused["error"]["code"], "INPUT_SCHEMA_MISMATCH");
    assert!(refused["error"]["details"][0]["message"].as_str().unwrap().contains("1 MiB"));
    assert!(account.list("/v1/jobs").is_empty());
}
