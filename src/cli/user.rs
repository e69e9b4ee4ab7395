//! `user`: people who sign in on the dashboard.

use std::process::ExitCode;

use clap::{Args, Subcommand, builder::PossibleValuesParser, builder::TypedValueParser as _};
use serde_json::json;

use super::{DONE, Output, local::Local};
use crate::{
    ambient::Ambient,
    app::{
        members::{self, Invited, MemberRequest},
        sign_in,
    },
    config::Config,
    domain::{AccountId, MemberRole, PageRequest},
    store::persons::Person,
};

#[derive(Subcommand)]
pub(super) enum User {
    /// Invite somebody to an account; prints a link that works once
    Create(Create),
    /// Print a link for somebody who was invited, or forgot the password; it works once
    Link(Link),
    /// Make somebody an operator, by a link that works once; or take that from them, at once
    Update(Update),
    /// Forget somebody: ends sessions, links and memberships, at once
    Remove(Remove),
    /// List people, newest first
    List(List),
}

#[derive(Args)]
pub(super) struct Create {
    /// The account's id
    #[arg(long, value_name = "ID")]
    account: AccountId,
    /// The address that the person signs in with
    #[arg(long)]
    email: String,
    /// What the person may do in the account
    #[arg(long, value_parser = role())]
    role: MemberRole,
    /// Let whoever uses the link act in every account, and for the server itself
    #[arg(long)]
    operator: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(super) struct Link {
    /// The address that the person signs in with
    #[arg(long)]
    email: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(super) struct Update {
    /// The address that the person signs in with
    #[arg(long)]
    email: String,
    /// Whether the person acts in every account, and for the server itself
    #[arg(long, action = clap::ArgAction::Set)]
    operator: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(super) struct Remove {
    /// The address that the person signs in with
    #[arg(long)]
    email: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    output: Output,
}

fn role() -> impl clap::builder::TypedValueParser<Value = MemberRole> {
    let names = MemberRole::ALL.map(MemberRole::as_str);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<MemberRole>())
}

impl User {
    pub(super) fn run(self, config: &Config, ambient: Ambient) -> anyhow::Result<ExitCode> {
        let local = Local::open(config, ambient)?;
        match self {
            Self::Create(create) => create.run(config, &local)?,
            Self::Link(link) => link.run(config, &local)?,
            Self::Update(update) => update.run(config, &local)?,
            Self::Remove(remove) => remove.run(&local)?,
            Self::List(list) => list.run(&local)?,
        }
        local.close();
        Ok(DONE)
    }
}

/// How the server is reached from this machine, where the configuration names no public address.
fn origin(config: &Config) -> String {
    format!("http://{}", config.http.listen)
}

/// Invites somebody on behalf of the operator.
pub(super) fn invite(
    config: &Config,
    local: &Local,
    account: AccountId,
    new: MemberRequest,
    makes_operator: bool,
) -> anyhow::Result<Invited> {
    let origin = origin(config);
    Ok(members::create_by_operator(&local.app, account, new, makes_operator, &origin)?)
}

impl Create {
    fn run(self, config: &Config, local: &Local) -> anyhow::Result<()> {
        let Self { account, email, role, operator, output } = self;
        let made = invite(config, local, account, MemberRequest { email, role }, operator)?;
        let (id, url) = (made.member.id, made.url.expose());
        let object = json!({
            "user_id": id, "email": made.member.email, "role": role, "invite_url": url,
        });
        let text = format!("user  {id}\n\n{url}\n\nThe link works once.");
        Ok(output.print(&object, &text)?)
    }
}

impl Link {
    fn run(self, config: &Config, local: &Local) -> anyhow::Result<()> {
        let token = sign_in::link_for(&local.app, &self.email)?;
        let url = sign_in::link_url(&local.app, &origin(config), &token);
        let text = format!("{}\n\nThe link works once.", url.expose());
        Ok(self.output.print(&json!({"email": self.email, "url": url.expose()}), &text)?)
    }
}

impl Update {
    fn run(self, config: &Config, local: &Local) -> anyhow::Result<()> {
        let Self { email, operator, output } = self;
        if !operator {
            members::demote(&local.app, &email)?;
            let text = format!("{email} is no operator any more.");
            return Ok(output.print(&json!({"email": email, "operator": false}), &text)?);
        }
        let url = members::promote(&local.app, &email, &origin(config))?;
        let url = url.expose();
        let text = format!(
            "{url}\n\nThe link works once: {email} chooses a new password by it and is an operator then."
        );
        Ok(output.print(&json!({"email": email, "url": url}), &text)?)
    }
}

impl Remove {
    fn run(self, local: &Local) -> anyhow::Result<()> {
        let id = members::forget(&local.app, &self.email)?;
        let text = format!("{} is forgotten.", self.email);
        Ok(self.output.print(&json!({"user_id": id, "email": self.email}), &text)?)
    }
}

/// Everybody, page by page.
fn everybody(local: &Local) -> anyhow::Result<Vec<Person>> {
    let mut people = Vec::new();
    let mut after = None;
    loop {
        let page = PageRequest { limit: PageRequest::MAX_LIMIT, after };
        let found = sign_in::people(&local.app, &page)?;
        people.extend(found.data);
        let Some(next) = found.next_cursor else { return Ok(people) };
        after = PageRequest::parse(None, Some(&next))?.after;
    }
}

impl List {
    fn run(self, local: &Local) -> anyhow::Result<()> {
        let people = everybody(local)?;
        let rows: Vec<_> = people
            .iter()
            .map(|person| {
                json!({
                    "user_id": person.id, "email": person.email, "operator": person.is_operator,
                    "has_password": person.password_hash.is_some(), "created_at": person.created_at,
                })
            })
            .collect();
        let lines: Vec<_> = people
            .iter()
            .map(|person| {
                let state = if person.password_hash.is_some() { "active" } else { "invited" };
                let operator = if person.is_operator { "  (operator)" } else { "" };
                format!("{}  {state:<7}  {}{operator}", person.id, person.email)
            })
            .collect();
        Ok(self.output.print(&json!({"users": rows}), &lines.join("\n"))?)
    }
}
