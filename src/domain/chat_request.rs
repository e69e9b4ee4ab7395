//! The request of OpenAI's Chat Completions (`POST /v1/chat/completions`), and what is allowed in it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{
    ChatMessage, Error, Parameters, Result, checks,
    handed::{Handed, NameOrObject, Object},
    objects,
    response_format::ResponseFormat,
};

/// Declares the request with the fields that are read here, and those that are handed to the provider as
/// they are: serde cannot collect fields by itself and refuse unknown ones at the same time.
macro_rules! chat_request {
    (
        $(#[$attribute:meta])* pub struct $name:ident { $($read:tt)* }
        $($(#[doc = $doc:literal])+ $handed:ident: $kind:ty)+
    ) => {
        $(#[$attribute])*
        pub struct $name {
            $($read)*
            $(
                $(#[doc = $doc])+
                pub $handed: Option<Handed<$kind>>,
            )+
        }

        impl $name {
            /// The fields that the provider gets as they are, by name.
            fn handed_through(&self) -> BTreeMap<String, Box<RawValue>> {
                let fields = [$((stringify!($handed), self.$handed.as_ref().map(Handed::raw))),+];
                let given = fields.into_iter();
                given.filter_map(|(name, raw)| Some((name.to_owned(), raw?.to_owned()))).collect()
            }
        }
    };
}

chat_request! {
    /// `POST /v1/chat/completions`: the fields of OpenAI's API, and some that other servers of its
    /// protocol add.
    #[derive(Clone, Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct ChatRequest {
        /// The model, as it is configured; or `agent:` and the name of an agent, whose settings and contract
        /// go before those of the request.
        #[schemars(length(min = 1, max = 200))]
        pub model: String,
        /// The conversation so far.
        #[serde(deserialize_with = "objects::list")]
        #[schemars(length(min = 1, max = 1000))]
        pub messages: Vec<ChatMessage>,
        /// Randomness of the choice of words, 0 to 2.
        #[schemars(range(min = 0, max = 2))]
        pub temperature: Option<f64>,
        /// Choose among the likeliest words that together reach this probability, 0 to 1.
        #[schemars(range(min = 0, max = 1))]
        pub top_p: Option<f64>,
        /// The most tokens to write.
        #[schemars(range(min = 1, max = 1_000_000))]
        pub max_completion_tokens: Option<u32>,
        /// The older name of the same.
        #[schemars(range(min = 1, max = 1_000_000))]
        pub max_tokens: Option<u32>,
        /// A text that ends the output, or at most 4 of them.
        #[serde(default, deserialize_with = "stop")]
        #[schemars(schema_with = "stop_schema")]
        pub stop: Vec<String>,
        /// Asks the provider for the same output to the same request.
        pub seed: Option<i64>,
        /// Your own id of the person this is for.
        #[schemars(length(min = 1, max = 256))]
        pub user: Option<String>,
        /// How many answers to give; only one can be given.
        #[schemars(range(min = 1, max = 1))]
        pub n: Option<u32>,
        /// Whether the answer comes piece by piece, as server-sent events.
        pub stream: Option<bool>,
        /// What a stream tells besides the answer.
        pub stream_options: Option<StreamOptions>,
        /// The form of the answer.
        #[schemars(with = "Option<ResponseFormat>")]
        pub response_format: Option<Box<RawValue>>,
        /// Comes back with the job: at most 64 keys and 16 KiB.
        #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
        pub metadata: Option<Box<RawValue>>,
        /// Models to try where the first cannot answer, in this order, at most 8. Not in OpenAI's API.
        #[schemars(length(max = 8))]
        pub fallback_models: Option<Vec<String>>,
        /// How long the provider may take, in milliseconds. Not in OpenAI's API.
        #[schemars(range(min = 1, max = 600_000))]
        pub timeout_ms: Option<u64>,
    }
    /// What the model may call.
    tools: Vec<Object>
    /// Which tool it should call.
    tool_choice: NameOrObject
    /// Whether it may call several tools at once.
    parallel_tool_calls: bool
    /// The older name of `tools`.
    functions: Vec<Object>
    /// The older name of `tool_choice`.
    function_call: NameOrObject
    /// Less likely to say the same again.
    frequency_penalty: f64
    /// More likely to speak of something new.
    presence_penalty: f64
    /// Makes tokens more or less likely.
    logit_bias: Object
    /// Whether to tell how likely each token was.
    logprobs: bool
    /// How many of the likeliest tokens to tell.
    top_logprobs: u32
    /// How much to think first.
    reasoning_effort: String
    /// How long the answer should be.
    verbosity: String
    /// The provider's class of service.
    service_tier: String
    /// Whether the provider keeps the answer.
    store: bool
    /// What the answer is likely to be.
    prediction: Object
    /// Kinds of output.
    modalities: Vec<String>
    /// What spoken output should be like.
    audio: Object
    /// Lets the model search the web.
    web_search_options: Object
    /// A stable id of the person this is for, for the provider's rules of use.
    safety_identifier: String
    /// Which requests share the provider's cache.
    prompt_cache_key: String
    /// How long the provider's cache is kept.
    prompt_cache_retention: String
    /// How the provider's cache is used.
    prompt_cache_options: Object
    /// Whether the provider judges what is asked and answered.
    moderation: serde_json::Value
    /// How many of the likeliest tokens to choose from.
    top_k: i64
    /// The least probability of a token, as a share of the likeliest.
    min_p: f64
    /// Less likely to repeat itself.
    repetition_penalty: f64
    /// Arguments of the model's chat template.
    chat_template_kwargs: Object
}

/// What a stream tells besides the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {
    /// Whether the last chunk tells the tokens.
    pub include_usage: Option<bool>,
    /// Whether chunks should be padded, so that their length tells nothing. They are not.
    pub include_obfuscation: Option<bool>,
}

impl ChatRequest {
    /// Checks every field; the error names the first that is wrong.
    pub fn check(&self, max_timeout_ms: u64) -> Result<()> {
        checks::bytes("model", &self.model, 200)?;
        checks::entries("messages", self.messages.len(), 1..=1000)?;
        for (at, message) in self.messages.iter().enumerate() {
            message.check(&format!("messages/{at}"))?;
        }
        checks::number("temperature", self.temperature, 0.0, 2.0)?;
        checks::number("top_p", self.top_p, 0.0, 1.0)?;
        let limit =
            |param, value: Option<u32>| checks::whole(param, value.map(u64::from), 1, 1_000_000);
        limit("max_completion_tokens", self.max_completion_tokens)?;
        limit("max_tokens", self.max_tokens)?;
        checks::stop(&self.stop)?;
        checks::fallback_models(self.fallback_models.as_deref().unwrap_or_default())?;
        checks::whole("timeout_ms", self.timeout_ms, 1, max_timeout_ms)?;
        if self.n.is_some_and(|n| n != 1) {
            let message = "n must be 1; send the request again for each further answer";
            return Err(Error::invalid("n", message));
        }
        if self.stream_options.is_some() && !self.is_stream() {
            let message = "stream_options has a meaning only with stream: true";
            return Err(Error::invalid("stream_options", message));
        }
        checks::user(self.user.as_deref())?;
        checks::metadata(self.metadata.as_deref())
    }

    /// Whether the answer comes piece by piece.
    pub fn is_stream(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether a stream's last chunk tells the tokens.
    pub fn includes_usage(&self) -> bool {
        self.stream_options.is_some_and(|options| options.include_usage == Some(true))
    }

    /// The schema that the answer has to satisfy, if it has to be JSON.
    pub fn output_schema(&self) -> Result<Option<Box<RawValue>>> {
        match &self.response_format {
            None => Ok(None),
            Some(raw) => ResponseFormat::read(raw)?.schema(),
        }
    }

    /// The settings of the calls.
    pub fn parameters(&self) -> Parameters {
        let mut extras = self.handed_through();
        let format = self.response_format.clone();
        extras.extend(format.map(|format| ("response_format".to_owned(), format)));
        Parameters {
            temperature: self.temperature,
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
            top_p: self.top_p,
            stop: self.stop.clone(),
            seed: self.seed,
            fallback_models: self.fallback_models.clone().unwrap_or_default(),
            timeout_ms: self.timeout_ms,
            max_repairs: None,
            extras,
        }
    }
}

/// Reads one text, several, or none.
fn stop<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a string or an array of strings")]
    enum Stop {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Option::<Stop>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Several(texts)) => texts,
    })
}

fn stop_schema(_: &mut SchemaGenerator) -> Schema {
    let several = serde_json::json!({"type": "array", "items": {"type": "string"}, "maxItems": 4});
    schemars::json_schema!({"anyOf": [{"type": "string"}, several, {"type": "null"}]})
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::ErrorKind;

    fn read(more: &Value) -> std::result::Result<ChatRequest, String> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        serde_json::from_str(&body.to_string()).map_err(|error| error.to_string())
    }

    fn request(more: &Value) -> ChatRequest {
        read(more).unwrap_or_else(|error| panic!("{more}: {error}"))
    }

    /// The field that a check refuses; `None` where all is well.
    fn refused(more: &Value) -> Option<String> {
        let request = request(more);
        let checked = request.check(600_000).and_then(|()| request.output_schema().map(drop));
        let error = checked.err()?;
        let param = error.param().expect("it names the field").to_owned();
        assert!(error.message().contains(&param), "{}", error.message());
        Some(param)
    }

    #[test]
    fn each_bound_is_held_and_names_its_field() {
        let message = json!({"role": "user", "content": "hi"});
        let many = |count: usize| Value::from(vec![json!("x"); count]);
        let long = |length: usize| Value::from("x".repeat(length));
        for (field, good, bad) in [
            ("model", long(200), long(201)),
            ("model", json!("m"), json!("")),
            ("messages", vec![message.clone(); 1000].into(), vec![message; 1001].into()),
            ("temperature", json!(0), json!(-0.1)),
            ("temperature", json!(2), json!(2.1)),
            ("top_p", json!(0), json!(-0.1)),
            ("top_p", json!(1), json!(1.1)),
            ("max_tokens", json!(1), json!(0)),
            ("max_tokens", json!(1_000_000), json!(1_000_001)),
            ("max_completion_tokens", json!(1), json!(0)),
            ("max_completion_tokens", json!(1_000_000), json!(1_000_001)),
            ("stop", many(4), many(5)),
            ("n", json!(1), json!(2)),
            ("n", Value::Null, json!(0)),
            ("fallback_models", many(8), many(9)),
            ("timeout_ms", json!(1), json!(0)),
            ("timeout_ms", json!(600_000), json!(600_001)),
            ("user", long(256), long(257)),
            ("user", json!("u"), json!("")),
            ("metadata", json!({"k": "v"}), json!([1])),
            ("response_format", json!({"type": "text"}), json!({"type": "xml"})),
        ] {
            assert_eq!(refused(&json!({ field: good })), None, "{field}");
            let named = refused(&json!({ field: bad })).unwrap_or_else(|| panic!("{field}: {bad}"));
            assert_eq!(named, field);
        }
        assert_eq!(refused(&json!({"messages": []})).as_deref(), Some("messages"));
    }

    #[test]
    fn messages_are_named_by_their_place() {
        let user = json!({"role": "user", "content": "hi"});
        for (message, param) in [
            (json!({"role": "user"}), "messages/1/content"),
            (json!({"role": "tool", "content": "7"}), "messages/1/tool_call_id"),
        ] {
            assert_eq!(refused(&json!({"messages": [user, message]})).as_deref(), Some(param));
        }
    }

    #[test]
    fn options_of_streams_belong_to_streams() {
        let options = json!({"include_usage": true});
        for stream in [json!(null), json!(false)] {
            let body = json!({"stream": stream, "stream_options": options});
            assert_eq!(refused(&body).as_deref(), Some("stream_options"));
        }
        let streamed = request(&json!({"stream": true, "stream_options": options}));
        assert!(streamed.is_stream() && streamed.includes_usage());
        streamed.check(1).unwrap();
        assert!(!request(&json!({"stream": true, "stream_options": {}})).includes_usage());
        assert!(!request(&json!({})).is_stream());
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        for (more, word) in [
            (json!({"mood": 1}), "mood"),
            (json!({"stream": true, "stream_options": {"usage": true}}), "usage"),
            (json!({"stop": 7}), "a string or an array of strings"),
            (json!({"messages": ["hi"]}), "object"),
            (json!({"seed": "x"}), "invalid type"),
        ] {
            let error = read(&more).unwrap_err();
            assert!(error.contains(word), "{more}: {error}");
        }
    }

    #[test]
    fn a_schema_comes_from_the_format() {
        let schema = |format: Value| {
            let found = request(&json!({"response_format": format})).output_schema();
            found.map(|schema| schema.map(|schema| schema.get().to_owned()))
        };
        assert_eq!(request(&json!({})).output_schema().unwrap().map(drop), None);
        assert_eq!(schema(json!({"type": "text"})).unwrap(), None);
        let object = schema(json!({"type": "json_object"})).unwrap();
        assert_eq!(object.as_deref(), Some(r#"{"type":"object"}"#));
        let named = |name: &str, schema: Value| {
            json!({"type": "json_schema", "json_schema": {"name": name, "schema": schema,
                "strict": true, "description": "d"}})
        };
        let of_schema = schema(named("a", json!({"type": "array"}))).unwrap();
        assert_eq!(of_schema.as_deref(), Some(r#"{"type":"array"}"#));
        for (format, kind, param) in [
            (
                json!({"type": "json_schema"}),
                ErrorKind::InvalidRequest,
                "response_format/json_schema",
            ),
            (
                json!({"type": "json_schema", "json_schema": {"name": "a"}}),
                ErrorKind::InvalidRequest,
                "response_format/json_schema",
            ),
            (
                named(&"n".repeat(65), json!({})),
                ErrorKind::InvalidRequest,
                "response_format/json_schema/name",
            ),
            (named("a", json!([])), ErrorKind::InvalidSchema, "response_format/json_schema/schema"),
            (json!({"type": "text", "more": 1}), ErrorKind::InvalidRequest, "response_format"),
        ] {
            let error = schema(format.clone()).unwrap_err();
            assert_eq!((error.kind(), error.param()), (kind, Some(param)), "{format}");
        }
    }

    #[test]
    fn parameters_hold_what_is_set_and_hand_on_the_rest() {
        let format = json!({"type": "json_object"});
        let more = json!({
            "temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "max_completion_tokens": 7,
            "stop": "x", "seed": -1, "fallback_models": ["n"], "timeout_ms": 5,
            "tools": [{"type": "function"}], "top_k": 40, "response_format": format,
            "store": null, "metadata": {"k": "v"}, "n": 1,
        });
        let parameters = request(&more).parameters();
        assert_eq!((parameters.temperature, parameters.top_p), (Some(0.5), Some(0.9)));
        assert_eq!((parameters.max_tokens, parameters.seed), (Some(7), Some(-1)));
        assert_eq!((parameters.stop, parameters.timeout_ms), (vec!["x".to_owned()], Some(5)));
        assert_eq!(parameters.fallback_models, ["n"]);
        let handed: Vec<_> = parameters.extras.keys().map(String::as_str).collect();
        assert_eq!(handed, ["response_format", "tools", "top_k"]);
        assert_eq!(parameters.extras["tools"].get(), r#"[{"type":"function"}]"#);
        assert_eq!(request(&json!({"max_tokens": 9})).parameters().max_tokens, Some(9));
    }
}
