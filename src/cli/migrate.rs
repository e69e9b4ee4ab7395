//! `migrate`: brings the database to this program's schema. A server does the same when it starts.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{DONE, FAILED, Output};
use crate::{
    ambient::Ambient,
    config::Config,
    server::{self, DataFolder},
    store::{self, Store},
};

#[derive(Args)]
pub(super) struct Migrate {
    /// Change nothing; exit 1 where there is something to do
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: Output,
}

impl Migrate {
    pub(super) fn run(self, config: &Config, ambient: &Ambient) -> anyhow::Result<ExitCode> {
        let found = store::schema_version(&config.data_dir.join("skai.db"))?;
        let known = store::newest_schema();
        let is_current = found == known;
        if !is_current && !self.check {
            let folder = DataFolder::lock(&config.data_dir)?;
            let (store, writer) =
                Store::open(&folder.database(), &server::engine(config), ambient)?;
            drop(store);
            drop(writer.join());
        }
        let object = json!({"found": found, "known": known, "ok": is_current || !self.check});
        let text = match (is_current, self.check) {
            (true, _) => format!("schema {known}: nothing to do"),
            (false, false) => format!("schema {found} was brought to {known}"),
            (false, true) if found > known => {
                format!("schema {found} is newer than {known}: use a newer skai-server")
            }
            (false, true) => format!("schema {found} is to be brought to {known}: run migrate"),
        };
        self.output.print(&object, &text)?;
        Ok(if is_current || !self.check { DONE } else { ExitCode::from(FAILED) })
    }
}
