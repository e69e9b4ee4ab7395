//! An agent that is ready to run: its templates and contracts are compiled once, for any number of
//! runs.

use std::sync::Arc;

use serde_json::{Value, value::RawValue};

use super::{Versioned, opened::ready};
use crate::{
    app::{
        App, Caller,
        jobs::{self, Draft},
    },
    domain::{
        AgentDefinition, Budget, ChatMessage, Contract, Error, ErrorKind, Idempotency, Message,
        Parameters, Result, Role, RunRequest, Template, Violation, json,
    },
    store::jobs::{Job, JobAgent},
};

/// A version of an agent with all that its runs need.
#[derive(Debug)]
pub struct Ready {
    agent: JobAgent,
    /// Its messages are those of `templates`.
    definition: AgentDefinition,
    templates: Vec<(Role, Template)>,
    input: Option<Arc<Contract>>,
}

impl Ready {
    /// What a version needs to be run. Compiles what is not known yet.
    pub(super) fn of(app: &App, found: Versioned) -> Result<Self> {
        let Versioned { agent, version } = found;
        let mut definition = AgentDefinition {
            model: version.model,
            messages: serde_json::from_str(version.messages.get()).map_err(Error::internal)?,
            input_schema: version.input_schema,
            output_schema: version.output_schema,
            parameters: serde_json::from_str(&version.parameters).map_err(Error::internal)?,
        };
        let templates = definition.templates(false)?;
        let roles = std::mem::take(&mut definition.messages).into_iter().map(|it| it.role);
        let templates = roles.zip(templates).collect();
        let input = definition.input_schema.as_deref();
        let input =
            input.map(|schema| app.contracts.compile(schema, "input_schema")).transpose()?;
        let tags = agent.tags.get().to_owned();
        let agent =
            JobAgent { seq: agent.seq, id: agent.id, name: agent.name, tags, version: version.n };
        Ok(Self { agent, definition, templates, input })
    }

    /// About how many bytes of memory it holds, its contract included.
    pub(super) fn bytes(&self) -> usize {
        let AgentDefinition { input_schema, output_schema, .. } = &self.definition;
        let schemas = [input_schema, output_schema].into_iter().flatten();
        let schemas: usize = schemas.map(|schema| schema.get().len()).sum();
        let templates: usize = self.templates.iter().map(|(_, template)| template.bytes()).sum();
        let contract = self.input.as_ref().map_or(0, |contract| contract.bytes());
        // Names and settings are short.
        2 * size_of::<Self>() + self.agent.tags.len() + schemas + templates + contract
    }
}

/// A run that is about to be accepted.
#[derive(Debug)]
pub enum Run {
    /// Ready for [`jobs::submit`].
    New(Box<jobs::Prepared>),
    /// The agent takes it no more, but an earlier request with the same idempotency key was accepted as
    /// this job.
    Accepted(Box<Job>),
}

/// Checks a run against everything but what the account can spend. Blocks.
pub fn prepare_run(
    app: &App,
    caller: &Caller,
    name: &str,
    run: &RunRequest,
    request: Option<&Idempotency>,
) -> Result<Run> {
    run.check(app.ambient.now())?;
    let prepared = ready(app, caller.scope, name, run.version)
        .and_then(|ready| jobs::draft(app, &app.catalog.current(), caller, ready.draft(run)?));
    let error = match (prepared, request) {
        (Ok(prepared), _) => return Ok(Run::New(Box::new(prepared))),
        (Err(error), None) => return Err(error),
        (Err(error), Some(_)) => error,
    };
    // The agent may have been archived since.
    let before = request.map(|request| jobs::accepted_before(app, caller.scope, request));
    match before.transpose()?.flatten() {
        Some(job) => Ok(Run::Accepted(Box::new(job))),
        None => Err(error),
    }
}

impl Ready {
    /// The job that a run becomes, whose version is this one. [`ErrorKind::InputSchemaMismatch`] with
    /// what is wrong as details, where the input breaks the contract or the templates need what it has
    /// not.
    pub fn draft(&self, run: &RunRequest) -> Result<Draft> {
        let input = json::value(run.input.get())
            .map_err(|fault| Error::invalid("input", format!("input: {}", fault.problem)))?;
        let messages = self.messages(&input)?;
        let chat: Vec<_> = messages.iter().cloned().map(ChatMessage::from).collect();
        let AgentDefinition { model, output_schema, parameters, .. } = &self.definition;
        Ok(Draft {
            model: model.clone(),
            agent: Some(self.agent.clone()),
            prompt_tokens: jobs::prompt_bound(&chat, output_schema.as_deref(), parameters),
            messages: serde_json::value::to_raw_value(&messages).map_err(Error::internal)?,
            output_schema: output_schema.clone(),
            metadata: run.metadata.clone(),
            parameters: parameters.clone(),
            user: run.user.clone(),
            priority: run.priority.unwrap_or(0),
            run_at: run.run_at,
        })
    }

    /// The prompt for an input, which is checked first.
    pub fn messages(&self, input: &Value) -> Result<Vec<Message>> {
        if let Some(contract) = &self.input {
            contract.check(input).map_err(|violations| mismatch(&violations))?;
        }
        let mut budget = Budget::default();
        let messages = self.templates.iter().map(|(role, template)| {
            let content = template.render(input, &mut budget);
            content.map(|content| Message { role: *role, content })
        });
        messages.collect::<std::result::Result<_, _>>().map_err(|violation| mismatch(&[violation]))
    }

    /// Whether any template says something of the input.
    pub fn uses_input(&self) -> bool {
        self.templates.iter().any(|(_, template)| template.uses_input())
    }

    /// Which version of which agent it is.
    pub fn agent(&self) -> &JobAgent {
        &self.agent
    }

    /// The model as the client names it.
    pub fn model(&self) -> &str {
        &self.definition.model
    }

    /// JSON Schema that inputs have to satisfy.
    pub fn input_schema(&self) -> Option<&RawValue> {
        self.definition.input_schema.as_deref()
    }

    /// JSON Schema that outputs have to satisfy.
    pub fn output_schema(&self) -> Option<&RawValue> {
        self.definition.output_schema.as_deref()
    }

    /// The settings of the calls.
    pub fn parameters(&self) -> &Parameters {
        &self.definition.parameters
    }
}

fn mismatch(violations: &[Violation]) -> Error {
    let first = violations.first().map(|first| (first.path.as_str(), first.message.as_str()));
    let (path, what) = first.unwrap_or_default();
    let message = format!(
        "the input does not fit the agent: input{path}: {what}; details lists what was found"
    );
    Error::new(ErrorKind::InputSchemaMismatch, message)
        .with_param("input")
        .with_details(&violations)
}
