//! What POSTs with an `Idempotency-Key` answered, kept until it expires.

use std::time::Duration;

use super::{
    scope::{AccountScope, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{Credits, Result, Timestamp};

/// A hash of method, route and the client's key.
pub type KeyHash = [u8; 16];

/// SHA-256 of the canonical request.
pub type BodyHash = [u8; 32];

/// An answer that was given before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The request that it answered.
    pub body_hash: BodyHash,
    /// The answer.
    pub answer: Answer,
}

/// How an answer is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As the bytes that were sent, possibly sealed.
    Body(Vec<u8>),
    /// As the job that was made, and what was set aside for it.
    Job {
        /// The job's internal number.
        job: i64,
        /// What its first reservation set aside.
        reserved: Credits,
    },
}

/// The answer saved under the key, if it has not expired.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, key: &KeyHash) -> Result<Option<Saved>> {
    snapshot.one(
        "select body_hash, job, reserved, response from idempotency
         where key = ?1 and expires_at > ?2",
        (key, snapshot.now()),
        |row| {
            let answer = match row.get("job")? {
                Some(job) => Answer::Job { job, reserved: row.get("reserved")? },
                None => Answer::Body(row.get("response")?),
            };
            Ok(Saved { body_hash: row.get("body_hash")?, answer })
        },
    )
}

/// Saves an answer in the transaction of what it tells of. An expired one is replaced.
pub fn save(
    tx: &Tx<'_, AccountScope>,
    key: &KeyHash,
    saved: &Saved,
    expires_at: Timestamp,
) -> Result<()> {
    let (job, reserved, response) = match &saved.answer {
        Answer::Body(body) => (None, None, Some(body)),
        Answer::Job { job, reserved } => (Some(*job), Some(*reserved), None),
    };
    let insert = || {
        tx.execute(
            "insert into main.idempotency
               (account, key, body_hash, job, reserved, response, expires_at)
             values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (account, key) do nothing",
            (key, saved.body_hash, job, reserved, response, expires_at),
        )
    };
    if insert()? == 0 {
        // The old row goes, so that rows stay in the order in which they expire.
        forget(tx, key)?;
        insert()?;
    }
    Ok(())
}

/// Forgets what was saved under the key: the request may be executed again.
pub fn forget(tx: &Tx<'_, AccountScope>, key: &KeyHash) -> Result<()> {
    tx.execute(
        "delete from main.idempotency where account = current_account() and key = ?1",
        [key],
    )?;
    Ok(())
}

/// Removes expired answers, at most `limit` and the oldest first; gives how many. None is kept longer than
/// `ttl` from now on, whatever was said when it was saved or by whatever clock: else one at the
/// beginning could keep all those behind it.
pub fn prune(tx: &Tx<'_, SystemScope>, ttl: Duration, limit: u32) -> Result<usize> {
    tx.execute(
        "delete from main.idempotency where (expires_at <= ?1 or expires_at > ?2) and seq in
           (select seq from main.idempotency order by seq limit ?3)",
        (tx.now(), tx.now().plus(ttl), limit),
    )
}

/// Removes expired answers of one account among the `limit` oldest of all accounts after number `after`. Gives how many,
/// and the number after which to go on; `None` where all answers that have expired were looked at.
pub fn prune_account(
    tx: &Tx<'_, SystemScope>,
    account: AccountScope,
    after: i64,
    limit: usize,
) -> Result<(usize, Option<i64>)> {
    let account = account.seq().number();
    let oldest = tx.all(
        "select seq, expires_at <= ?3 as is_over, account = ?4 as is_own from main.idempotency
         where seq > ?1 order by seq limit ?2",
        (after, limit, tx.now(), account),
        |row| {
            let is_over: bool = row.get("is_over")?;
            Ok((row.get::<_, i64>("seq")?, is_over, is_over && row.get("is_own")?))
        },
    )?;
    let mut removed = 0;
    for (seq, _, _) in oldest.iter().filter(|(_, _, is_ours)| *is_ours) {
        let sql = "delete from main.idempotency where account = ?1 and seq = ?2";
        removed += tx.execute(sql, (account, seq))?;
    }
    let last = oldest.last().filter(|(_, is_over, _)| *is_over && oldest.len() == limit);
    Ok((removed, last.map(|(seq, _, _)| *seq)))
}
