//! The JSON Schema Test Suite through the API.

use std::{fs, net::TcpListener, path::Path};

use serde_json::{Value, json};

use super::PATH;
use crate::support::{Client, server::TestServer};

/// Where the suite would serve documents that schemas refer to.
const REMOTE: &str = "localhost:1234";

/// Groups outside `refRemote.json` that refer to such a document.
const NEED_REMOTE: [&str; 7] = [
    "strict-tree schema, guards against misspelled properties",
    "tests for implementation dynamic anchor and reference link",
    "$ref and $dynamicAnchor are independent of order - $defs first",
    "$ref and $dynamicAnchor are independent of order - $ref first",
    "$ref to $dynamicRef finds detached $dynamicAnchor",
    "schema that uses custom metaschema with with no validation vocabulary",
    "ignore unrecognized optional vocabulary",
];

/// What became of the cases of one draft.
#[derive(Default)]
struct Outcome {
    checked: usize,
    refused: usize,
    wrong: Vec<String>,
}

/// A client, and a place that nothing must connect to.
struct Suite {
    client: Client,
    bait: TcpListener,
}

impl Suite {
    fn run(&self, draft: &str) -> Outcome {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/json-schema-test-suite");
        let mut outcome = Outcome::default();
        for file in fs::read_dir(folder.join(draft)).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().to_string_lossy().into_owned();
            let bait = self.bait.local_addr().unwrap().to_string();
            let text = fs::read_to_string(file.path()).unwrap().replace(REMOTE, &bait);
            let groups: Vec<Value> = serde_json::from_str(&text).unwrap();
            for group in &groups {
                self.group(draft, &name, group, &mut outcome);
            }
        }
        outcome
    }

    fn group(&self, draft: &str, file: &str, group: &Value, outcome: &mut Outcome) {
        let description = group["description"].as_str().unwrap();
        let remote = file == "refRemote.json" || NEED_REMOTE.contains(&description);
        let mut schema = group["schema"].clone();
        if let (Some(members), "draft7") = (schema.as_object_mut(), draft) {
            members
                .entry("$schema")
                .or_insert_with(|| json!("http://json-schema.org/draft-07/schema#"));
        }
        for test in group["tests"].as_array().unwrap() {
            let body = json!({"schema": schema, "instance": test["data"]});
            let reply = self.client.post(PATH, &body);
            let answer = reply.json();
            let right = if remote {
                outcome.refused += 1;
                reply.status == 400
                    && answer["error"]["code"] == "INVALID_SCHEMA"
                    && answer["error"]["param"] == "schema"
            } else {
                outcome.checked += 1;
                let errors = answer["errors"].as_array().map_or(0, Vec::len);
                reply.status == 200
                    && answer["valid"] == test["valid"]
                    && (answer["valid"] == true) == (errors == 0)
            };
            if !right {
                let case = format!("{draft}/{file}: {description}: {}", test["description"]);
                outcome.wrong.push(format!("{case}: {} {}", reply.status, reply.text()));
            }
        }
    }
}

#[test]
fn the_official_suite_passes() {
    let server = TestServer::start();
    let bait = TcpListener::bind("127.0.0.1:0").unwrap();
    bait.set_nonblocking(true).unwrap();
    let suite = Suite { client: server.account().client, bait };
    for (draft, checked, refused) in [("draft7", 904, 23), ("draft2020-12", 1250, 49)] {
        let outcome = suite.run(draft);
        assert!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("\n"));
        assert_eq!((outcome.checked, outcome.refused), (checked, refused), "{draft}");
    }
    let fetched = suite.bait.accept().expect_err("nothing is fetched");
    assert_eq!(fetched.kind(), std::io::ErrorKind::WouldBlock);
}
