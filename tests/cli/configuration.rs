//! What the configuration says, where it says it wrongly, and what is never shown.

use std::{fs, process::Output};

use crate::support::program::Program;

fn with_file(text: &str) -> Program {
    let program = Program::new();
    fs::write(program.path().join("skai.toml"), text).unwrap();
    program
}

fn check(program: &Program, environment: &[(&str, &str)]) -> Output {
    let mut command = program.command(&["config", "check", "--config", "skai.toml"]);
    command.envs(environment.iter().copied()).output().unwrap()
}

fn told(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_mistake_is_told_with_its_place_its_key_and_what_is_allowed() {
    for (file, environment, parts) in [
        (
            "[http]\n# why\nbody_limt = \"1MiB\"\n",
            &[][..],
            &["skai.toml, line 3", "http.body_limt", "did you mean body_limit?", "header_timeout"]
                [..],
        ),
        ("[htp]\nlisten = \"\"\n", &[], &["skai.toml, line 1", "htp", "allowed here: ", "http"]),
        (
            "[store]\nsynchronous = \"often\"\n",
            &[],
            &["skai.toml, line 2", "store.synchronous", "\"often\"", "\"full\", \"normal\""],
        ),
        (
            "[queues.\"generation.create\"]\nconcurrency = 0\n",
            &[],
            &["skai.toml, line 2", "generation.create", "concurrency", "1 to 2000"],
        ),
        (
            "[models.m]\nprovider = \"nobody\"\nfree = true\n",
            &[],
            &["skai.toml, line 2", "models.m.provider", "nobody", "sandbox"],
        ),
        ("[http\n", &[], &["skai.toml, line 1", "not TOML"]),
        (
            "",
            &[("SKAI_HTTP__BODY_LIMIT", "lots")],
            &["SKAI_HTTP__BODY_LIMIT", "http.body_limit", "lots"],
        ),
        (
            "",
            &[("SKAI_HTTP__LISTN", "x")],
            &["SKAI_HTTP__LISTN", "did you mean SKAI_HTTP__LISTEN?"],
        ),
        ("", &[("API_KEY_HASH_ALGO", "md5")], &["API_KEY_HASH_ALGO", "argon2id"]),
        ("", &[("WEBHOOK_TTL", "soon")], &["WEBHOOK_TTL", "webhook.delivery", "soon"]),
    ] {
        let program = with_file(file);
        let checked = check(&program, environment);
        let message = told(&checked.stderr);
        assert_eq!(checked.status.code(), Some(2), "{file}: {message}");
        for part in parts {
            assert!(message.contains(part), "{part} is missing: {message}");
        }
        assert!(checked.stdout.is_empty(), "{file}");
        // Whatever the command, a bad configuration is told in the same way.
        let mut serve = program.command(&["--config", "skai.toml"]);
        let served = serve.envs(environment.iter().copied()).output().unwrap();
        assert_eq!((served.status.code(), told(&served.stderr)), (Some(2), message));
        assert!(!program.data_dir().exists(), "a refused start made the data folder");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let program = with_file("[http]\nbody_limit = \"2MiB\"\nidle_timeout = \"9s\"\n");
    let checked = check(
        &program,
        &[
            ("SKAI_HTTP__BODY_LIMIT", "3MiB"),
            ("RATE_LIMIT_DEFAULT", "7,2m"),
            ("Q_GEN_CREATE_CONCURRENCY", "17"),
            ("REQUEST_TIMEOUT_MS", "1234"),
            ("WEBHOOK_TOLERANCE_SEC", "42"),
            ("UNRELATED", "x"),
        ],
    );
    let shown = told(&checked.stdout);
    assert!(checked.status.success(), "{}", told(&checked.stderr));
    for line in [
        "body_limit = \"3MiB\"",
        "idle_timeout = \"9s\"",
        "header_timeout = \"15s\"",
        "default = \"7,2m\"",
        "concurrency = 17",
        "provider_timeout = \"1234ms\"",
        "tolerance = \"42s\"",
        "listen = \"127.0.0.1:0\"",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is missing in\n{shown}");
    }
    assert!(!program.data_dir().exists(), "looking made the data folder");
}

#[test]
fn secrets_are_hidden_wherever_they_came_from() {
    let program = with_file(
        "operator_token = \"hush-operator\"\n[providers.mine]\nkind = \"openai\"\n\
         base_url = \"http://127.0.0.1:1/v1\"\napi_key = \"hush-file\"\n",
    );
    let checked = check(&program, &[("OPENAI_API_KEY", "hush-environment")]);
    assert!(checked.status.success());
    let shown = told(&checked.stdout);
    assert_eq!(shown.matches("[hidden]").count(), 3, "{shown}");
    assert!(!shown.contains("hush") && checked.stderr.is_empty(), "{shown}");
    // What is shown can be used as a file again, but not without the secrets.
    let file = program.path().join("skai.toml");
    fs::write(&file, shown).unwrap();
    let refused = check(&program, &[]);
    assert_eq!(refused.status.code(), Some(2));
    let told_so = told(&refused.stderr);
    assert!(told_so.contains("operator_token: \"[hidden]\" is a placeholder"), "{told_so}");
    fs::write(&file, shown.replace("[hidden]", "put-in")).unwrap();
    assert_eq!(told(&check(&program, &[]).stdout), shown);

    // Nor does a complaint about a secret repeat it.
    let bad = with_file("operator_token = [\"hush-list\"]\n");
    let refused = check(&bad, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!told(&refused.stderr).contains("hush"), "{}", told(&refused.stderr));
}
