//! `key`: makes, revokes and lists the API keys of an account.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{DONE, Output, local::Local};
use crate::{
    ambient::Ambient,
    app::api_keys::{self, CreatedKey, KeyRequest},
    config::Config,
    domain::{AccountId, ApiKeyId, Credits, Error, PageRequest, ProjectId, ScopeSet, Timestamp},
    store::api_keys::ApiKey,
};

#[derive(Subcommand)]
pub(super) enum Key {
    /// Make a key
    Create(Create),
    /// End a key at once
    Revoke(Revoke),
    /// List keys, newest first
    List(List),
}

#[derive(Args)]
pub(super) struct Create {
    /// The account's id
    #[arg(long, value_name = "ID")]
    account: AccountId,
    /// What people call it
    #[arg(long, default_value = "default")]
    name: String,
    /// What it may do, separated by spaces or commas
    #[arg(long, default_value = "*")]
    scopes: String,
    /// Its project's id; the project `default` where none is named
    #[arg(long, value_name = "ID")]
    project: Option<ProjectId>,
    /// Credits that its jobs may be charged in a calendar month
    #[arg(long, value_name = "X")]
    monthly_credit_limit: Option<Credits>,
    /// An address or network that it may be used from; give it once for each
    #[arg(long = "allowed-cidr", value_name = "CIDR")]
    allowed_cidrs: Vec<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(super) struct Revoke {
    /// The account's id
    #[arg(long, value_name = "ID")]
    account: AccountId,
    /// The key's id
    #[arg(value_name = "KEY_ID")]
    key: ApiKeyId,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(super) struct List {
    /// The account's id
    #[arg(long, value_name = "ID")]
    account: AccountId,
    #[command(flatten)]
    output: Output,
}

impl Key {
    pub(super) fn run(self, config: &Config, ambient: Ambient) -> anyhow::Result<ExitCode> {
        let local = Local::open(config, ambient)?;
        match self {
            Self::Create(create) => create.run(&local)?,
            Self::Revoke(revoke) => revoke.run(&local)?,
            Self::List(list) => list.run(&local)?,
        }
        local.close();
        Ok(DONE)
    }
}

impl Create {
    fn run(self, local: &Local) -> anyhow::Result<()> {
        let request = KeyRequest {
            name: self.name,
            project_id: self.project,
            scopes: scopes(&self.scopes)?,
            monthly_credit_limit: self.monthly_credit_limit,
            allowed_cidrs: (!self.allowed_cidrs.is_empty()).then_some(self.allowed_cidrs),
            ..KeyRequest::default()
        };
        let key = issue(local, self.account, &request)?;
        let secret = key.secret.expose();
        let text = format!("key  {}\n\n{secret}\n\nThe key is shown this once.", key.key.id);
        Ok(self.output.print(&json!({"key_id": key.key.id, "key": secret}), &text)?)
    }
}

impl Revoke {
    fn run(self, local: &Local) -> anyhow::Result<()> {
        let scope = local.scope(self.account)?;
        let key = api_keys::revoke(&local.app, scope, self.key).wait()?;
        let object = json!({"key_id": key.id, "revoked_at": key.revoked_at});
        Ok(self.output.print(&object, &format!("{} is revoked", key.id))?)
    }
}

impl List {
    fn run(self, local: &Local) -> anyhow::Result<()> {
        let page = PageRequest { limit: PageRequest::MAX_LIMIT, after: None };
        let keys = api_keys::list(&local.app, local.scope(self.account)?, &page)?.data;
        let now = local.app.ambient.now();
        let rows: Vec<_> = keys
            .iter()
            .map(|key| json!({
                "key_id": key.id, "name": key.name, "prefix": key.prefix, "state": state(key, now),
                "scopes": key.scopes.split(' ').collect::<Vec<_>>(), "created_at": key.created_at,
            }))
            .collect();
        let line = |key: &ApiKey| {
            let state = state(key, now);
            format!("{}  {}  {state:<7}  {}  [{}]", key.id, key.prefix, key.name, key.scopes)
        };
        let lines: Vec<_> = keys.iter().map(line).collect();
        Ok(self.output.print(&json!({"keys": rows}), &lines.join("\n"))?)
    }
}

fn state(key: &ApiKey, now: Timestamp) -> &'static str {
    let is_past = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    if is_past(key.revoked_at) {
        "revoked"
    } else if is_past(key.ends_at()) {
        "expired"
    } else {
        "active"
    }
}

/// The names of scopes, each of which a key may have.
pub(super) fn scopes(text: &str) -> anyhow::Result<Vec<String>> {
    let scopes: ScopeSet =
        text.parse().map_err(|refused| Error::invalid("scopes", format!("--scopes: {refused}")))?;
    Ok(scopes.names().map(str::to_owned).collect())
}

/// Makes such a key.
pub(super) fn issue(
    local: &Local,
    account: AccountId,
    request: &KeyRequest,
) -> anyhow::Result<CreatedKey> {
    let scope = local.scope(account)?;
    let prepared = api_keys::prepare(&local.app, scope, ScopeSet::ALL, request)?;
    Ok(api_keys::issue(&local.app, prepared).wait()?)
}
