//! `dlq`: shows and redrives the dead letters of an account.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{DONE, Output, local::Local, one_of};
use crate::{
    ambient::Ambient,
    app::{Caller, accounts, dead_letters},
    config::Config,
    domain::{AccountId, DeadLetterId, Environment, Error, PageRequest, QueueName, Result},
    store::dead_letters::DeadLetter,
};

#[derive(Subcommand)]
pub(super) enum Dlq {
    /// List dead letters that nobody redrove, newest first
    List(List),
    /// Put a dead letter's work back into its queue
    Redrive(Redrive),
}

/// Whose dead letters.
#[derive(Args)]
struct Whose {
    /// The account's id
    #[arg(long, value_name = "ID")]
    account: AccountId,
    /// Those of live work, or of what the account's test keys asked for
    #[arg(long, default_value = "live", value_parser = one_of::<Environment>(["live", "test"]))]
    environment: Environment,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    whose: Whose,
    /// Only of this queue, such as generation.create.dlq
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(super) struct Redrive {
    #[command(flatten)]
    whose: Whose,
    /// The dead letter's id
    #[arg(value_name = "DEAD_LETTER_ID")]
    id: DeadLetterId,
    #[command(flatten)]
    output: Output,
}

impl Dlq {
    pub(super) fn run(self, config: &Config, ambient: Ambient) -> anyhow::Result<ExitCode> {
        let local = Local::open(config, ambient)?;
        match self {
            Self::List(list) => list.run(&local)?,
            Self::Redrive(redrive) => redrive.run(&local)?,
        }
        local.close();
        Ok(DONE)
    }
}

impl List {
    fn run(self, local: &Local) -> anyhow::Result<()> {
        let queue = self.queue.as_deref().map(queue).transpose()?;
        let caller = self.whose.caller(local)?;
        let page = PageRequest { limit: PageRequest::MAX_LIMIT, after: None };
        let letters = dead_letters::list(&local.app, &caller, queue, &page)?.data;
        let rows: Vec<_> = letters.iter().map(object).collect();
        let lines: Vec<_> = letters.iter().map(line).collect();
        Ok(self.output.print(&json!({"dead_letters": rows}), &lines.join("\n"))?)
    }
}

impl Redrive {
    fn run(self, local: &Local) -> anyhow::Result<()> {
        let caller = self.whose.caller(local)?;
        let redriven = dead_letters::redrive(&local.app, &caller, self.id, None, render);
        let letter: Value = serde_json::from_slice(&redriven.wait()?.body)?;
        Ok(self.output.print(&letter, &format!("{} waits in its queue again", self.id))?)
    }
}

fn queue(name: &str) -> Result<QueueName> {
    QueueName::parse_dead(name).or_else(|| QueueName::parse(name)).ok_or_else(|| {
        let known = QueueName::ALL.map(|queue| format!("{}.dlq", queue.as_str())).join(", ");
        Error::invalid("queue", format!("--queue {name} is none of {known}"))
    })
}

impl Whose {
    /// Redriving makes no job, so no project and no key are asked for, and whoever paid before pays again.
    fn caller(&self, local: &Local) -> Result<Caller> {
        let scope = accounts::scope_of(&local.app, self.account, self.environment)?;
        let request_id = local.app.ambient.uuid().to_string();
        Ok(Caller { scope, project: 0, key: 0, payer: None, request_id, trace: None })
    }
}

fn object(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id, "queue": format!("{}.dlq", letter.work.queue.as_str()),
        "job_id": letter.job_id, "delivery_id": letter.delivery_id, "reason": letter.reason,
        "message": letter.message, "attempts": letter.attempts, "created_at": letter.created_at,
    })
}

fn line(letter: &DeadLetter) -> String {
    let queue = letter.work.queue.as_str();
    format!("{}  {}  {queue}  {}: {}", letter.id, letter.created_at, letter.reason, letter.message)
}

fn render(letter: &DeadLetter) -> Result<Vec<u8>> {
    serde_json::to_vec(&object(letter)).map_err(Error::internal)
}
