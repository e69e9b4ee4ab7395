//! `credits`: gives an account credits.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{DONE, Output, local::Local, one_of};
use crate::{
    ambient::Ambient,
    app::{
        accounts,
        credits::{self, GrantRequest},
    },
    config::Config,
    domain::{self, AccountId, Bucket, Environment, Error, GrantId},
};

#[derive(Subcommand)]
pub(super) enum Credits {
    /// Give credits
    Grant(Grant),
}

#[derive(Args)]
pub(super) struct Grant {
    /// The account's id
    #[arg(long, value_name = "ID")]
    account: AccountId,
    /// How many, exact to 6 decimals
    #[arg(long, value_name = "X")]
    amount: domain::Credits,
    /// Where they go; free ones are used first
    #[arg(long, default_value = "paid", value_parser = one_of::<Bucket>(["paid", "free"]))]
    bucket: Bucket,
    /// Live credits, or those that the account's test keys spend
    #[arg(long, default_value = "live", value_parser = one_of::<Environment>(["live", "test"]))]
    environment: Environment,
    #[command(flatten)]
    output: Output,
}

impl Credits {
    pub(super) fn run(self, config: &Config, ambient: Ambient) -> anyhow::Result<ExitCode> {
        let Self::Grant(grant) = self;
        let local = Local::open(config, ambient)?;
        grant.run(&local)?;
        local.close();
        Ok(DONE)
    }
}

impl Grant {
    fn run(self, local: &Local) -> anyhow::Result<()> {
        let Self { bucket, environment, .. } = self;
        let request = GrantRequest { environment, ..request(self.amount, bucket)? };
        let grant = credits::grant(&local.app, self.account, request, None).wait()?;
        let scope = accounts::scope_of(&local.app, self.account, environment)?;
        let balance = credits::balance(&local.app, scope)?;
        let available = balance.available.total().unwrap_or_default();
        let text =
            format!("granted {} {} credits; {available} available", grant.amount, bucket.as_str());
        let granted = Granted {
            grant_id: grant.id,
            account_id: self.account,
            amount: grant.amount,
            bucket,
            available,
        };
        Ok(self.output.print(&granted, &text)?)
    }
}

/// What the command prints. Not `json!`, which would read the numbers as floats.
#[derive(Serialize)]
struct Granted {
    grant_id: GrantId,
    account_id: AccountId,
    amount: domain::Credits,
    bucket: Bucket,
    available: domain::Credits,
}

/// A grant of the operator's.
pub(super) fn request(amount: domain::Credits, bucket: Bucket) -> anyhow::Result<GrantRequest> {
    if !amount.is_positive() {
        return Err(Error::invalid("amount", "the amount of credits must be above zero").into());
    }
    let reason = "granted on the command line".to_owned();
    let environment = Environment::Live;
    Ok(GrantRequest { amount, bucket, reason, expires_at: None, environment })
}
