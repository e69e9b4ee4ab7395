//! Agents: prompts with a name, versions, and contracts for what goes in and comes out.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    Error, Message, Parameters, Result, Template, Timestamp,
    checks::{self, NAME_MAX},
    objects,
};

/// Characters of a description.
const DESCRIPTION_MAX: usize = 2_000;
/// Messages of a prompt.
const MESSAGES_MAX: usize = 100;
/// Tags of an agent.
const TAGS_MAX: usize = 32;

/// What an agent says in one version.
#[derive(Clone, Debug)]
pub struct AgentDefinition {
    /// The model, as it is configured.
    pub model: String,
    /// The prompt, whose contents are templates.
    pub messages: Vec<Message>,
    /// JSON Schema that the input of a run has to satisfy.
    pub input_schema: Option<Box<RawValue>>,
    /// JSON Schema that the output has to satisfy.
    pub output_schema: Option<Box<RawValue>>,
    /// The settings of the calls.
    pub parameters: Parameters,
}

impl AgentDefinition {
    /// Checks every field but the templates; the error names the first that is wrong. Whether the
    /// schemas are good and the models are there is not known here.
    pub fn check(&self, max_timeout_ms: u64) -> Result<()> {
        checks::bytes("model", &self.model, 200)?;
        checks::entries("messages", self.messages.len(), 1..=MESSAGES_MAX)?;
        self.parameters.check(max_timeout_ms)?;
        checks::schema("input_schema", self.input_schema.as_deref())?;
        checks::schema("output_schema", self.output_schema.as_deref())
    }

    /// The contents of the messages as templates. Where `strict`, a path is refused that `input_schema`,
    /// which must be a good one, does not declare.
    pub fn templates(&self, strict: bool) -> Result<Vec<Template>> {
        let schema = self.input_schema.as_ref().filter(|_| strict);
        let schema = schema.map(|schema| serde_json::from_str::<Value>(schema.get())).transpose();
        let schema = schema.map_err(Error::internal)?;
        let templates = self.messages.iter().enumerate().map(|(at, message)| {
            Template::parse(&message.content, schema.as_ref()).map_err(|fault| {
                let param = format!("messages/{at}/content");
                let message = format!("{param}, {fault}");
                Error::invalid(param, message)
            })
        });
        templates.collect()
    }
}

/// Makes a request type of fields of its own and of those that a version has. Serde can flatten a type
/// neither where unknown fields are refused nor where JSON is kept as text.
macro_rules! definition {
    ($(#[$meta:meta])* $request:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $request {
            $($own)*
            /// A note for yourself.
            #[schemars(length(max = 2000))]
            pub description: Option<String>,
            /// Words to find the agent by, at most 32.
            #[schemars(length(max = 32))]
            pub tags: Option<Vec<String>>,
            /// The model, as it is configured.
            #[schemars(length(min = 1, max = 200))]
            pub model: String,
            /// Models to try where the first cannot answer, in this order, at most 8.
            #[schemars(length(max = 8))]
            pub fallback_models: Option<Vec<String>>,
            /// The prompt. Its contents are templates, which show the input of a run as in
            /// `{{ input.name }}`.
            #[serde(deserialize_with = "objects::list")]
            #[schemars(length(min = 1, max = 100))]
            pub messages: Vec<Message>,
            /// JSON Schema (2020-12 or draft-07) that the input of a run has to satisfy. Where it has
            /// `properties`, templates can show no others, unless `additionalProperties` allows them.
            #[schemars(with = "Option<serde_json::Map<String, Value>>")]
            pub input_schema: Option<Box<RawValue>>,
            /// JSON Schema that the output has to satisfy.
            #[schemars(with = "Option<serde_json::Map<String, Value>>")]
            pub output_schema: Option<Box<RawValue>>,
            /// Randomness of the choice of words, 0 to 2.
            #[schemars(range(min = 0, max = 2))]
            pub temperature: Option<f64>,
            /// The most tokens to write.
            #[schemars(range(min = 1, max = 1_000_000))]
            pub max_tokens: Option<u32>,
            /// Choose among the likeliest words that together reach this probability, 0 to 1.
            #[schemars(range(min = 0, max = 1))]
            pub top_p: Option<f64>,
            /// Texts that end the output, at most 4.
            #[schemars(length(max = 4))]
            pub stop: Option<Vec<String>>,
            /// Asks the provider for the same output to the same request.
            pub seed: Option<i64>,
            /// How long the provider may take, in milliseconds.
            #[schemars(range(min = 1, max = 600_000))]
            pub timeout_ms: Option<u64>,
            /// Calls that quote the validation errors, after an answer that breaks `output_schema`; as
            /// many as the operator decided where nothing is said, which is 1.
            #[schemars(range(min = 0, max = 10))]
            pub max_repairs: Option<u32>,
        }

        impl $request {
            /// Checks every field; the error names the first that is wrong.
            pub fn check(&self, max_timeout_ms: u64) -> Result<()> {
                check_note(self.description.as_deref(), self.tags.as_deref())?;
                self.definition().check(max_timeout_ms)
            }

            /// What the version is to say.
            pub fn definition(&self) -> AgentDefinition {
                AgentDefinition {
                    model: self.model.clone(),
                    messages: self.messages.clone(),
                    input_schema: self.input_schema.clone(),
                    output_schema: self.output_schema.clone(),
                    parameters: Parameters {
                        temperature: self.temperature,
                        max_tokens: self.max_tokens,
                        top_p: self.top_p,
                        stop: self.stop.clone().unwrap_or_default(),
                        seed: self.seed,
                        fallback_models: self.fallback_models.clone().unwrap_or_default(),
                        timeout_ms: self.timeout_ms,
                        max_repairs: self.max_repairs,
                        ..Parameters::default()
                    },
                }
            }
        }
    };
}

definition! {
    /// `POST /v1/agents`: a new agent and its first version.
    AgentRequest {
        /// Names the agent in paths: `a-z`, `0-9`, `-` and `_`, beginning with a letter or digit. A
        /// name that was taken once is never free again.
        #[schemars(length(min = 1, max = 64), regex(pattern = "^[a-z0-9][a-z0-9_-]*$"))]
        pub name: String,
    }
}

definition! {
    /// `POST /v1/agents/{name}/versions`: what the agent is to say from now on. `description` and `tags`
    /// belong to the agent; where they are given they replace what it had.
    VersionRequest {
        /// Whether runs use this version from now on.
        #[serde(default = "yes")]
        pub activate: bool,
    }
}

fn yes() -> bool {
    true
}

impl AgentRequest {
    /// Checks the name.
    pub fn check_name(&self) -> Result<()> {
        checks::slug(&self.name)
    }
}

fn check_note(description: Option<&str>, tags: Option<&[String]>) -> Result<()> {
    let is_longer = |text: &str, most: usize| text.chars().nth(most).is_some();
    if description.is_some_and(|text| is_longer(text, DESCRIPTION_MAX)) {
        let message = format!("description must have at most {DESCRIPTION_MAX} characters");
        return Err(Error::invalid("description", message));
    }
    let tags = tags.unwrap_or_default();
    checks::entries("tags", tags.len(), 0..=TAGS_MAX)?;
    for (at, tag) in tags.iter().enumerate() {
        if tag.is_empty() || is_longer(tag, NAME_MAX) {
            let message = format!("a tag must have 1 to {NAME_MAX} characters");
            return Err(Error::invalid(format!("tags/{at}"), message));
        }
    }
    Ok(())
}

/// `POST /v1/agents/{name}/runs`: one run of an agent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// Any JSON value that satisfies the agent's `input_schema`; `{}` where it is left out.
    #[serde(default = "nothing")]
    #[schemars(with = "Value")]
    pub input: Box<RawValue>,
    /// A version other than the active one.
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
    /// Your own id of the person this is for.
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
    /// Comes back with the job: at most 64 keys and 16 KiB.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub metadata: Option<Box<RawValue>>,
    /// Higher goes first among the account's own jobs, -100 to 100.
    #[schemars(range(min = -100, max = 100))]
    pub priority: Option<i32>,
    /// Not before this time, at most a year ahead.
    pub run_at: Option<Timestamp>,
}

fn nothing() -> Box<RawValue> {
    // An empty map is always written.
    serde_json::value::to_raw_value(&serde_json::Map::new()).unwrap_or_default()
}

impl RunRequest {
    /// A run with this input, as a batch or a function has it; with none, of `{}`.
    pub fn of(input: Option<Box<RawValue>>) -> Self {
        let input = input.unwrap_or_else(nothing);
        Self { input, version: None, user: None, metadata: None, priority: None, run_at: None }
    }

    /// Checks every field but the input; the error names the first that is wrong.
    pub fn check(&self, now: Timestamp) -> Result<()> {
        checks::user(self.user.as_deref())?;
        checks::metadata(self.metadata.as_deref())?;
        checks::priority(self.priority)?;
        checks::ahead("run_at", self.run_at, now)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(change: &Value) -> Result<()> {
        let mut body =
            json!({"name": "a", "model": "m", "messages": [{"role": "user", "content": "hi"}]});
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        let request: AgentRequest = serde_json::from_str(&body.to_string()).unwrap();
        request.check_name()?;
        request.check(600_000)?;
        request.definition().templates(true).map(drop)
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        for good in [
            json!({}),
            json!({"name": "0", "description": "é".repeat(2_000), "tags": vec!["é".repeat(64); 32]}),
            json!({"name": format!("a{}", "-".repeat(63)), "max_repairs": 10}),
            json!({"messages": vec![json!({"role": "system", "content": ""}); 100]}),
            json!({"input_schema": {}, "output_schema": {}, "max_repairs": 0}),
        ] {
            check(&good).unwrap();
        }
    }

    #[test]
    fn what_is_beyond_them_is_named() {
        let schema = json!({"properties": {"a": {}}});
        let says = |content: &str| json!([{"role": "user", "content": content}]);
        for (bad, param) in [
            (json!({"name": ""}), "name"),
            (json!({"name": "A"}), "name"),
            (json!({"name": "-a"}), "name"),
            (json!({"name": "a b"}), "name"),
            (json!({"name": "a".repeat(65)}), "name"),
            (json!({"description": "x".repeat(2_001)}), "description"),
            (json!({"tags": vec!["x"; 33]}), "tags"),
            (json!({"tags": ["a", ""]}), "tags/1"),
            (json!({"tags": ["x".repeat(65)]}), "tags/0"),
            (json!({"model": ""}), "model"),
            (json!({"messages": []}), "messages"),
            (json!({"messages": vec![says("a")[0].clone(); 101]}), "messages"),
            (json!({"max_repairs": 11}), "max_repairs"),
            (json!({"temperature": 3}), "temperature"),
            (json!({"stop": [""]}), "stop/0"),
            (json!({"input_schema": true}), "input_schema"),
            (json!({"output_schema": []}), "output_schema"),
            (json!({"messages": says("{{ x }}")}), "messages/0/content"),
            (
                json!({"messages": says("{{ input.b }}"), "input_schema": schema}),
                "messages/0/content",
            ),
        ] {
            assert_eq!(check(&bad).unwrap_err().param(), Some(param), "{bad}");
        }
    }

    #[test]
    fn an_input_that_is_left_out_is_an_empty_object() {
        let input = |body: &str| serde_json::from_str::<RunRequest>(body).unwrap().input;
        assert_eq!(input("{}").get(), "{}");
        assert_eq!(input(r#"{"input": null}"#).get(), "null");
        assert_eq!(input(r#"{"input": [1, 2]}"#).get(), "[1, 2]");
    }
}
