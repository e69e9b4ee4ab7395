//! `account`: makes and lists accounts.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{DONE, Output, credits, key, local::Local, user};
use crate::{
    ambient::Ambient,
    app::{
        accounts::{self, NewAccount},
        api_keys::KeyRequest,
        members::MemberRequest,
    },
    config::Config,
    domain::{Bucket, Credits, MemberRole, PageRequest, check_email},
};

#[derive(Subcommand)]
pub(super) enum Account {
    /// Make an account with a project, an API key and, if wanted, credits
    Create(Create),
    /// List accounts, newest first
    List(List),
}

#[derive(Args)]
pub(super) struct Create {
    /// What people call it
    #[arg(long)]
    name: String,
    /// Paid credits to start with; 0 for none
    #[arg(long, value_name = "X")]
    credits: Option<Credits>,
    /// Scopes of the key, separated by spaces or commas
    #[arg(long, default_value = "*")]
    scopes: String,
    /// Somebody to invite as its owner; prints a link that works once
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    output: Output,
}

impl Account {
    pub(super) fn run(self, config: &Config, ambient: Ambient) -> anyhow::Result<ExitCode> {
        let local = Local::open(config, ambient)?;
        match self {
            Self::Create(create) => create.run(config, &local)?,
            Self::List(list) => list.run(&local)?,
        }
        local.close();
        Ok(DONE)
    }
}

impl Create {
    /// What can be refused is looked at before the account is made.
    fn run(self, config: &Config, local: &Local) -> anyhow::Result<()> {
        self.owner.as_deref().map_or(Ok(()), check_email)?;
        let request = KeyRequest {
            name: "default".to_owned(),
            scopes: key::scopes(&self.scopes)?,
            ..KeyRequest::default()
        };
        let credits = self.credits.filter(|amount| !amount.is_zero());
        let grant = credits.map(|amount| credits::request(amount, Bucket::Paid)).transpose()?;
        let app = &local.app;
        let made = accounts::create(app, NewAccount { name: self.name }).wait()?;
        let account = made.account.id();
        let key = key::issue(local, account, &request)?;
        if let Some(grant) = grant {
            crate::app::credits::grant(app, account, grant, None).wait()?;
        }
        let secret = key.secret.expose();
        let mut object = json!({
            "account_id": account, "project_id": made.project, "key_id": key.key.id, "key": secret,
        });
        let mut text = format!(
            "account  {account}\nproject  {}\nkey      {}\n\n{secret}\n\nThe key is shown this once.",
            made.project, key.key.id
        );
        if let Some(email) = self.owner {
            let new = MemberRequest { email, role: MemberRole::Owner };
            let invited = user::invite(config, local, account, new, false)?;
            let url = invited.url.expose();
            object["invite_url"] = json!(url);
            text = format!("{text}\n\n{url}\n\nThe owner's link works once.");
        }
        Ok(self.output.print(&object, &text)?)
    }
}

impl List {
    fn run(self, local: &Local) -> anyhow::Result<()> {
        let page = PageRequest { limit: PageRequest::MAX_LIMIT, after: None };
        let accounts = accounts::list(&local.app, &page)?.data;
        let rows: Vec<_> = accounts
            .iter()
            .map(|account| json!({
                "account_id": account.id(), "name": account.name, "created_at": account.created_at,
                "suspended": account.suspended_at.is_some(),
            }))
            .collect();
        let lines: Vec<_> = accounts
            .iter()
            .map(|account| {
                let state = if account.suspended_at.is_some() { "suspended" } else { "active" };
                format!("{}  {state:<9}  {}", account.id(), account.name)
            })
            .collect();
        Ok(self.output.print(&json!({"accounts": rows}), &lines.join("\n"))?)
    }
}
