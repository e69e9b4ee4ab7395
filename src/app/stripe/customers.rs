//! The operator's deeds with Stripe's customers: whose payments theirs are.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    super::{App, accounts, one_more, text},
    look, write,
};
use crate::{
    domain::{AccountId, Cursor, Environment, Error, ErrorKind, Page, PageRequest, Result},
    store::{
        Commit, SystemScope, Tx,
        stripe::customers::{self, StripeCustomer},
    },
};

/// Whose payments those of a customer of Stripe's are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StripeCustomerRequest")]
pub struct CustomerRequest {
    /// The account.
    pub account_id: AccountId,
    /// Stripe's id, such as `cus_NffrFeUfNV2Hib`.
    #[schemars(length(min = 1, max = 255))]
    pub stripe_customer_id: String,
}

/// Makes a customer's payments those of an account, and queues the events that waited for that. The same again changes
/// nothing; [`ErrorKind::Conflict`] where they are another account's.
pub fn add_customer(app: &Arc<App>, request: CustomerRequest) -> Commit<StripeCustomer> {
    if let Err(error) = check_customer_id(&request.stripe_customer_id) {
        return Commit::refused(error);
    }
    let this = Arc::clone(app);
    write(app, move |tx| {
        let CustomerRequest { account_id, stripe_customer_id: id } = &request;
        let scope = accounts::find_scope(tx, *account_id, Environment::Live)?;
        match customers::find(tx, id)? {
            None => customers::insert(tx, id, scope.seq())?,
            Some(known) if known.account_id == *account_id => {}
            Some(known) => return Err(taken(&known)),
        }
        this.queue_unmatched(tx, id, scope)?;
        must_find(tx, id)
    })
}

fn check_customer_id(id: &str) -> Result<()> {
    const PARAM: &str = "stripe_customer_id";
    text(PARAM, id, 255)?;
    if id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let message = "stripe_customer_id must be an id of Stripe's, such as cus_NffrFeUfNV2Hib";
    Err(Error::invalid(PARAM, message))
}

fn taken(known: &StripeCustomer) -> Error {
    let message = format!(
        "the customer's payments are those of account {}; DELETE the customer here first",
        known.account_id
    );
    Error::new(ErrorKind::Conflict, message).with_param("stripe_customer_id")
}

/// Known customers, of one account or all, newest first. Blocks while it reads.
pub fn customers(
    app: &App,
    account: Option<AccountId>,
    page: &PageRequest,
) -> Result<Page<StripeCustomer>> {
    let before = page.after.as_ref().map(Cursor::number).transpose()?.unwrap_or(i64::MAX);
    let rows = look(app, |snapshot| customers::list(snapshot, account, before, one_more(page)))?;
    Ok(Page::cut(rows, page.limit, |customer| Cursor::from_number(customer.seq)))
}

/// Forgets whose a customer's payments are. What was granted stays.
pub fn remove_customer(app: &Arc<App>, id: String) -> Commit<()> {
    write(app, move |tx| if customers::delete(tx, &id)? { Ok(()) } else { Err(none()) })
}

fn must_find(tx: &Tx<'_, SystemScope>, id: &str) -> Result<StripeCustomer> {
    customers::find(tx, id)?.ok_or_else(none)
}

fn none() -> Error {
    Error::none_on_server("Stripe customer")
}
