//! `init`: writes the documented configuration and makes the data folder.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};

use super::{DONE, load, local::Local, say};
use crate::{
    ambient::Ambient,
    config::Config,
    server::{DataFolder, operator_token},
};

pub(super) fn run(file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let path = file.unwrap_or_else(|| "config.toml".into());
    write(&path)?;
    if let Err(error) = fill(&path) {
        // The next try must not be refused because of this one.
        fs::remove_file(&path).with_context(|| format!("{} is left over", path.display()))?;
        return Err(error);
    }
    Ok(DONE)
}

/// Its owner alone reads it, since secrets may be added.
fn write(path: &Path) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} exists and is left as it is; move it away, or name another", path.display())
        }
        opened => opened.with_context(|| format!("cannot write {}", path.display()))?,
    };
    file.write_all(Config::documentation().as_bytes())?;
    Ok(file.sync_all()?)
}

fn fill(path: &Path) -> anyhow::Result<()> {
    let (config, ambient) = (load(Some(path))?, Ambient::system());
    let folder = DataFolder::open(&config.data_dir)?;
    operator_token(&config, &folder, &ambient)?;
    Local::open(&config, ambient)?.close();
    say(&format!(
        "wrote {0}, made {1}\n\nNext:\n  skai-server --config {0} account create --name NAME --credits 1000\n  \
         skai-server --config {0}",
        path.display(),
        config.data_dir.display()
    ))?;
    Ok(())
}
