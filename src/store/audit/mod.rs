//! The proof that the books are right: every rule that ties balance, ledger, grants, jobs, end users and
//! queue together, as a statement that finds the rows which break it and says what would mend them.
//!
//! Each statement reads a table from end to end or seeks by an index, and none is run per row, so a
//! million entries take seconds.

mod balances;
mod batches;
mod charges;
mod end_users;
mod environments;
mod grants;
mod lists;
mod payments;
mod reservations;
mod tasks;
#[cfg(test)]
mod tests;
mod usage;

use super::{fault::RETRY_AFTER, scope::SystemScope, tx::Snapshot};
use crate::domain::{AccountId, Environment, Error, JobId, Result};

/// Problems that are listed, at most.
const PROBLEMS_MAX: usize = 100;

/// What was looked at and what is wrong.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Accounts; their twins for tests are looked at too, but not counted.
    pub accounts: u64,
    /// Entries of all ledgers.
    pub entries: u64,
    /// Jobs.
    pub jobs: u64,
    /// At most 100.
    pub problems: Vec<Problem>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A sentence that names account and job.
    pub what: String,
    /// What would mend it.
    pub repair: String,
}

/// Rules as statements that find what breaks them: the internal number of an account, that of a job or
/// null, what is wrong in words, and what would mend it. `?1` limits the rows. Amounts are microcredits.
///
/// Rules that look at the same sums share a statement, so that the ledger is read few times.
const RULES: [&[&str]; 10] = [
    balances::RULES,
    reservations::RULES,
    batches::RULES,
    grants::RULES,
    end_users::RULES,
    payments::RULES,
    lists::RULES,
    environments::RULES,
    tasks::RULES,
    usage::RULES,
];

/// Looks at everything, in one consistent view. Gives up between two rules once it is `stopped`.
pub fn run(snapshot: &Snapshot<'_, SystemScope>, stopped: &dyn Fn() -> bool) -> Result<Audit> {
    let mut problems = Vec::new();
    let go_on = || {
        let stopping = || Error::unavailable("the server is stopping", RETRY_AFTER);
        if stopped() { Err(stopping()) } else { Ok(()) }
    };
    for rule in RULES.into_iter().flatten() {
        go_on()?;
        let left = PROBLEMS_MAX.saturating_sub(problems.len());
        if left > 0 {
            problems.extend(broken(snapshot, rule, left)?);
        }
    }
    for broken in [charges::broken, payments::broken, usage::broken] {
        go_on()?;
        let left = PROBLEMS_MAX.saturating_sub(problems.len());
        if left > 0 {
            for breach in broken(snapshot, left)? {
                problems.push(problem(snapshot, breach)?);
            }
        }
    }
    let count = |sql| {
        let count = snapshot.one(sql, [], |row| row.get::<_, u64>(0))?;
        Ok(count.unwrap_or_default())
    };
    Ok(Audit {
        accounts: count("select count(*) from main.account where environment = 'live'")?,
        entries: count("select count(*) from main.ledger")?,
        jobs: count("select count(*) from main.job")?,
        problems,
    })
}

/// Internal numbers of what breaks a rule, what is wrong with it, and what would mend it.
struct Breach {
    /// None where the row has lost its own.
    account: Option<i64>,
    job: Option<i64>,
    what: String,
    repair: String,
}

fn broken(
    snapshot: &Snapshot<'_, SystemScope>,
    rule: &'static str,
    limit: usize,
) -> Result<Vec<Problem>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let breaches = snapshot.all(rule, [limit], |row| {
        Ok(Breach {
            account: row.get(0)?,
            job: row.get(1)?,
            what: row.get(2)?,
            repair: row.get(3)?,
        })
    })?;
    breaches.into_iter().map(|breach| problem(snapshot, breach)).collect()
}

/// Names the ids that people know. There are few breaches, so each may look them up.
fn problem(
    snapshot: &Snapshot<'_, SystemScope>,
    Breach { account, job, what, repair }: Breach,
) -> Result<Problem> {
    let found: Option<(AccountId, Environment)> = snapshot.one(
        "select id, environment from main.account where seq = ?1",
        [account],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let name = match found {
        Some((id, Environment::Live)) => id.to_string(),
        Some((id, Environment::Test)) => format!("{id} (test)"),
        None => account.map_or_else(|| "unknown".to_owned(), |seq| format!("number {seq}")),
    };
    let job: Option<JobId> =
        snapshot.one("select id from main.job where seq = ?1", [job], |row| row.get(0))?;
    let job = job.map(|id| format!(", job {id},")).unwrap_or_default();
    Ok(Problem { what: format!("account {name}{job} {what}"), repair })
}
