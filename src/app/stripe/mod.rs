//! Credits for payments that Stripe tells of. An event is kept once, with what it says of its payment; its account's
//! queue then grants the payment once, whichever of its events comes first, and takes back what the payer got back.

mod conclude;
mod customers;
mod events;
mod outcome;
mod prove;
mod receive;
mod whose;

use std::time::Duration;

pub(super) use conclude::requeue;
pub use conclude::{begin, conclude, fail, give_up};
pub use customers::{CustomerRequest, add_customer, customers, remove_customer};
pub use events::{ProcessRequest, event, events, process, troubled};
pub use prove::{SIGNATURE, admit};
pub use receive::{Received, read, receive};

use super::App;
use crate::{
    domain::{AccountId, Backoff, Environment, QueueName, Result, Secret, stripe::CreditPolicy},
    store::{
        AccountScope, AccountSeq, Commit, Snapshot, SystemScope, Tx,
        queue::{self, Waiting, WorkId},
        stripe::events as table,
    },
};

/// Events of a customer that are put into the queue when its account becomes known.
const MATCHED_MAX: u32 = 1_000;

/// Policy for payments.
#[derive(Clone, Debug, Default)]
pub struct StripeSettings {
    /// What Stripe signs with; none: top-ups are off.
    pub secrets: Vec<Secret<String>>,
    /// How far a signature's time may be from now.
    pub tolerance: Duration,
    /// What money buys.
    pub policy: CreditPolicy,
    /// How long a grant is tried.
    pub ttl: Duration,
    /// Pauses between the tries.
    pub backoff: Backoff,
}

impl App {
    /// Lets an event wait in the queue of an account.
    fn queue_event(
        &self,
        tx: &Tx<'_, SystemScope>,
        seq: i64,
        scope: AccountScope,
        by_operator: bool,
    ) -> Result<()> {
        table::assign(tx, seq, scope.seq(), by_operator)?;
        tx.within(scope, |tx| self.push_event(tx, seq))
    }

    fn push_event(&self, tx: &Tx<'_, AccountScope>, seq: i64) -> Result<()> {
        let lane = tx.scope().seq().number();
        let work = Waiting { id: work(seq), lane, priority: 0, run_at: tx.now() };
        queue::push(tx, work, tx.now().plus(self.settings.stripe.ttl))
    }

    /// Lets the events of a customer that waited for its account wait in the queue.
    fn queue_unmatched(
        &self,
        tx: &Tx<'_, SystemScope>,
        customer: &str,
        scope: AccountScope,
    ) -> Result<()> {
        for seq in table::unmatched_of(tx, customer, MATCHED_MAX)? {
            self.queue_event(tx, seq, scope, false)?;
        }
        Ok(())
    }

    /// The same for the events of a payment.
    fn queue_unmatched_of(
        &self,
        tx: &Tx<'_, SystemScope>,
        payment: i64,
        scope: AccountScope,
    ) -> Result<()> {
        for seq in table::unmatched_of_payment(tx, payment, MATCHED_MAX)? {
            self.queue_event(tx, seq, scope, false)?;
        }
        Ok(())
    }
}

/// A write of Stripe's tables, which are no tenant's.
fn write<T, F>(app: &App, deed: F) -> Commit<T>
where
    T: Send + 'static,
    F: FnMut(&Tx<'_, SystemScope>) -> Result<T> + Send + 'static,
{
    app.store.write(SystemScope::new(), deed)
}

/// A look at them.
fn look<T>(app: &App, look: impl FnOnce(&Snapshot<'_, SystemScope>) -> Result<T>) -> Result<T> {
    app.store.read(SystemScope::new(), look)
}

const fn work(seq: i64) -> WorkId {
    WorkId { queue: QueueName::BillingCreditGrant, subject: seq }
}

/// The right to the live rows of an account that a row of Stripe's names by number and id.
fn scope_of(tx: &Tx<'_, SystemScope>, (owner, id): (AccountSeq, AccountId)) -> AccountScope {
    tx.scope().account(owner, id, Environment::Live)
}
