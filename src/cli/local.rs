//! The deeds without a server, for commands.

use std::{sync::Arc, thread::JoinHandle};

use crate::{
    ambient::Ambient,
    app::{App, Vault, accounts, prices},
    config::Config,
    domain::{AccountId, Secret},
    observe::traces::Traces,
    server::{self, DataFolder},
    store::{AccountScope, EngineSettings, Store},
};

/// The database of the configured data folder, and the deeds on it.
pub(super) struct Local {
    pub(super) app: Arc<App>,
    writer: JoinHandle<()>,
}

impl Local {
    /// Opens the data folder, making and migrating what is missing.
    pub(super) fn open(config: &Config, ambient: Ambient) -> anyhow::Result<Self> {
        let folder = DataFolder::open(&config.data_dir)?;
        let engine = EngineSettings { readers: 1, announce: true, ..server::engine(config) };
        let (store, writer) = Store::open(&folder.database(), &engine, &ambient)?;
        let vault = Vault::open(&folder.key(), &ambient)?;
        // A command authenticates nobody and runs no job.
        let app =
            server::app(config, ambient, store, vault, Secret::default(), 0, Traces::default())?;
        prices::join(&app, server::models(config))?;
        Ok(Self { app: Arc::new(app), writer })
    }

    /// The right to an account's rows.
    pub(super) fn scope(&self, account: AccountId) -> anyhow::Result<AccountScope> {
        Ok(accounts::scope(&self.app, account)?)
    }

    /// Closes the database.
    pub(super) fn close(self) {
        drop(self.app);
        drop(self.writer.join());
    }
}
