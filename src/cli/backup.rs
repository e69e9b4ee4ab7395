//! `backup` and `restore`: a folder with a consistent copy of the database and the key that its secrets
//! are sealed with.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::{DONE, Output};
use crate::{
    app::backup::{self, DATABASE, KEY, Limits, copy, sync},
    config::Config,
    server::DataFolder,
};

#[derive(Args)]
pub(super) struct Backup {
    /// The folder to make; it must not exist
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub(super) struct Restore {
    /// The folder that a backup made
    #[arg(long, value_name = "PATH")]
    from: PathBuf,
    #[command(flatten)]
    output: Output,
}

impl Backup {
    pub(super) fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let database = config.data_dir.join(DATABASE);
        if !database.exists() {
            bail!("there is no database in {}; set data_dir", config.data_dir.display());
        }
        let to = &self.to;
        backup::make_whole(&config.data_dir, to, &Limits::until(|| false))?;
        let text = format!("wrote {}; it holds the key of all secrets", to.display());
        self.output.print(&json!({"ok": true, "path": to}), &text)?;
        Ok(DONE)
    }
}

impl Restore {
    pub(super) fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let from = &self.from;
        for part in [DATABASE, KEY] {
            if !from.join(part).exists() {
                bail!("{} is no backup: {part} is missing", from.display());
            }
        }
        backup::check(from, Box::new(|| false))
            .with_context(|| format!("{} is damaged", from.display()))?;
        let folder = DataFolder::lock(&config.data_dir)?;
        if folder.database().exists() || folder.key().exists() {
            let place = config.data_dir.display();
            bail!("{place} has data already; move it away, or set data_dir to another folder");
        }
        copy(&from.join(KEY), &folder.key())?;
        // The database comes last and at once, so that no half of it is ever taken for whole.
        let arriving = config.data_dir.join("skai.db.restoring");
        drop(fs::remove_file(&arriving));
        copy(&from.join(DATABASE), &arriving)?;
        fs::rename(&arriving, folder.database())?;
        sync(&config.data_dir)?;
        let text = format!("restored {}", config.data_dir.display());
        self.output.print(&json!({"ok": true, "data_dir": config.data_dir}), &text)?;
        Ok(DONE)
    }
}
