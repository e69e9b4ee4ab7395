//! Messages in the form of OpenAI's Chat Completions, which is what models are asked in.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, IgnoredAny},
};
use serde_json::{Map, Value, value::RawValue};

use super::{Error, Message, Result, Role, names, objects};

/// Who speaks in a [`ChatMessage`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// Instructions to the model.
    System,
    /// The newer name of the same.
    Developer,
    /// The person or program that asks.
    User,
    /// What the model said before.
    Assistant,
    /// What a tool that the model called gave back.
    Tool,
    /// The older form of the same: what the function of that name gave back.
    Function,
}

impl ChatRole {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::System, Self::Developer, Self::User, Self::Assistant, Self::Tool, Self::Function];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Function => "function",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl<'de> Deserialize<'de> for ChatRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        names::read(deserializer, |name| {
            Self::parse(name).ok_or_else(|| names::unknown(name, &Self::ALL.map(Self::as_str)))
        })
    }
}

impl From<Role> for ChatRole {
    fn from(role: Role) -> Self {
        match role {
            Role::System => Self::System,
            Role::User => Self::User,
            Role::Assistant => Self::Assistant,
        }
    }
}

/// What is said in a message.
#[derive(Clone, Debug)]
pub enum Content {
    /// A text.
    Text(String),
    /// Texts, images, sounds and files: an array of objects, each with its `type`.
    Parts(Box<RawValue>),
}

/// One turn of the conversation that a model continues.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// What is said: a text, or an array of parts. The assistant's may be missing beside `tool_calls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "content_schema")]
    pub content: Option<Content>,
    /// Tells speakers of the same role apart; of a function, which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The calls of tools that the assistant asked for: an array of objects.
    #[serde(default, deserialize_with = "array", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Map<String, Value>>>")]
    pub tool_calls: Option<Box<RawValue>>,
    /// The call that a tool's message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// What the assistant said when it declined to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The older form of `tool_calls`, for one call: an object.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub function_call: Option<Box<RawValue>>,
    /// What the assistant answered aloud: an object with its `id`.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub audio: Option<Box<RawValue>>,
    /// What the assistant thought, as `DeepSeek`, vLLM and others tell it. Their clients send it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub reasoning_content: Option<Box<RawValue>>,
    /// The same, as `OpenRouter` and others tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub reasoning: Option<Box<RawValue>>,
    /// The same in parts, with what the provider needs to go on from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub reasoning_details: Option<Box<RawValue>>,
    /// What the assistant read in the web. Answers of models have it, so it comes back with them; it is
    /// not kept, as no model reads it.
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<Vec<Value>>")]
    pub annotations: IgnoredAny,
}

impl ChatMessage {
    /// A message that is a text alone.
    pub fn text_of(role: ChatRole, text: impl Into<String>) -> Self {
        Self {
            role,
            content: Some(Content::Text(text.into())),
            name: None,
            tool_calls: None,
            tool_call_id: None,
            refusal: None,
            function_call: None,
            audio: None,
            reasoning_content: None,
            reasoning: None,
            reasoning_details: None,
            annotations: IgnoredAny,
        }
    }

    /// What a model reads besides the content, as it is written.
    pub fn beside_content(&self) -> impl Iterator<Item = &RawValue> {
        let fields = [
            &self.tool_calls,
            &self.function_call,
            &self.reasoning_content,
            &self.reasoning,
            &self.reasoning_details,
        ];
        fields.into_iter().filter_map(Option::as_deref)
    }

    /// All text in it; that of several parts with a line break between them.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.content {
            None => Cow::Borrowed(""),
            Some(Content::Text(text)) => Cow::Borrowed(text),
            Some(Content::Parts(_)) => {
                let parts = self.parts();
                let texts: Vec<_> = parts.iter().filter_map(|part| part.text.as_deref()).collect();
                Cow::Owned(texts.join("\n"))
            }
        }
    }

    /// The parts of which its content consists; none where that is one text.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let Some(Content::Parts(raw)) = &self.content else { return Vec::new() };
        let raws: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
        raws.into_iter().filter_map(Part::read).collect()
    }

    /// Checks what its role asks for; `param` is its place in the request, such as `messages/3`.
    pub fn check(&self, param: &str) -> Result<()> {
        let refuse = |field: &str, why: &str| {
            let param = format!("{param}/{field}");
            Err(Error::invalid(&param, format!("{param} {why}")))
        };
        let other = [
            ("tool_calls", self.tool_calls.is_some()),
            ("function_call", self.function_call.is_some()),
            ("audio", self.audio.is_some()),
            ("reasoning_content", self.reasoning_content.is_some()),
            ("reasoning", self.reasoning.is_some()),
            ("reasoning_details", self.reasoning_details.is_some()),
        ];
        let of_assistant = other.into_iter().find(|(_, given)| *given).map(|(field, _)| field);
        let silent = self.content.is_none() && self.refusal.is_none() && of_assistant.is_none();
        match self.role {
            ChatRole::Assistant if silent => {
                refuse("content", "is missing; only beside tool_calls may it be left out")
            }
            ChatRole::Assistant if self.tool_call_id.is_some() => {
                refuse("tool_call_id", "belongs to messages of role `tool`")
            }
            ChatRole::Assistant => Ok(()),
            _ if self.content.is_none() => refuse("content", "is missing"),
            _ if let Some(field) = of_assistant => {
                refuse(field, "belongs to messages of role `assistant`")
            }
            ChatRole::Tool if self.tool_call_id.is_none() => {
                refuse("tool_call_id", "is missing; it names the call that this answers")
            }
            ChatRole::Tool => Ok(()),
            ChatRole::Function if self.name.is_none() => {
                refuse("name", "is missing; it names the function whose result this is")
            }
            _ if self.tool_call_id.is_some() => {
                refuse("tool_call_id", "belongs to messages of role `tool`")
            }
            _ => Ok(()),
        }
    }
}

impl From<Message> for ChatMessage {
    fn from(message: Message) -> Self {
        Self::text_of(message.role.into(), message.content)
    }
}

/// One part of a message's content.
#[derive(Debug)]
pub struct Part<'a> {
    /// Such as `text`, `image_url`, `input_audio` or `file`.
    pub kind: String,
    /// What a part of type `text` or `refusal` says.
    pub text: Option<String>,
    /// The whole of it.
    pub raw: &'a RawValue,
}

impl<'a> Part<'a> {
    fn read(raw: &'a RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head {
            r#type: String,
            text: Option<Value>,
            refusal: Option<Value>,
        }
        let Head { r#type: kind, text, refusal } = serde_json::from_str(raw.get()).ok()?;
        let text = match kind.as_str() {
            "text" => text,
            "refusal" => refusal,
            _ => None,
        };
        let text = text.and_then(|text| text.as_str().map(str::to_owned));
        Some(Self { kind, text, raw })
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Parts(parts) => parts.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().bytes().next() {
            Some(b'"') => serde_json::from_str(raw.get()).map(Self::Text).map_err(D::Error::custom),
            Some(b'[') => typed(&raw).map(|()| Self::Parts(raw)).map_err(D::Error::custom),
            _ => Err(D::Error::custom("content must be a string or an array of parts")),
        }
    }
}

/// Each part is an object that says its type.
fn typed(parts: &RawValue) -> std::result::Result<(), String> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        _type: String,
    }
    let mut reader = serde_json::Deserializer::from_str(parts.get());
    let parts: std::result::Result<Vec<Typed>, _> = objects::list(&mut reader);
    match parts {
        Ok(parts) if parts.is_empty() => Err("content must have at least one part".to_owned()),
        Ok(_) => Ok(()),
        Err(_) => Err("each part of content must be an object with a type, such as \
                       {\"type\":\"text\",\"text\":\"…\"}"
            .to_owned()),
    }
}

/// Reads an array of objects as it is written.
fn array<'de, D>(deserializer: D) -> std::result::Result<Option<Box<RawValue>>, D::Error>
where
    D: Deserializer<'de>,
{
    let Some(raw) = Option::<Box<RawValue>>::deserialize(deserializer)? else { return Ok(None) };
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    let objects: std::result::Result<Vec<IgnoredAny>, _> = objects::list(&mut reader);
    match objects {
        Ok(calls) => Ok(Some(raw).filter(|_| !calls.is_empty())),
        Err(_) => Err(D::Error::custom("tool_calls must be an array of objects")),
    }
}

/// Reads an object as it is written.
fn object<'de, D>(deserializer: D) -> std::result::Result<Option<Box<RawValue>>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = Option::<Box<RawValue>>::deserialize(deserializer)?;
    match raw {
        Some(raw) if !raw.get().starts_with('{') => Err(D::Error::custom("expected an object")),
        raw => Ok(raw),
    }
}

fn content_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let part = generator.subschema_for::<Map<String, Value>>();
    schemars::json_schema!({
        "anyOf": [{"type": "string"}, {"type": "array", "items": part}, {"type": "null"}],
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> std::result::Result<ChatMessage, String> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(deserialize_with = "objects::list")]
            messages: Vec<ChatMessage>,
        }
        let body = format!(r#"{{"messages":[{json}]}}"#);
        let body = serde_json::from_str::<Body>(&body).map_err(|error| error.to_string());
        body.map(|mut body| body.messages.pop().unwrap())
    }

    #[test]
    fn what_is_read_is_written_again() {
        for json in [
            r#"{"role":"user","content":"hi","name":"Ann"}"#,
            r#"{"role":"assistant","tool_calls":[{"id":"1"}]}"#,
            r#"{"role":"tool","content":"7","tool_call_id":"1"}"#,
            r#"{"role":"function","content":"7","name":"f"}"#,
            r#"{"role":"developer","content":[{"type":"text","text":"a"},{"type":"image_url"}]}"#,
            r#"{"role":"assistant","content":"","refusal":"No."}"#,
            r#"{"role":"assistant","function_call":{"name":"f"},"audio":{"id":"a"}}"#,
            r#"{"role":"assistant","content":"7","reasoning_content":"3 and 4","reasoning":"3 and 4","reasoning_details":[{"text":"3"}]}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(json).unwrap()).unwrap(), json);
        }
        // As the SDKs write the answers that they got.
        let bare = r#"{"role":"assistant","content":null,"tool_calls":null,"name":null,"refusal":null,
            "annotations":[],"audio":null,"function_call":null,"reasoning_content":null}"#;
        assert_eq!(serde_json::to_string(&read(bare).unwrap()).unwrap(), r#"{"role":"assistant"}"#);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, word) in [
            (r#"["user","hi"]"#, "expected an object"),
            (r#"{"role":"user","content":"hi","mood":1}"#, "mood"),
            (r#"{"role":"bot","content":"hi"}"#, "one of `system`, `developer`, `user`"),
            (r#"{"role":"user","content":7}"#, "content must be a string or an array"),
            (r#"{"role":"user","content":[]}"#, "at least one part"),
            (r#"{"role":"user","content":["hi"]}"#, "each part of content must be an object"),
            (r#"{"role":"user","content":[{"text":"hi"}]}"#, "each part of content"),
            (r#"{"role":"assistant","tool_calls":{"id":"1"}}"#, "tool_calls must be an array"),
            (r#"{"role":"assistant","tool_calls":["x"]}"#, "tool_calls must be an array"),
            (r#"{"role":"assistant","audio":"x"}"#, "expected an object"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(word), "{json}: {error}");
        }
    }

    #[test]
    fn each_role_has_what_it_needs() {
        for (json, param) in [
            (json!({"role": "user"}), "m/content"),
            (json!({"role": "assistant"}), "m/content"),
            (json!({"role": "tool", "content": "7"}), "m/tool_call_id"),
            (json!({"role": "function", "content": "7"}), "m/name"),
            (json!({"role": "user", "content": "7", "tool_call_id": "1"}), "m/tool_call_id"),
            (json!({"role": "user", "content": "7", "tool_calls": [{}]}), "m/tool_calls"),
            (json!({"role": "tool", "content": "7", "audio": {}}), "m/audio"),
            (json!({"role": "user", "content": "7", "function_call": {}}), "m/function_call"),
            (json!({"role": "user", "content": "7", "reasoning": "3"}), "m/reasoning"),
        ] {
            let error = read(&json.to_string()).unwrap().check("m").unwrap_err();
            assert_eq!(error.param(), Some(param), "{json}");
        }
        let call = read(r#"{"role":"assistant","tool_calls":[{"id":"1"}]}"#).unwrap();
        call.check("m").unwrap();
    }

    #[test]
    fn the_texts_of_all_parts_are_its_text() {
        let json = r#"{"role":"user","content":[{"type":"text","text":"a"},
            {"type":"image_url","image_url":{"url":"https://x"}},{"type":"text","text":"b"}]}"#;
        assert_eq!(read(json).unwrap().text(), "a\nb");
        assert_eq!(read(r#"{"role":"assistant"}"#).unwrap().text(), "");
    }
}
