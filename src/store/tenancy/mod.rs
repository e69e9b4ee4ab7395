//! The second belt of tenancy: the engine itself keeps a statement of one account away from another's
//! rows, also where the SQL forgot to. The first belt is [`AccountScope`](super::AccountScope) in
//! the types.
//!
//! Three parts work together on every connection:
//!
//! - *Reads.* A temporary view shadows each tenant table, filtered by `current_account()`. Statements
//!   of a tenant name the bare table and so read the view.
//! - *Writes.* Statements write `main.<table>` and say whose rows by functions of the engine, which it
//!   asks at every run: an insert gives `current_account()` as the row's account, updates and deletes
//!   begin their conditions with it. [`words`] refuses a statement that does not.
//! - *Parts.* Before the first run of a tenant's statement its parts are recorded by the authorizer, and
//!   it is refused if it reads a tenant table past the view, moves a row to another account, writes anything
//!   but tenant tables, or reads anything but those and [`COMMON_TABLES`].
//!
//! Triggers could guard writes too, but a table with triggers makes SQLite copy every page that an
//! insert is about to change, and collect the rows of every update first: 13 % of the jobs accepted in
//! a second.

mod topics;
mod words;

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use rusqlite::{
    Connection,
    functions::FunctionFlags,
    hooks::{AuthAction, AuthContext, Authorization},
};

use super::scope::Scope;
use crate::{ambient::lock, domain::Topics};

/// Every table of the database with rows of tenants; a test compares it with the schema. All have a column `account`.
pub(in crate::store) const TENANT_TABLES: [&str; 37] = [
    "account_setting",
    "agent",
    "agent_drift",
    "agent_hour",
    "agent_version",
    "api_key",
    "audit_entry",
    "balance",
    "batch",
    "batch_item",
    "credit_grant",
    "dead_letter",
    "end_user",
    "end_user_day",
    "eval",
    "eval_result",
    "eval_run",
    "function",
    "idempotency",
    "job",
    "job_event",
    "job_request",
    "job_result",
    "ledger",
    "member",
    "project",
    "queue",
    "removed_job",
    "schedule",
    "scheduled_task",
    "spending",
    "streak_bonus",
    "usage_day",
    "usage_tail",
    "webhook_attempt",
    "webhook_delivery",
    "webhook_endpoint",
];

/// Tables of the system that every account may read, and none may write: what they say, everybody is told.
const COMMON_TABLES: [&str; 1] = ["price"];

/// The one column that foreign keys lead to: the engine looks it up at every insert.
const PARENT: (&str, &str) = ("account", "seq");

/// Accounts are numbered from 1, so these never are one.
const NOBODY: i64 = 0;
const SYSTEM: i64 = -1;

/// Enforces the scope of the statement that runs on one connection.
pub(in crate::store) struct Tenancy {
    current: Arc<AtomicI64>,
    recorder: Arc<Mutex<Recorder>>,
    /// Statements that passed, by address and length, as the SQL of this program is static; and what they write.
    passed: RefCell<HashMap<Place, Topics>>,
    /// The same of the system's statements, which may do anything.
    known: RefCell<HashMap<Place, Topics>>,
}

/// Where a statement lies in the program, and how long it is.
type Place = (usize, usize);

fn place(sql: &'static str) -> Place {
    (sql.as_ptr() as usize, sql.len())
}

/// What the authorizer saw while a statement was prepared.
#[derive(Default)]
struct Recorder {
    /// The tables with rows of tenants in this file.
    tables: &'static [&'static str],
    recording: bool,
    writes: HashSet<String>,
    /// A trigger of the audit log may tell of it.
    is_logged: bool,
    direct_reads: HashSet<String>,
    /// How often a table's view was expanded, and how often its filter was called from there.
    views: HashMap<String, u32>,
    filters: HashMap<String, u32>,
    selects_at_top: u32,
    parent_read: bool,
    forbidden: Option<String>,
}

impl Tenancy {
    /// Teaches the connection the two functions and the views of its tables with rows of tenants.
    pub(in crate::store) fn install(
        connection: &mut Connection,
        tables: &'static [&'static str],
    ) -> rusqlite::Result<Self> {
        let current = Arc::new(AtomicI64::new(NOBODY));
        install_functions(connection, &current)?;
        for table in tables {
            connection.execute_batch(&view(table))?;
        }
        let recorder = Arc::new(Mutex::new(Recorder { tables, ..Recorder::default() }));
        let authorizer = Arc::clone(&recorder);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            let mut recorder = lock(&authorizer);
            if recorder.recording {
                recorder.record(&context);
            }
            Authorization::Allow
        }))?;
        Ok(Self { current, recorder, passed: RefCell::default(), known: RefCell::default() })
    }

    /// Confines what runs next to `scope`.
    pub(in crate::store) fn enter(&self, scope: &impl Scope) {
        self.current.store(scope.confined_to().unwrap_or(SYSTEM), Ordering::Relaxed);
    }

    /// Confines what runs next to nobody.
    pub(in crate::store) fn leave(&self) {
        self.current.store(NOBODY, Ordering::Relaxed);
    }

    /// Checks a tenant's statement before its first run on this connection; gives which kinds of rows it writes.
    pub(in crate::store) fn check(
        &self,
        connection: &Connection,
        sql: &'static str,
    ) -> Result<Topics, String> {
        let place = place(sql);
        if let Some(topics) = self.passed.borrow().get(&place) {
            return Ok(*topics);
        }
        words::check(sql).map_err(|fault| format!("a tenant's statement {fault}: {sql}"))?;
        let seen = self.record(connection, sql)?;
        let topics = topics::of(&seen.writes, seen.is_logged);
        if let Some(reason) = seen.verdict() {
            return Err(format!("a tenant's statement {reason}: {sql}"));
        }
        self.passed.borrow_mut().insert(place, topics);
        Ok(topics)
    }

    /// Which kinds of the server's own rows a statement of the system writes.
    pub(in crate::store) fn written(
        &self,
        connection: &Connection,
        sql: &'static str,
    ) -> Result<Topics, String> {
        let place = place(sql);
        if let Some(topics) = self.known.borrow().get(&place) {
            return Ok(*topics);
        }
        let seen = self.record(connection, sql)?;
        let topics = topics::of_server(&seen.writes, seen.is_logged);
        self.known.borrow_mut().insert(place, topics);
        Ok(topics)
    }

    /// What the authorizer sees while the statement is prepared.
    fn record(&self, connection: &Connection, sql: &str) -> Result<Recorder, String> {
        let tables = lock(&self.recorder).tables;
        let ready = || Recorder { tables, ..Recorder::default() };
        *lock(&self.recorder) = Recorder { recording: true, ..ready() };
        let prepared = connection.prepare(sql).map(drop);
        let seen = std::mem::replace(&mut *lock(&self.recorder), ready());
        prepared.map_err(|error| error.to_string())?;
        Ok(seen)
    }
}

impl Recorder {
    fn record(&mut self, context: &AuthContext<'_>) {
        if context.accessor.is_some_and(is_audit_trigger) {
            let entry = AuthAction::Insert { table_name: "audit_entry" };
            self.is_logged |= context.action == entry;
            return;
        }
        let tables = self.tables;
        let tenant = |table: &str| tables.contains(&table);
        let accessor = context.accessor;
        match context.action {
            AuthAction::Read { table_name, column_name } if (table_name, column_name) == PARENT => {
                self.parent_read = true;
            }
            AuthAction::Read { table_name, .. } if COMMON_TABLES.contains(&table_name) => {}
            AuthAction::Read { table_name, .. } if !tenant(table_name) => {
                self.forbid(table_name, "reads");
            }
            AuthAction::Read { table_name, .. } => {
                let by_view = accessor == Some(table_name);
                if context.database_name == Some("main") && !by_view {
                    self.direct_reads.insert(table_name.to_owned());
                }
            }
            AuthAction::Update { column_name: "account", .. } => {
                self.forbidden = Some("moves rows to another account".to_owned());
            }
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name } => {
                if !tenant(table_name) {
                    self.forbid(table_name, "writes");
                }
                self.writes.insert(table_name.to_owned());
            }
            AuthAction::Select => self.record_select(accessor),
            AuthAction::Function { function_name: "current_account" } => {
                *self.filters.entry(accessor.unwrap_or_default().to_owned()).or_default() += 1;
            }
            AuthAction::Function { .. } | AuthAction::Recursive => {}
            other => self.forbidden = Some(format!("does what no tenant may ({other:?})")),
        }
    }

    fn record_select(&mut self, accessor: Option<&str>) {
        match accessor {
            None => self.selects_at_top += 1,
            Some(name) => *self.views.entry(name.to_owned()).or_default() += 1,
        }
    }

    fn forbid(&mut self, table: &str, verb: &str) {
        let is_bookkeeping = table == "sqlite_sequence" || table.is_empty();
        if !is_bookkeeping {
            self.forbidden = Some(format!("{verb} {table}, which is not a tenant's table"));
        }
    }

    /// Why the statement may not run, if so.
    fn verdict(self) -> Option<String> {
        if self.forbidden.is_some() {
            return self.forbidden;
        }
        if self.parent_read && self.writes.is_empty() {
            return Some("reads account, which is not a tenant's table".to_owned());
        }
        for table in &self.direct_reads {
            if !self.writes.contains(table) || self.selects_at_top > 0 {
                return Some(format!("reads main.{table} past its view"));
            }
        }
        for (name, expanded) in &self.views {
            if self.filters.get(name) != Some(expanded) {
                return Some(format!("reads {name}, which its filter does not cover"));
            }
        }
        None
    }
}

/// What the triggers of the audit log do is ours: they write of the row whose change fired them, and with its account.
/// [`words`] lets no statement call anything of its own like that.
fn is_audit_trigger(accessor: &str) -> bool {
    accessor.starts_with("audit_") && !accessor.starts_with("audit_entry")
}

fn install_functions(connection: &Connection, current: &Arc<AtomicI64>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let account = Arc::clone(current);
    connection.create_scalar_function("current_account", 0, flags, move |_| {
        Ok(account.load(Ordering::Relaxed))
    })?;
    let account = Arc::clone(current);
    connection.create_scalar_function("account_ok", 1, flags, move |context| {
        let current = account.load(Ordering::Relaxed);
        Ok(current == SYSTEM || context.get::<i64>(0)? == current)
    })
}

fn view(table: &str) -> String {
    format!(
        "create temp view {table} as select * from main.{table} where account = current_account();"
    )
}
