//! From a request to what is asked of a model: by the model's own name, or by that of an agent.

use std::sync::Arc;

use serde_json::{Value, value::RawValue};

use crate::{
    app::{
        App, Caller,
        agents::{self, Ready},
        jobs::{self, Draft, Prepared},
    },
    domain::{
        ChatMessage, ChatRequest, ChatRole, Contract, Error, ErrorKind, Parameters, Result, json,
    },
    store::jobs::JobAgent,
};

/// What the name of an agent begins with where a model is expected.
pub(in crate::app) const AGENT: &str = "agent:";

/// The place of the schema in a request; agents' schemas were checked when they were made.
const SCHEMA: &str = "response_format/json_schema/schema";

/// A request that keeps all rules, ready to be run.
pub struct Chat {
    pub(super) prepared: Prepared,
    pub(super) messages: Vec<ChatMessage>,
    pub(super) parameters: Parameters,
    pub(super) contract: Option<Arc<Contract>>,
    pub(super) max_repairs: u32,
    held_back: bool,
}

impl Chat {
    /// Whether its answer is streamed only once it is whole: it has to keep an agent's contract, and what
    /// was sent cannot be repaired.
    pub(super) fn is_held_back(&self) -> bool {
        self.held_back
    }
}

/// What is asked of which model.
struct Asked {
    model: String,
    agent: Option<JobAgent>,
    messages: Vec<ChatMessage>,
    output_schema: Option<Box<RawValue>>,
    parameters: Parameters,
}

/// Checks a request, and finds the agent that it may name. Blocks.
pub fn prepare(app: &App, caller: &Caller, request: ChatRequest) -> Result<Chat> {
    request.check(app.settings.max_timeout_ms())?;
    let (user, metadata) = (request.user.clone(), request.metadata.clone());
    let asked = match request.model.strip_prefix(AGENT) {
        Some(name) => of_agent(&*find(app, caller, name)?, &request)?,
        None => of_model(request)?,
    };
    let Asked { model, agent, messages, output_schema, parameters } = asked;
    let contract = output_schema.as_deref();
    let contract = contract.map(|schema| app.contracts.compile(schema, SCHEMA)).transpose()?;
    let held_back = agent.is_some() && contract.is_some();
    let draft = Draft {
        model,
        agent,
        messages: serde_json::value::to_raw_value(&messages).map_err(Error::internal)?,
        prompt_tokens: jobs::prompt_bound(&messages, output_schema.as_deref(), &parameters),
        output_schema,
        metadata,
        parameters: parameters.clone(),
        user,
        priority: 0,
        run_at: None,
    };
    let prepared = jobs::draft(app, &app.catalog.current(), caller, draft)?.direct();
    let max_repairs = parameters.max_repairs.unwrap_or(app.settings.max_repairs);
    Ok(Chat { prepared, messages, parameters, contract, max_repairs, held_back })
}

fn of_model(request: ChatRequest) -> Result<Asked> {
    Ok(Asked {
        output_schema: request.output_schema()?,
        parameters: request.parameters(),
        model: request.model,
        agent: None,
        messages: request.messages,
    })
}

/// To clients of OpenAI's API an agent is a model.
fn find(app: &App, caller: &Caller, name: &str) -> Result<Arc<Ready>> {
    agents::ready(app, caller.scope, name, None).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::Conflict => {
            let message = format!(
                "there is no agent `{name}` here, or it is archived; GET /v1/models lists all"
            );
            Error::new(ErrorKind::UnknownModel, message).with_param("model")
        }
        _ => error,
    })
}

/// The agent's settings and its contract go before those of the request.
fn of_agent(agent: &Ready, request: &ChatRequest) -> Result<Asked> {
    let mut parameters = agent.parameters().clone().or(request.parameters());
    let output_schema = match agent.output_schema() {
        Some(schema) => {
            parameters.extras.remove("response_format");
            Some(schema.to_owned())
        }
        None => request.output_schema()?,
    };
    Ok(Asked {
        model: agent.model().to_owned(),
        agent: Some(agent.agent().clone()),
        messages: prompt(agent, &request.messages)?,
        output_schema,
        parameters,
    })
}

/// The last message of the user is the agent's input: where the agent's templates use it, what they say
/// stands in its place, and their instructions go before the conversation. An agent that uses no input
/// goes before the conversation as a whole.
fn prompt(agent: &Ready, conversation: &[ChatMessage]) -> Result<Vec<ChatMessage>> {
    let last = conversation.iter().rposition(|message| message.role == ChatRole::User);
    let Some(last) = last else {
        let message = "messages must have one of the user, which is the agent's input";
        return Err(Error::invalid("messages", message));
    };
    let said = input(agent, &conversation[last].text())?;
    let mut says: Vec<_> = agent.messages(&said)?.into_iter().map(ChatMessage::from).collect();
    if !agent.uses_input() {
        says.extend_from_slice(conversation);
        return Ok(says);
    }
    let instructions = says.iter().take_while(|message| message.role == ChatRole::System).count();
    let turn = says.split_off(instructions);
    says.extend_from_slice(&conversation[..last]);
    says.extend(turn);
    says.extend_from_slice(&conversation[last + 1..]);
    Ok(says)
}

/// The agent's input, which is JSON where the agent says what it has to be like. Else it is JSON where it
/// looks like an object or an array, and a text where it does not.
fn input(agent: &Ready, text: &str) -> Result<Value> {
    let must_be_json = agent.input_schema().is_some();
    if !must_be_json && !text.trim_start().starts_with(['{', '[']) {
        return Ok(Value::String(text.to_owned()));
    }
    let parsed = json::check(text.as_bytes()).map_err(|fault| fault.to_string());
    let parsed = parsed.and_then(|checked| {
        serde_json::from_str(checked.text()).map_err(|error| error.to_string())
    });
    match parsed {
        Err(fault) if must_be_json => {
            let message =
                format!("the last message of the user must be the agent's input as JSON: {fault}");
            Err(Error::new(ErrorKind::InputSchemaMismatch, message).with_param("messages"))
        }
        parsed => Ok(parsed.unwrap_or_else(|_| Value::String(text.to_owned()))),
    }
}
