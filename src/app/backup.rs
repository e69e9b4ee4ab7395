//! A copy of everything that a server cannot do without: its database, and the key that its secrets are sealed with.
//! Whoever has the copy has everything, so it is as secret as the data folder.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    ambient::Ambient,
    store::{self, OpenError, Stopped},
};

/// The database within a data folder and within a copy.
pub const DATABASE: &str = "skai.db";
/// The key.
pub const KEY: &str = "secret.key";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Its folder cannot be made.
    #[error("cannot make {}; name a new folder", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database could not be copied, or the copy cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A file could not be copied.
    #[error("cannot copy {} to {}", from.display(), to.display())]
    File {
        /// What was to be copied.
        from: PathBuf,
        /// Where to.
        to: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The files could not be brought to the disk.
    #[error("the copy could not be written to the disk")]
    Sync(#[from] io::Error),
    /// The copy was read, and it is not what was copied.
    #[error("the copy is damaged: {}", .0.display())]
    Damaged(PathBuf),
}

/// Copies the data folder `from` to the new folder `to`, also while a server writes to it. All of it is on disk when
/// this returns. Gives up with an error once it is `stopped`.
pub fn make(from: &Path, to: &Path, stopped: Stopped) -> Result<(), BackupError> {
    let made = DirBuilder::new().mode(0o700).create(to);
    made.map_err(|source| BackupError::Folder { path: to.to_owned(), source })?;
    store::copy(&from.join(DATABASE), &to.join(DATABASE), stopped)?;
    File::open(to.join(DATABASE))?.sync_all()?;
    copy(&from.join(KEY), &to.join(KEY))?;
    Ok(sync(to)?)
}

/// Reads all of a copy, and fails where it is not whole.
pub fn check(copy: &Path, stopped: Stopped) -> Result<(), BackupError> {
    let (database, key) = (copy.join(DATABASE), copy.join(KEY));
    if !store::is_whole(&database, stopped)? {
        return Err(BackupError::Damaged(database));
    }
    if fs::metadata(&key)?.len() == 0 {
        return Err(BackupError::Damaged(key));
    }
    Ok(())
}

/// Copies to a new file that is its owner's alone.
pub fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let copied = || -> io::Result<()> {
        let mut source = File::open(from)?;
        let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        io::copy(&mut source, &mut target)?;
        target.sync_all()
    };
    let (from, to) = (from.to_owned(), to.to_owned());
    copied().map_err(|source| BackupError::File { from, to, source })
}

/// Makes the names of new files last.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whether copies can be made in that folder, which is made where it is missing.
pub fn try_folder(folder: &Path, ambient: &Ambient) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let probe = folder.join(format!(".skai-probe-{}", ambient.uuid()));
    File::create_new(&probe)?;
    fs::remove_file(probe)
}
