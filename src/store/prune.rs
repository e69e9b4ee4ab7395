//! Taking away what was kept long enough. What is to go is looked for by readers, a stretch of a table at a time, and
//! taken away by the writer some hundred rows at a time, if it is still to go by then.

use std::collections::BTreeSet;

use rusqlite::Row;

use super::{
    scope::{AccountSeq, SystemScope},
    tx::{Snapshot, Tx},
};
use crate::domain::{Result, Timestamp, Topic, Topics};

/// Rows that are looked at, and taken away, at a time.
const ROWS: u32 = 500;
/// What these may hold, in bytes: a large row takes the writer longer.
const BYTES: u64 = 2 << 20;

/// Where to go on: what the rows are sorted by, and their number.
pub type Place = (i64, i64);

/// A stretch of a table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stretch {
    /// Numbers of the rows to take away.
    pub rows: Vec<i64>,
    /// The next stretch begins after this; `None` after the last.
    pub next: Option<Place>,
}

/// A kind of rows that are taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Deliveries that ended, and their attempts.
    Deliveries,
    /// Scheduled tasks that ended.
    Tasks,
    /// Dead letters that were redriven, or whose work is gone.
    DeadLetters,
    /// Dead letters about deliveries and tasks that nobody redrove. Then their work goes by its own age.
    OpenLetters,
    /// The payloads of Stripe's events that had their effect.
    StripePayloads,
    /// Entries of the audit log.
    AuditLog,
}

/// Says that no dead letter of the work is open, whose number is `$subject`.
macro_rules! no_open_letter {
    ($queue:literal, $subject:literal) => {
        concat!(
            "not exists (select 1 from main.dead_letter l where l.queue = ",
            $queue,
            " and l.subject = ",
            $subject,
            " and l.redriven_at is null)"
        )
    };
}

/// Says that the row ended before `?2`, and that nobody can want it back: nothing is redriven to an endpoint that was
/// deleted. The newest row stays, by trigger.
macro_rules! is_over {
    (delivery) => {
        concat!(
            "status <> 2 and finished_at < ?2 and seq < (select max(seq) from main.webhook_delivery)
             and not exists (select 1 from main.queue q where q.queue = 3 and q.subject = webhook_delivery.seq)
             and (exists (select 1 from main.webhook_endpoint e where e.seq = endpoint and e.deleted_at is not null) or ",
            no_open_letter!("3", "webhook_delivery.seq"),
            ")"
        )
    };
    (task) => {
        concat!(
            "finished_at < ?2 and seq < (select max(seq) from main.scheduled_task) and ",
            no_open_letter!("5", "scheduled_task.seq")
        )
    };
    (letter) => {
        "(redriven_at < ?2
           or queue = 3 and not exists (select 1 from main.webhook_delivery d where d.seq = subject)
           or queue = 5 and not exists (select 1 from main.scheduled_task t where t.seq = subject))"
    };
    (open_letter) => {
        "redriven_at is null and queue in (3, 5) and created_at < ?2"
    };
    (event) => {
        "processed_at < ?2 and payload <> '' and status in ('processed', 'duplicate')"
    };
}

impl Kept {
    /// Finds rows after the place `(?1, ?3)` in their order, at most `?4`: number, what they are sorted by, size, whether
    /// they are to go as they ended before `?2`, and when they were made.
    pub(in crate::store) const fn find(self) -> &'static str {
        match self {
            Self::Deliveries => concat!(
                "select seq, 0, octet_length(payload), ",
                is_over!(delivery),
                ", created_at from main.webhook_delivery where seq > ?3 order by seq limit ?4"
            ),
            Self::Tasks => concat!(
                "select seq, finished_at, coalesce(octet_length(payload), 0) + coalesce(octet_length(result), 0), ",
                is_over!(task),
                ", created_at from main.scheduled_task where finished_at is not null and finished_at < ?2
                   and finished_at >= ?1 and (finished_at > ?1 or seq > ?3)
                 order by finished_at, seq limit ?4"
            ),
            Self::DeadLetters => concat!(
                "select seq, 0, 0, ",
                is_over!(letter),
                ", created_at from main.dead_letter where seq > ?3 order by seq limit ?4"
            ),
            Self::OpenLetters => concat!(
                "select seq, 0, 0, ",
                is_over!(open_letter),
                ", created_at from main.dead_letter where seq > ?3 order by seq limit ?4"
            ),
            Self::StripePayloads => concat!(
                "select seq, processed_at, octet_length(payload), ",
                is_over!(event),
                ", created_at from main.stripe_event where processed_at is not null and payload <> '' and processed_at < ?2
                   and processed_at >= ?1 and (processed_at > ?1 or seq > ?3)
                 order by processed_at, seq limit ?4"
            ),
            Self::AuditLog => {
                "select seq, 0, 0, created_at < ?2, created_at from main.audit_entry where seq > ?3 order by seq limit ?4"
            }
        }
    }

    /// What an account hears of.
    const fn topics(self) -> Topics {
        match self {
            Self::Deliveries => Topics::NONE.with(Topic::Deliveries),
            Self::Tasks => Topics::NONE.with(Topic::Tasks),
            Self::DeadLetters | Self::OpenLetters => Topics::NONE.with(Topic::DeadLetters),
            Self::StripePayloads => Topics::NONE,
            Self::AuditLog => Topics::NONE.with(Topic::Audit),
        }
    }

    /// Takes away row `?1` if it is still to go; gives its account.
    const fn take(self) -> &'static str {
        match self {
            Self::Deliveries => {
                concat!(
                    "delete from main.webhook_delivery where seq = ?1 and ",
                    is_over!(delivery),
                    " returning account"
                )
            }
            Self::Tasks => {
                concat!(
                    "delete from main.scheduled_task where seq = ?1 and ",
                    is_over!(task),
                    " returning account"
                )
            }
            Self::DeadLetters => {
                concat!(
                    "delete from main.dead_letter where seq = ?1 and ",
                    is_over!(letter),
                    " returning account"
                )
            }
            Self::OpenLetters => {
                concat!(
                    "delete from main.dead_letter where seq = ?1 and ",
                    is_over!(open_letter),
                    " returning account"
                )
            }
            Self::StripePayloads => concat!(
                "update main.stripe_event set payload = '' where seq = ?1 and ",
                is_over!(event),
                " returning null"
            ),
            Self::AuditLog => {
                "delete from main.audit_entry where seq = ?1 and created_at < ?2 returning account"
            }
        }
    }
}

/// A row that was looked at.
struct Found {
    place: Place,
    bytes: u64,
    is_over: bool,
    created_at: Timestamp,
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let is_over: Option<bool> = row.get(3)?;
    Ok(Found {
        place: (row.get(1)?, row.get(0)?),
        bytes: row.get(2)?,
        is_over: is_over == Some(true),
        created_at: row.get(4)?,
    })
}

/// The next rows after that place which are to go, as they ended before that time.
pub fn find(
    snapshot: &Snapshot<'_, SystemScope>,
    kept: Kept,
    (sort, seq): Place,
    before: Timestamp,
) -> Result<Stretch> {
    let rows = snapshot.all(kept.find(), (sort, before, seq, ROWS), found)?;
    let (mut stretch, mut bytes) = (Stretch::default(), 0);
    for row in &rows {
        if row.is_over {
            bytes += row.bytes;
            if bytes > BYTES && !stretch.rows.is_empty() {
                return Ok(stretch);
            }
            stretch.rows.push(row.place.1);
        }
        stretch.next = Some(row.place);
    }
    // These come in the order of their times but where the clock was set back.
    let is_sorted = matches!(kept, Kept::Deliveries | Kept::AuditLog);
    let is_young = |row: &Found| row.created_at >= before;
    let is_last = rows.len() < ROWS as usize;
    if is_last || is_sorted && rows.iter().all(is_young) {
        stretch.next = None;
    }
    Ok(stretch)
}

/// Takes these rows away, but for those that are not to go any more; gives how many it took.
pub fn take(
    tx: &Tx<'_, SystemScope>,
    kept: Kept,
    rows: &[i64],
    before: Timestamp,
) -> Result<usize> {
    let (mut taken, mut accounts) = (0, BTreeSet::new());
    for seq in rows {
        let Some(account) = tx.one(kept.take(), (seq, before), |row| row.get(0))? else { continue };
        if kept == Kept::Deliveries {
            tx.execute("delete from main.webhook_attempt where delivery = ?1", [seq])?;
        }
        taken += 1;
        accounts.extend::<Option<AccountSeq>>(account);
    }
    let sql = "select id, environment from main.account where seq = ?1";
    for account in accounts {
        if let Some(whose) = tx.one(sql, [account], |row| Ok((row.get(0)?, row.get(1)?)))? {
            tx.tell(whose, kept.topics());
        }
    }
    Ok(taken)
}
