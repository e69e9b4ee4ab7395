//! Tests of the engine that need statements of their own, as no table function would run them.

mod audit_log;
mod disk;
mod left;
mod plans;
mod stopping;
mod tenancy;
mod told;

use std::path::PathBuf;

use rusqlite::Connection;

use super::{AccountScope, AccountSeq, EngineSettings, Scope, Store, SystemScope};
use crate::{
    ambient::Ambient,
    domain::{AccountId, Environment, Result},
};

/// A store in a folder of its own.
struct Rig {
    store: Store,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("skai.db");
        let engine = EngineSettings { durable: false, readers: 2, ..EngineSettings::default() };
        let (store, _writer) = Store::open(&path, &engine, &Ambient::system()).unwrap();
        Self { store, path, _folder: folder }
    }

    /// A connection that knows nothing of tenancy.
    #[expect(clippy::disallowed_methods, reason = "a program that is not ours")]
    fn outside(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    /// Runs a statement in a deed; gives its rows as text.
    fn run<S: Scope>(&self, scope: S, sql: impl Into<String>) -> Result<Vec<String>> {
        let sql = forever(sql);
        self.store.write(scope, move |tx| tx.all(sql, [], text)).wait()
    }

    /// Runs a statement on a reader; gives its rows as text.
    fn look<S: Scope>(&self, scope: S, sql: impl Into<String>) -> Result<Vec<String>> {
        let sql = forever(sql);
        self.store.read(scope, |snapshot| snapshot.all(sql, [], text))
    }
}

/// Statements of the program are static, so those of a test must be.
fn forever(sql: impl Into<String>) -> &'static str {
    Box::leak(sql.into().into_boxed_str())
}

fn text(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    let columns = row.as_ref().column_count();
    let cells: rusqlite::Result<Vec<String>> = (0..columns)
        .map(|at| {
            row.get_ref(at).map(|value| match value {
                rusqlite::types::ValueRef::Text(bytes) | rusqlite::types::ValueRef::Blob(bytes) => {
                    String::from_utf8_lossy(bytes).into_owned()
                }
                other => format!("{other:?}"),
            })
        })
        .collect();
    Ok(cells?.join("|"))
}

/// The right to the account of that number.
fn scope(account: i64) -> AccountScope {
    let id = AccountId::from_uuid(uuid::Uuid::from_u128(account.unsigned_abs().into()));
    SystemScope::new().account(AccountSeq(account), id, Environment::Live)
}
