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
    /// It would fill the disk.
    #[error("the disk has too little room: {free} bytes are free, {needed} are needed")]
    Full {
        /// Bytes that this user may still write.
        free: u64,
        /// Bytes that it takes, with some to spare.
        needed: u64,
    },
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

/// What a copy leaves free on its disk, in bytes: where the data is on the same one, writes go on.
const SPARE: u64 = 64 << 20;

/// Fails where the disk of that folder has no room for so many bytes more and some to spare. Where the system does not
/// say how much room there is, the copy is tried.
pub fn check_room(folder: &Path, bytes: u64) -> Result<(), BackupError> {
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let needed = bytes.saturating_add(SPARE);
    if free < needed { Err(BackupError::Full { free, needed }) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_disk_is_filled() {
        let folder = tempfile::tempdir().unwrap();
        check_room(folder.path(), 0).unwrap();
        let refused = check_room(folder.path(), u64::MAX).unwrap_err();
        assert!(matches!(refused, BackupError::Full { needed: u64::MAX, .. }), "{refused}");
    }
}
