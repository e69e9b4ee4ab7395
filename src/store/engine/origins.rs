//! The triggers of the audit log, and what they ask: who is behind the deed that the writer runs, and how the API
//! spells values. Only the writer's connection has them.

use std::{cell::Cell, sync::Arc};

use rusqlite::{Connection, Error as SqlError, functions::FunctionFlags, types::FromSql};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    domain::{Credits, QueueName, Timestamp},
    observe::origin::{self, Actor, Origin},
};

/// The longest JSON that an entry shows, in bytes.
const JSON_MAX: usize = 4096;

thread_local! {
    static NOW: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// Runs a deed of theirs, of this time, on the writer's thread.
pub(in crate::store) fn lend<T>(
    origin: Option<&Arc<Origin>>,
    now: Timestamp,
    deed: impl FnOnce() -> T,
) -> T {
    let _over = Over;
    NOW.set(Some(now));
    origin::within(origin.cloned(), deed)
}

/// Ends the time of a deed, also where it panics.
struct Over;

impl Drop for Over {
    fn drop(&mut self) {
        NOW.set(None);
    }
}

/// Lets the connection tell the audit log of what it changes. The views of tenancy have to be there.
pub(in crate::store) fn watch(sql: &Connection) -> rusqlite::Result<()> {
    install_functions(sql)?;
    sql.execute_batch(include_str!("audit_log.sql"))
}

fn install_functions(sql: &Connection) -> rusqlite::Result<()> {
    let asked = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    sql.create_scalar_function("origin_kind", 0, asked, |_| Ok(kind()))?;
    sql.create_scalar_function("origin_id", 0, asked, |_| Ok(id()))?;
    sql.create_scalar_function("origin_address", 0, asked, |_| Ok(address()))?;
    sql.create_scalar_function("origin_request_id", 0, asked, |_| Ok(request_id()))?;
    sql.create_scalar_function("origin_now", 0, asked, |_| now())?;
    sql.create_scalar_function("origin_name", 0, asked, |_| Ok(name()))?;
    show(sql, "shown_id", |blob: [u8; 16]| Ok(Uuid::from_bytes(blob).to_string()))?;
    show(sql, "shown_time", |time: Timestamp| Ok(time.to_string()))?;
    show(sql, "shown_credits", |amount: Credits| json(&amount))?;
    show(sql, "shown_flag", |flag: bool| json(&flag))?;
    show(sql, "shown_words", |words: String| json(&words.split(' ').collect::<Vec<_>>()))?;
    show(sql, "shown_json", shown_json)?;
    show(sql, "shown_queue", |number: i64| {
        let queue = QueueName::from_number(number).map(QueueName::as_str);
        Ok(queue.unwrap_or_default().to_owned())
    })
}

/// Adds a function that spells a value; null stays null.
fn show<T: FromSql + 'static>(
    sql: &Connection,
    name: &str,
    spell: impl Fn(T) -> rusqlite::Result<String> + Send + 'static,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_INNOCUOUS
        | FunctionFlags::SQLITE_DETERMINISTIC;
    sql.create_scalar_function(name, 1, flags, move |context| {
        context.get::<Option<T>>(0)?.map(&spell).transpose()
    })
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| SqlError::UserFunctionError(error.into()))
}

/// JSON that is short, or else how long it is.
fn shown_json(text: String) -> rusqlite::Result<String> {
    if text.len() <= JSON_MAX { Ok(text) } else { json(&format!("{} bytes of JSON", text.len())) }
}

fn kind() -> &'static str {
    origin::with_current(|origin| origin.map_or(Actor::System, |origin| origin.actor).kind())
}

fn id() -> Option<Vec<u8>> {
    origin::with_current(|origin| Some(origin?.actor.id()?.into_bytes().to_vec()))
}

fn address() -> Option<String> {
    origin::with_current(|origin| origin?.address.map(|address| address.to_string()))
}

fn name() -> Option<String> {
    origin::with_current(|origin| origin?.name.as_deref().map(str::to_owned))
}

/// The time of the deed. Whatever changes rows without one must change nothing that the log watches.
fn now() -> rusqlite::Result<Timestamp> {
    NOW.get().ok_or_else(|| SqlError::UserFunctionError("a change that no deed made".into()))
}

fn request_id() -> Option<String> {
    origin::with_current(|origin| origin?.request_id.as_deref().map(str::to_owned))
}
