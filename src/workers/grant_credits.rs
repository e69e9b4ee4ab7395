//! Turns payments into credits: the work of an event of Stripe's is its one transaction.

use std::sync::Arc;

use super::record;
use crate::{
    app::{App, stripe},
    domain::{QueueName, Result},
    queue::{GiveUp, Kind, Stop},
    store::{SystemScope, Tx, queue::Claimed},
};

/// The worker of `billing.credit_grant`.
pub struct GrantCredits {
    app: Arc<App>,
}

impl GrantCredits {
    /// Works with these deeds.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl Kind for GrantCredits {
    /// The body of the event.
    type Task = String;

    const QUEUE: QueueName = QueueName::BillingCreditGrant;

    fn begin(&self, tx: &Tx<'_, SystemScope>, claimed: &Claimed) -> Result<Option<String>> {
        stripe::begin(tx, claimed)
    }

    fn run(&self, claimed: &Claimed, payload: String, stop: &Stop) -> Result<()> {
        if stop.is_set() {
            return Ok(());
        }
        let done = record(stop, || stripe::conclude(&self.app, claimed, &payload));
        match done {
            Ok(_) => Ok(()),
            Err(error) => record(stop, || stripe::fail(&self.app, claimed, &error)).map(drop),
        }
    }

    fn give_up(&self, claimed: &Claimed, why: GiveUp) -> Result<()> {
        stripe::give_up(&self.app, claimed, why.code()).map(drop)
    }
}
