//! Whose payments those of a customer of Stripe's are.

use rusqlite::Row;

use crate::{
    domain::{AccountId, Result, Timestamp},
    store::{AccountSeq, Snapshot, SystemScope, Tx},
};

/// A customer of Stripe's and the account that it pays for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StripeCustomer {
    /// Internal number.
    pub seq: i64,
    /// Stripe's id.
    pub id: String,
    /// The account.
    pub account_id: AccountId,
    /// Its internal number.
    pub owner: AccountSeq,
    /// When it became known.
    pub created_at: Timestamp,
}

fn customer(row: &Row<'_>) -> rusqlite::Result<StripeCustomer> {
    Ok(StripeCustomer {
        seq: row.get("seq")?,
        id: row.get("id")?,
        account_id: row.get("account_id")?,
        owner: row.get("owner")?,
        created_at: row.get("created_at")?,
    })
}

/// Adds a customer that is not known.
pub fn insert(tx: &Tx<'_, SystemScope>, id: &str, owner: AccountSeq) -> Result<()> {
    tx.execute(
        "insert into main.stripe_customer (id, owner, created_at) values (?1, ?2, ?3)",
        (id, owner, tx.now()),
    )?;
    Ok(())
}

/// The customer of that id.
pub fn find(snapshot: &Snapshot<'_, SystemScope>, id: &str) -> Result<Option<StripeCustomer>> {
    snapshot.one(
        "select c.*, a.id as account_id from main.stripe_customer c
         join main.account a on a.seq = c.owner where c.id = ?1",
        [id],
        customer,
    )
}

/// Customers before that number, of one account or all, newest first.
pub fn list(
    snapshot: &Snapshot<'_, SystemScope>,
    account: Option<AccountId>,
    before: i64,
    limit: u32,
) -> Result<Vec<StripeCustomer>> {
    let Some(account) = account else {
        return snapshot.all(
            "select c.*, a.id as account_id from main.stripe_customer c
             join main.account a on a.seq = c.owner where c.seq < ?1
             order by c.seq desc limit ?2",
            (before, limit),
            customer,
        );
    };
    snapshot.all(
        "select c.*, a.id as account_id from main.stripe_customer c
         join main.account a on a.seq = c.owner where a.id = ?1 and c.seq < ?2
         order by c.seq desc limit ?3",
        (account, before, limit),
        customer,
    )
}

/// Forgets a customer; false where there is none.
pub fn delete(tx: &Tx<'_, SystemScope>, id: &str) -> Result<bool> {
    Ok(tx.execute("delete from main.stripe_customer where id = ?1", [id])? > 0)
}
