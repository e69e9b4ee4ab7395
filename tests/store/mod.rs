//! The store from outside: its schema, its writer, its finders. The second belt of tenancy is tested in
//! `src/store/tests`, where statements can be made up.

mod finders;
mod idempotency;
mod job_lists;
mod listing;
mod long_lists;
mod prices;
mod schema;
mod writer;

use std::path::{Path, PathBuf};

use skai_server::{
    ambient::Ambient,
    domain::{AccountId, ProjectId, Result},
    store::{AccountScope, Commit, EngineSettings, Store, SystemScope, accounts},
};

/// A store in a folder of its own.
struct Rig {
    store: Store,
    ambient: Ambient,
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self::with(&EngineSettings { durable: false, readers: 2, ..EngineSettings::default() })
    }

    fn with(engine: &EngineSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::system();
        let (store, _writer) = Store::open(&file(folder.path()), engine, &ambient).unwrap();
        Self { store, ambient, folder }
    }

    /// A connection of another program.
    fn outside(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(file(self.folder.path())).unwrap()
    }

    /// A deed that makes an account.
    fn account(&self, name: &str) -> Commit<AccountScope> {
        let (id, project) = (id(&self.ambient), ProjectId::from_uuid(self.ambient.uuid()));
        let name = name.to_owned();
        self.store.write(SystemScope::new(), move |tx| accounts::insert(tx, id, project, &name))
    }

    /// The names of all accounts, sorted.
    fn names(&self) -> Vec<String> {
        let found: Result<Vec<accounts::Account>> =
            self.store.read(SystemScope::new(), |snapshot| accounts::list(snapshot, None, 10_000));
        let mut names: Vec<String> = found.unwrap().into_iter().map(|it| it.name).collect();
        names.sort();
        names
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("skai.db")
}

fn id(ambient: &Ambient) -> AccountId {
    AccountId::from_uuid(ambient.uuid())
}
