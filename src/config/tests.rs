use std::{collections::BTreeMap, io::Write, time::Duration};

use toml_edit::{DocumentMut, Item, Value};

use super::*;
use crate::domain::QueueName;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let mut named = tempfile::NamedTempFile::with_suffix("skai.toml").unwrap();
    named.write_all(file.as_bytes()).unwrap();
    let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Config::load(Some(named.path()), environment).map_err(|error| {
        let folder = named.path().to_str().unwrap();
        error.to_string().replace(folder, "skai.toml")
    })
}

fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
    load(file, environment).unwrap_err()
}

/// Every value of a document by its path.
fn leaves(toml: &str) -> BTreeMap<String, String> {
    fn walk(path: &str, item: &Item, into: &mut BTreeMap<String, String>) {
        match item {
            Item::Table(table) => {
                for (key, inner) in table {
                    walk(&format!("{path}/{key}"), inner, into);
                }
            }
            Item::Value(Value::Array(list)) => {
                let entries = list.iter().map(|entry| entry.clone().decorated("", "").to_string());
                into.insert(path.to_owned(), entries.collect::<Vec<_>>().join(", "));
            }
            other => {
                let value = other.clone().into_value().unwrap().decorated("", "");
                into.insert(path.to_owned(), value.to_string());
            }
        }
    }
    let mut into = BTreeMap::new();
    let document: DocumentMut = toml.parse().unwrap();
    walk("", document.as_item(), &mut into);
    into
}

/// The path of a field, with the names that users choose left out.
fn field(path: &str) -> String {
    match path.split('/').collect::<Vec<_>>()[..] {
        [_, table @ ("providers" | "models"), _, key] => format!("/{table}/*/{key}"),
        _ => path.to_owned(),
    }
}

#[test]
fn the_embedded_file_states_every_field_and_its_value() {
    let documented = leaves(EMBEDDED);
    let effective = leaves(&Config::embedded().unwrap().effective_toml());
    for (path, value) in &documented {
        assert_eq!(effective.get(path), Some(value), "{path}");
    }
    for path in effective.keys() {
        let known = documented.keys().any(|key| field(key) == field(path));
        assert!(known, "config.toml says nothing about {path}");
    }
}

#[test]
fn the_embedded_file_explains_every_key() {
    let mut before = "";
    for line in EMBEDDED.lines() {
        let is_key = !line.starts_with('#') && line.contains(" = ");
        assert!(!is_key || before.starts_with("# "), "no comment above: {line}");
        before = line;
    }
}

#[test]
fn the_defaults_are_the_contract() {
    let config = Config::embedded().unwrap();
    assert_eq!(config.http.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.http.body_limit, 1 << 20);
    assert_eq!(config.auth.argon2_memory_kib(), 19 * 1024);
    assert_eq!(config.rate_limit.for_writes().limit, 60);
    assert_eq!(config.models["gpt-4o-mini"].input_per_million.unwrap().to_string(), "150");
    assert_eq!(config.models["sandbox"].upstream, "sandbox");
    let concurrency = QueueName::ALL.map(|queue| config.queues.get(queue).concurrency);
    assert_eq!(concurrency, [5, 5, 2, 16]);
}

#[test]
fn a_file_changes_only_the_keys_that_it_names() {
    let file = "[queues.\"generation.create\"]\nconcurrency = 500\n\
                [models.\"my.model\"]\nprovider = \"openai\"\ninput_per_million = 0.1\noutput_per_million = \"1.000001\"\n";
    let config = load(file, &[]).unwrap();
    let mut expected = Config::embedded().unwrap();
    expected.queues.generation_create.concurrency = 500;
    let added = config.models["my.model"].clone();
    assert_eq!(added.output_per_million.unwrap().micros(), 1_000_001);
    assert_eq!(added.input_per_million.unwrap().micros(), 100_000);
    assert_eq!(added.upstream, "my.model");
    expected.models.insert("my.model".to_owned(), added);
    assert_eq!(config, expected);
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    for (file, start) in [
        ("\nhtpp = 1\n", "skai.toml, line 2: htpp: unknown key; did you mean http?"),
        (
            "[http]\n\nlistn = 1\n",
            "skai.toml, line 3: http.listn: unknown key; did you mean listen? (allowed here: listen, body_limit,",
        ),
        (
            "[htpp]\nlisten = \"127.0.0.1:1\"\n",
            "skai.toml, line 1: htpp: unknown key; did you mean http?",
        ),
        (
            "[queues.\"generation.creat\"]\nconcurrency = 1\n",
            "skai.toml, line 1: queues.\"generation.creat\": unknown key; did you mean generation.create?",
        ),
        (
            "[queues.\"task.run\"]\nttl = \"1h\"\nspeed = 1\n",
            "skai.toml, line 3: queues.\"task.run\".speed: unknown key (allowed here: concurrency,",
        ),
        (
            "[providers.openai]\napikey = \"x\"\n",
            "skai.toml, line 2: providers.openai.apikey: unknown key; did you mean api_key?",
        ),
        (
            "models.new = { provider = \"sandbox\", fre = true }\n",
            "skai.toml, line 1: models.new.fre: unknown key; did you mean free?",
        ),
    ] {
        let message = refusal(file, &[]);
        assert!(message.starts_with(start), "{file}{message}");
    }
}

/// Files with one wrong value, and what is said about them after the file's name.
const BAD_VALUES: &[(&str, &str)] = &[
    (
        "[http]\nlisten = \"localhost\"",
        "line 2: http.listen: \"localhost\" is not allowed; allowed: an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
    ),
    (
        "[queues.\"task.run\"]\nconcurrency = 0",
        "line 2: queues.\"task.run\".concurrency: 0 is not allowed; allowed: a whole number from 1 to 2000",
    ),
    (
        "end_users.timezone = \"Mars/Olympus\"",
        "line 1: end_users.timezone: \"Mars/Olympus\" is not allowed; allowed: a time zone of the IANA database, such as \"Europe/Berlin\" or \"UTC\"",
    ),
    (
        "end_users.daily_token_cap = 1000000000001",
        "line 1: end_users.daily_token_cap: 1000000000001 is not allowed; allowed: a whole number from 0 to 1000000000000",
    ),
    (
        "store.readers = -1",
        "line 1: store.readers: -1 is not allowed; allowed: a whole number from 1 to 64",
    ),
    (
        "store.readers = \"4\"",
        "line 1: store.readers: \"4\" is not allowed; allowed: a whole number from 1 to 64",
    ),
    (
        "store.readers = 1.5",
        "line 1: store.readers: 1.5 is not allowed; allowed: a whole number from 1 to 64",
    ),
    (
        "store.synchronous = \"off\"",
        "line 1: store.synchronous: \"off\" is not allowed; allowed: \"full\", \"normal\"",
    ),
    ("store.synchronous = 0", "line 1: store.synchronous: 0 is not allowed; allowed: a string"),
    (
        "[http]\nidle_timeout = 75",
        "line 2: http.idle_timeout: 75 is not allowed; allowed: a duration such as \"30s\" or \"5m\", from 100ms to 1h",
    ),
    (
        "http.body_limit = \"1TiB\"",
        "line 1: http.body_limit: \"1TiB\" is not allowed; allowed: a size such as \"64KiB\" or \"1MiB\", from 1KiB to 256MiB",
    ),
    (
        "http.metrics_open = \"yes\"",
        "line 1: http.metrics_open: \"yes\" is not allowed; allowed: a boolean",
    ),
    ("http = 5", "line 1: http: 5 is not allowed; allowed: a table"),
    (
        "log.level = \"inof\"",
        "line 1: log.level: \"inof\" is not allowed; allowed: off, error, warn, info, debug, trace, or directives such as \"info,skai_server::queue=debug\"",
    ),
    (
        "rate_limit.default = \"60\"",
        "line 1: rate_limit.default: \"60\" is not allowed; allowed: \"N,window\" such as \"60,1m\", with N from 1 to 1000000 and the window from 1s to 24h",
    ),
    (
        "[webhooks]\nextended_backoff = [\n\"5s\",\n\"soon\",\n]",
        "line 4: webhooks.extended_backoff.1: \"soon\" is not allowed; allowed: a duration such as \"30s\" or \"5m\", from 1ms to 168h",
    ),
    (
        "[webhooks]\nallow_networks = [\"10.0.0.0/33\"]",
        "line 2: webhooks.allow_networks.0: \"10.0.0.0/33\" is not allowed; allowed: a network such as \"10.0.0.0/8\" or \"fd00::/8\", or an IP address",
    ),
    (
        "[models.a]\nprovider = \"opnai\"\nfree = true",
        "line 2: models.a.provider: \"opnai\" is no provider; allowed: anthropic, openai, sandbox",
    ),
    (
        "[models.a]\nprovider = \"openai\"\ninput_per_million = 1",
        "line 1: models.a.output_per_million: missing; a price for prompts and one for completions go together",
    ),
    (
        "[models.a]\nprovider = \"openai\"\nfree = true\nminimum_charge = 1",
        "line 4: models.a.minimum_charge: of no use without input_per_million and output_per_million",
    ),
    (
        "[models.a]\nprovider = \"openai\"\ncached_input_per_million = 1",
        "line 3: models.a.cached_input_per_million: of no use without input_per_million and output_per_million",
    ),
    (
        "models.gpt-4o-mini.cached_input_per_million = -1",
        "line 1: models.gpt-4o-mini.cached_input_per_million: -1 is not allowed; allowed: credits from 0 to 1000000000 with at most 6 decimals, such as 12.5, or \"\"",
    ),
    (
        "models.gpt-4o-mini.minimum_charge = 1000000001",
        "line 1: models.gpt-4o-mini.minimum_charge: 1000000001 is not allowed; allowed: credits from 0 to 1000000000 with at most 6 decimals, such as 12.5",
    ),
    ("[models.a]\nfree = true", "line 1: models.a.provider: missing, and there is no default"),
    (
        "models.sandbox.input_per_million = 0.0000001",
        "line 1: models.sandbox.input_per_million: 0.0000001 is not allowed; allowed: credits from 0 to 1000000000 with at most 6 decimals, such as 12.5",
    ),
    (
        "[maintenance]\nverify = \"03:00\"",
        "line 2: maintenance.verify: \"03:00\" is not allowed; allowed: five fields of cron such as \"0 3 * * *\", a name such as \"@daily\", \"every 15m\", or \"\"",
    ),
    (
        "[maintenance]\ntimezone = \"Berlin\"",
        "line 2: maintenance.timezone: \"Berlin\" is not allowed; allowed: a time zone of the IANA database, such as \"Europe/Berlin\" or \"UTC\"",
    ),
    (
        "[maintenance]\ndeliveries = \"1m\"",
        "line 2: maintenance.deliveries: \"1m\" is not allowed; allowed: a duration such as \"30s\" or \"5m\", from 1h to 87600h, or \"\"",
    ),
    (
        "[backup]\nschedule = \"@daily\"",
        "line 2: backup.schedule: backup.folder is missing; allowed: the path of a folder that is for backups alone, or no schedule",
    ),
    (
        "[backup]\nschedule = \"@daily\"\nfolder = \"\"",
        "line 3: backup.folder: backup.folder is missing; allowed: the path of a folder that is for backups alone, or no schedule",
    ),
    (
        "[backup]\nkeep = 0",
        "line 2: backup.keep: 0 is not allowed; allowed: a whole number from 1 to 10000",
    ),
    (
        "[stripe]\nwebhook_secrets = [\"whsec_1\", \"\"]",
        "line 2: stripe.webhook_secrets: an entry is empty; leave it out",
    ),
    (
        "[stripe.credits_per_unit]\nUSD = 1",
        "line 2: stripe.credits_per_unit.USD: no currency; allowed: the three letters of its ISO code in lower case",
    ),
    (
        "[stripe.credits_per_unit]\nusd = -1",
        "line 2: stripe.credits_per_unit.usd: -1 is not allowed; allowed: credits from 0 to 1000000000 with at most 6 decimals, such as 12.5",
    ),
    (
        "[stripe.prices.price_1]\ncredits = 0.0000001",
        "line 2: stripe.prices.price_1.credits: 0.0000001 is not allowed; allowed: credits from 0 to 1000000000 with at most 6 decimals, such as 12.5",
    ),
    (
        "[streaks.bonus]\n07 = 1",
        "line 2: streaks.bonus.07: no number of days; allowed: a whole number from 1 to 36500",
    ),
    (
        "[tasks]\nbatch_size = 0",
        "line 2: tasks.batch_size: 0 is not allowed; allowed: a whole number from 1 to 1000",
    ),
    (
        "[cleanup]\nusage = \"24h\"",
        "line 2: cleanup.usage: \"24h\" is not allowed; allowed: a duration such as \"30s\" or \"5m\", from 168h to 87600h",
    ),
    (
        "[dashboard]\nsession_ttl = \"1m\"",
        "line 2: dashboard.session_ttl: \"1m\" is not allowed; allowed: a duration such as \"30s\" or \"5m\", from 5m to 8760h",
    ),
    (
        "[dashboard]\npublic_url = \"https://example.com/x\"",
        "line 2: dashboard.public_url: \"https://example.com/x\" is not allowed; allowed: empty, or an address such as \"https://ai.example.com\" (no path)",
    ),
    (
        "[telemetry.invocations]\nredact = [\"$..content\"]",
        "line 2: telemetry.invocations.redact.0: \"$..content\" is not allowed; allowed: a JSONPath such as \"$.messages[*].content\", of at most 64 steps",
    ),
    (
        "[credits]\nlow_mark = -1",
        "line 2: credits.low_mark: -1 is not allowed; allowed: credits from 0 to 1000000000 with at most 6 decimals, such as 12.5",
    ),
    (
        "[drift]\nwindow = \"90m\"",
        "line 2: drift.window: \"90m\" is not allowed; allowed: a duration such as \"30s\" or \"5m\", from 1h to 720h, in whole hours",
    ),
    (
        "[jobs]\nmax_timeout = \"20m\"",
        "line 2: jobs.max_timeout: a timeout of 20m does not fit into queues.\"generation.create\".max_runtime = \"15m\", of which the calls of an attempt get four fifths; set max_runtime to at least \"25m\", or jobs.max_timeout to at most \"12m\"",
    ),
    (
        "[queues.\"generation.create\"]\nmax_runtime = \"5m\"",
        "line 2: queues.\"generation.create\".max_runtime: a timeout of 10m does not fit into queues.\"generation.create\".max_runtime = \"5m\", of which the calls of an attempt get four fifths; set max_runtime to at least \"750s\", or jobs.max_timeout to at most \"4m\"",
    ),
    (
        "[providers.openai]\nbreaker_failures = 1001",
        "line 2: providers.openai.breaker_failures: 1001 is not allowed; allowed: a whole number from 0 to 1000",
    ),
    (
        "[providers.openai]\nmax_concurrency = -1",
        "line 2: providers.openai.max_concurrency: -1 is not allowed; allowed: a whole number from 0 to 10000",
    ),
    (
        "[providers.openai]\ntimeout = \"1h\"",
        "line 2: providers.openai.timeout: a timeout of 1h does not fit into queues.\"generation.create\".max_runtime = \"15m\", of which the calls of an attempt get four fifths; set max_runtime to at least \"75m\", or providers.openai.timeout to at most \"12m\"",
    ),
    (
        "queues.\"webhook.delivery\".max_runtime = \"10s\"",
        "line 1: queues.\"webhook.delivery\".max_runtime: a timeout of 15s does not fit into queues.\"webhook.delivery\".max_runtime = \"10s\", of which the calls of an attempt get four fifths; set max_runtime to at least \"19s\", or webhooks.timeout to at most \"8s\"",
    ),
    (
        "[providers.a]\nkind = \"openai\"",
        "line 1: providers.a.base_url: missing; allowed: an address such as \"https://api.openai.com/v1\", without user, query or fragment",
    ),
    (
        "providers.openai.base_url = \"https://me:pw@host/v1\"",
        "line 1: providers.openai.base_url: \"https://me:pw@host/v1\" is not allowed; allowed: an address such as \"https://api.openai.com/v1\", without user, query or fragment",
    ),
];

#[test]
fn bad_values_are_refused_with_their_line_and_what_is_allowed() {
    for (file, message) in BAD_VALUES {
        assert_eq!(refusal(file, &[]), format!("skai.toml, {message}"));
    }
    assert!(refusal("[http]\nlisten = \n", &[]).starts_with("skai.toml, line 2: not TOML: "));
    assert!(refusal("[http]\n[log]\n[http]\n", &[]).starts_with("skai.toml, line 3: not TOML: "));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = Path::new("no/such/skai.toml");
    let error = Config::load(Some(missing), std::iter::empty()).unwrap_err();
    assert!(error.to_string().starts_with("no/such/skai.toml: cannot be read: "), "{error}");
}

#[test]
fn no_message_repeats_a_secret() {
    for value in [
        "987654",
        "-987654",
        "987654.5",
        "\"sk 987654\"",
        "[[\"sk-987654\"]]",
        "[\"sk 987654\"]",
        "{ sk-987654 = \"sk-987654\" }",
    ] {
        for key in ["operator_token", "providers.openai.api_key", "stripe.webhook_secrets"] {
            let message = refusal(&format!("{key} = {value}"), &[]);
            assert!(message.contains(key) && !message.contains("987654"), "{message}");
        }
    }
    for file in [
        "providers.openai = \"sk-987654\"",
        "stripe = \"whsec_987654\"",
        "stripe.webhook_secrets = \"whsec_1,whsec_987654\"",
    ] {
        let message = refusal(file, &[]);
        assert!(!message.contains("987654"), "{message}");
    }
    let message = refusal("", &[("STRIPE_WEBHOOK_SECRET", "[\"whsec_987654")]);
    assert!(!message.contains("987654"), "{message}");
}

#[test]
fn a_secret_alone_is_a_list_of_one() {
    let config = load("[stripe]\nwebhook_secrets = \"whsec_1\"\n", &[]).unwrap();
    let secrets = config.stripe.webhook_secrets.iter().map(|secret| secret.expose().as_str());
    assert_eq!(secrets.collect::<Vec<_>>(), ["whsec_1"]);
    let message = refusal("[stripe]\nwebhook_secrets = \"\"\n", &[]);
    let told = "skai.toml, line 2: stripe.webhook_secrets: an entry is empty; leave it out";
    assert_eq!(message, told);
}

#[test]
fn the_placeholder_of_a_secret_is_none() {
    let told =
        "\"[hidden]\" is a placeholder, no secret; give the secret itself, or leave the key out";
    for (file, key) in [
        ("operator_token = \"[hidden]\"", "operator_token"),
        ("providers.openai.api_key = \"[hidden]\"", "providers.openai.api_key"),
        ("stripe.webhook_secrets = [\"whsec_1\", \"[hidden]\"]", "stripe.webhook_secrets"),
        ("stripe.webhook_secrets = \"[hidden]\"", "stripe.webhook_secrets"),
    ] {
        assert_eq!(refusal(file, &[]), format!("skai.toml, line 1: {key}: {told}"));
    }
    for (variable, key) in [
        ("SKAI_OPERATOR_TOKEN", "operator_token"),
        ("OPENAI_API_KEY", "providers.openai.api_key"),
        ("STRIPE_WEBHOOK_SECRET", "stripe.webhook_secrets"),
    ] {
        let message = refusal("", &[(variable, "[hidden]")]);
        assert_eq!(message, format!("environment variable {variable}: {key}: {told}"));
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[http]\nlisten = \"127.0.0.1:1\"\n[models.\"my.model\"]\nprovider = \"sandbox\"\n[queues.\"task.run\"]\nconcurrency = 9\n";
    let environment = [
        ("SKAI_HTTP__LISTEN", "127.0.0.1:2"),
        ("SKAI_OPERATOR_TOKEN", "0123"),
        ("SKAI_PROVIDERS__OPENAI__BASE_URL", "http://127.0.0.1:9/v1/"),
        ("SKAI_PROVIDERS__LOCAL__KIND", "openai"),
        ("SKAI_PROVIDERS__LOCAL__BASE_URL", "http://127.0.0.1:11434/v1"),
        ("SKAI_MODELS__GPT_4O_MINI__INPUT_PER_MILLION", "0.1"),
        ("SKAI_MODELS__GPT_4O_MINI__CACHED_INPUT_PER_MILLION", "0.025"),
        ("SKAI_MODELS__GPT_4O_MINI__MINIMUM_CHARGE", "1"),
        ("SKAI_MODELS__MY_MODEL__MAX_TOKENS", "77"),
        ("SKAI_QUEUES__TASK_RUN__PAUSED", "true"),
        ("SKAI_HTTP__CORS_ORIGINS", "https://a.example, https://b.example"),
        ("SKAI_WEBHOOKS__ALLOW_NETWORKS", "[\"127.0.0.0/8\", \"::1\"]"),
        ("HOME", "/root"),
    ];
    let config = load(file, &environment).unwrap();
    assert_eq!(config.http.listen.port(), 2);
    assert_eq!(config.operator_token.expose(), "0123");
    assert_eq!(config.providers["openai"].base_url, "http://127.0.0.1:9/v1");
    assert_eq!(config.providers["local"].kind, ProviderKind::OpenAi);
    assert_eq!(config.models["gpt-4o-mini"].input_per_million.unwrap().micros(), 100_000);
    let cached = config.models["gpt-4o-mini"].cached_input_per_million;
    assert_eq!(cached.unwrap().micros(), 25_000);
    assert_eq!(config.models["gpt-4o-mini"].minimum_charge.unwrap().micros(), 1_000_000);
    assert_eq!(config.models["my.model"].max_tokens, Some(77));
    assert!(config.queues.task_run.paused);
    assert_eq!(config.queues.task_run.concurrency, 9);
    assert_eq!(config.http.cors_origins, ["https://a.example", "https://b.example"]);
    let networks = config.webhooks.allow_networks.iter().map(ToString::to_string);
    assert_eq!(networks.collect::<Vec<_>>(), ["127.0.0.0/8", "::1/128"]);
}

#[test]
fn bonuses_of_streaks_are_by_days() {
    let environment = [("SKAI_STREAKS__BONUS__30", "40.5")];
    let config = load("[streaks.bonus]\n7 = 10\n30 = 1.0\n", &environment).unwrap();
    let bonuses = config.streaks.bonuses().into_iter();
    let bonuses: Vec<_> = bonuses.map(|(days, bonus)| (days, bonus.to_string())).collect();
    assert_eq!(bonuses, [(7, "10".to_owned()), (30, "40.5".to_owned())]);
}

#[test]
fn well_known_names_set_their_keys() {
    let environment = [
        ("OPENAI_API_KEY", "sk-1"),
        ("ANTHROPIC_API_KEY", "sk-2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1, whsec_2"),
        ("RATE_LIMIT_DEFAULT", "7,2s"),
        ("Q_GEN_CREATE_CONCURRENCY", "11"),
        ("Q_WEBHOOK_DELIVERY_CONCURRENCY", "12"),
        ("Q_BILLING_GRANT_CONCURRENCY", "13"),
        ("REQUEST_TIMEOUT_MS", "1500"),
        ("WEBHOOK_TOLERANCE_SEC", "120"),
        ("API_KEY_HASH_ALGO", "argon2id"),
        ("LOG_LEVEL", "debug"),
        ("GENERATION_JOB_TTL", "31m"),
        ("WEBHOOK_TTL", "3h"),
        ("BILLING_TTL", ""),
        ("SKAI_LOG__LEVEL", "warn"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20a=, x-b = c d"),
        ("OTEL_SERVICE_NAME", "jobs of ours"),
    ];
    let config = load("", &environment).unwrap();
    assert_eq!(config.providers["openai"].api_key.expose(), "sk-1");
    assert_eq!(config.providers["anthropic"].api_key.expose(), "sk-2");
    let secrets = config.stripe.webhook_secrets.iter().map(|secret| secret.expose().as_str());
    assert_eq!(secrets.collect::<Vec<_>>(), ["whsec_1", "whsec_2"]);
    assert_eq!(config.traces.endpoint, "https://collector.example/v1/traces");
    assert_eq!(config.traces.service_name, "jobs of ours");
    let headers = config.traces.headers().into_iter();
    let headers: Vec<_> = headers.map(|(name, value)| (name, value.expose().clone())).collect();
    let expected = [("authorization", "Bearer a="), ("x-b", "c d")];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(config.rate_limit.for_reads().to_string(), "7,2s");
    let concurrency = QueueName::ALL.map(|queue| config.queues.get(queue).concurrency);
    assert_eq!(concurrency, [11, 12, 13, 16]);
    assert_eq!(config.jobs.provider_timeout, Duration::from_millis(1500));
    assert_eq!(config.webhooks.tolerance, Duration::from_mins(2));
    assert_eq!(config.log.level, "warn");
    assert_eq!(config.queues.generation_create.ttl, Duration::from_mins(31));
    assert_eq!(config.queues.webhook_delivery.ttl, Duration::from_hours(3));
    assert_eq!(config.queues.billing_credit_grant.ttl, Duration::from_hours(2));
}

#[test]
fn errors_name_the_variable() {
    for (name, value, message) in [
        (
            "SKAI_STORE__READERS",
            "many",
            "store.readers: \"many\" is not allowed; allowed: a whole number from 1 to 64",
        ),
        (
            "SKAI_STORE__READERS",
            "0",
            "store.readers: 0 is not allowed; allowed: a whole number from 1 to 64",
        ),
        ("SKAI_HTTP", "on", "http: text is not allowed; allowed: a table"),
        (
            "Q_GEN_CREATE_CONCURRENCY",
            "0",
            "queues.\"generation.create\".concurrency: 0 is not allowed; allowed: a whole number from 1 to 2000",
        ),
        ("API_KEY_HASH_ALGO", "bcrypt", "\"bcrypt\" is not allowed; allowed: argon2id"),
        (
            "SKAI_MODELS__SANDBOX__PROVIDER",
            "x",
            "models.sandbox.provider: \"x\" is no provider; allowed: anthropic, openai, sandbox",
        ),
        (
            "SKAI_PROVIDERS__NEW__KIND",
            "openai",
            "providers.new.base_url: missing; allowed: an address such as \"https://api.openai.com/v1\", without user, query or fragment",
        ),
    ] {
        // The file says something else about the same tables, and is not to blame.
        let file = "[store]\nreaders = 2\n[http]\n[models.sandbox]\nfree = true\n";
        let expected = format!("environment variable {name}: {message}");
        assert_eq!(refusal(file, &[(name, value)]), expected);
    }
    for (name, meant) in [
        ("SKAI_HTTP_LISTEN", "SKAI_HTTP__LISTEN"),
        ("SKAI_HTTP__LISTN", "SKAI_HTTP__LISTEN"),
        ("SKAI_HTPP__LISTEN", "SKAI_HTTP__LISTEN"),
    ] {
        let message = refusal("[http]\nmetrics_open = true\n", &[(name, "127.0.0.1:1")]);
        assert!(message.starts_with(&format!("environment variable {name}: ")), "{message}");
        assert!(message.contains(&format!("unknown key; did you mean {meant}?")), "{message}");
    }
}

#[test]
fn no_variable_sets_a_price_of_stripes() {
    for file in ["", "[stripe.prices.price_1A]\ncredits = 1\n"] {
        for variable in ["SKAI_STRIPE__PRICES__PRICE_1A__CREDITS", "SKAI_STRIPE__PRICES"] {
            let message = refusal(file, &[(variable, "12.5")]);
            let start = format!("environment variable {variable}: no variable can spell the id");
            assert!(message.starts_with(&start), "{message}");
        }
    }
}

#[test]
fn the_effective_configuration_is_read_again_once_its_secrets_are_put_in() {
    let environment = [
        ("OPENAI_API_KEY", "sk-very-secret"),
        ("SKAI_MODELS__GPT_4O_MINI__INPUT_PER_MILLION", "999999999.999999"),
        ("SKAI_HTTP__BODY_LIMIT", "1025B"),
        ("SKAI_HTTP__TRUSTED_PROXIES", "10.0.0.0/8"),
        ("SKAI_PROVIDERS__OPENAI__TIMEOUT", "90s"),
        ("SKAI_RATE_LIMIT__READ", "600,1m"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_very-secret,whsec_more"),
        ("SKAI_STRIPE__CREDITS_PER_UNIT__JPY", "0.000001"),
        ("SKAI_STRIPE__ACCEPT_TEST_EVENTS", "false"),
    ];
    let config = load("[stripe.prices.price_1A]\ncredits = 12.5\n", &environment).unwrap();
    assert!(!config.stripe.accept_test_events);
    let toml = config.effective_toml();
    assert!(!toml.contains("very-secret"), "{toml}");
    assert!(toml.contains("api_key = \"[hidden]\""), "{toml}");
    assert!(toml.contains("operator_token = \"\""), "{toml}");
    assert!(!format!("{config:?}").contains("very-secret"));
    assert!(refusal(&toml, &[]).contains("is a placeholder, no secret"));
    let mut again = load(&toml.replace("[hidden]", "put-in"), &[]).unwrap();
    let openai = again.providers.get_mut("openai").unwrap();
    openai.api_key = config.providers["openai"].api_key.clone();
    assert_eq!(again.stripe.webhook_secrets.len(), 2);
    again.stripe.webhook_secrets.clone_from(&config.stripe.webhook_secrets);
    assert_eq!(again, config);
}

#[test]
fn where_traces_go_is_checked_and_never_repeated() {
    let exact = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a.example"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b.example/x"),
    ];
    assert_eq!(load("", &exact).unwrap().traces.endpoint, "http://b.example/x");
    for (ratio, is_good) in [
        ("0", true),
        ("1", true),
        ("0.25", true),
        ("\"0.5\"", true),
        ("1.1", false),
        ("-1", false),
        ("nan", false),
        ("2", false),
    ] {
        let loaded = load(&format!("[traces]\nsample_ratio = {ratio}\n"), &[]);
        assert_eq!(loaded.is_ok(), is_good, "{ratio}: {loaded:?}");
    }
    for endpoint in [
        "localhost:4318",
        "grpc://a.example",
        "http://",
        "http://user:hush@a.example/",
        "https://a.example/v1/traces?api-key=hush",
    ] {
        let message = refusal(&format!("[traces]\nendpoint = \"{endpoint}\"\n"), &[]);
        assert!(
            message.contains("traces.endpoint") && message.contains("allowed: an http"),
            "{message}"
        );
    }
    for headers in ["hush", "a b=hush", "=hush", "a=hush%00", "a=hush%ff"] {
        let message = refusal("", &[("OTEL_EXPORTER_OTLP_HEADERS", headers)]);
        assert!(message.contains("traces.headers") && !message.contains("hush"), "{message}");
    }
    for name in ["Content-Type", "content-length", "HOST", "Transfer-Encoding", "connection"] {
        let message = refusal("", &[("OTEL_EXPORTER_OTLP_HEADERS", &format!("a=b, {name}=hush"))]);
        let told = format!("{} is not allowed", name.to_lowercase());
        assert!(message.contains("traces.headers") && message.contains(&told), "{message}");
        assert!(!message.contains("hush"), "{message}");
    }
    let secret = load("[traces]\nheaders = \"a=hush\"\n", &[]).unwrap();
    assert!(!secret.effective_toml().contains("hush") && !format!("{secret:?}").contains("hush"));
}

#[test]
fn a_running_server_keeps_its_providers() {
    let running = Config::embedded().unwrap();
    let again = |file: &str| {
        let mut named = tempfile::NamedTempFile::with_suffix("skai.toml").unwrap();
        named.write_all(file.as_bytes()).unwrap();
        let path = named.path().to_owned();
        let read = running.load_again(Some(&path), std::iter::empty());
        read.map_err(|error| error.to_string().replace(path.to_str().unwrap(), "skai.toml"))
    };
    let added = "[providers.new]\nkind = \"sandbox\"\n";
    let read = again(added).unwrap();
    assert_eq!(running.differences(&read), ["providers"]);
    assert_eq!(
        again(&format!("{added}[models.m]\nprovider = \"new\"\nfree = true\n")).unwrap_err(),
        "skai.toml, line 4: models.m.provider: the provider \"new\" is there after a restart; \
         allowed until then: anthropic, openai, sandbox"
    );
    let read = again("[models.m]\nprovider = \"sandbox\"\nfree = true\n[log]\nlevel = \"debug\"\n")
        .unwrap();
    assert_eq!(running.differences(&read), ["log"]);
    assert!(running.differences(&again("").unwrap()).is_empty());
}
