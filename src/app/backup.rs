//! A copy of everything that a server cannot do without: its database, and the key that its secrets are sealed with.
//! Whoever has the copy has everything, so it is as secret as the data folder.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use crate::{
    ambient::Ambient,
    store::{self, OpenError, Stopped},
};

/// The database within a data folder and within a copy.
pub const DATABASE: &str = "skai.db";
/// The key.
pub const KEY: &str = "secret.key";
/// What a copy is called while it is being made, or being removed, ends with this.
pub const UNFINISHED: &str = ".part";

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
    /// It was given up.
    #[error("the server is stopping")]
    Stopped,
}

/// Gives the bytes that this user may still write to the disk of a folder; `None` where nobody knows.
pub type Room = dyn Fn(&Path) -> Option<u64> + Send + Sync;

/// What ends the making of a copy before its time. It is asked often, and must be quick.
#[derive(Clone)]
pub struct Limits {
    /// Whether to give it up.
    pub stopped: Arc<dyn Fn() -> bool + Send + Sync>,
    /// How much room there is.
    pub room: Arc<Room>,
}

impl Limits {
    /// Looks at the real disks.
    pub fn until(stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { stopped: Arc::new(stopped), room: Arc::new(free_room) }
    }

    /// Asked while a copy is made. The database's log grows meanwhile, so both disks are looked at; where one of them is
    /// nearly full, `full` holds the free bytes.
    fn watch(&self, folders: [&Path; 2], full: &Arc<OnceLock<u64>>) -> Stopped {
        let (this, folders, full) = (self.clone(), folders.map(Path::to_owned), Arc::clone(full));
        Box::new(move || {
            let free = folders.iter().filter_map(|folder| (this.room)(folder)).min();
            if let Some(free) = free.filter(|free| *free < SPARE) {
                full.get_or_init(|| free);
                return true;
            }
            (this.stopped)()
        })
    }
}

/// Makes a copy of the data folder `from` that has its name `to` only once it is whole, was read, and is on disk. Gives
/// its bytes. Where it fails nothing is left of it, but after a crash: then a folder with [`UNFINISHED`] after its name.
pub fn make_whole(from: &Path, to: &Path, limits: &Limits) -> Result<u64, BackupError> {
    let refused =
        |kind: io::ErrorKind| Err(BackupError::Folder { path: to.to_owned(), source: kind.into() });
    let Some(name) = to.file_name() else { return refused(io::ErrorKind::InvalidInput) };
    if to.symlink_metadata().is_ok() {
        return refused(io::ErrorKind::AlreadyExists);
    }
    let arriving = to.with_file_name([name, UNFINISHED.as_ref()].join("".as_ref()));
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let database = from.join(DATABASE);
    let needed = length(&database).saturating_add(length(&database.with_extension("db-wal")));
    check_room((limits.room)(parent), needed)?;
    create(&arriving)?;
    let made = fill(from, &arriving, parent, limits).and_then(|bytes| {
        fs::rename(&arriving, to)?;
        Ok(bytes)
    });
    if made.is_err() {
        remove(&arriving).unwrap_or_default();
    }
    sync(parent)?;
    made
}

/// Fills the new folder, whose disk is that of `parent`, and reads what is in it then.
fn fill(from: &Path, to: &Path, parent: &Path, limits: &Limits) -> Result<u64, BackupError> {
    let full = Arc::default();
    let stopped = || limits.watch([from, parent], &full);
    let filled = write(from, to, stopped()).and_then(|()| check(to, stopped()));
    match (filled, full.get()) {
        (Err(_), Some(&free)) => Err(BackupError::Full { free, needed: SPARE }),
        _ if (limits.stopped)() => Err(BackupError::Stopped),
        (filled, _) => filled.map(|()| length(&to.join(DATABASE)) + length(&to.join(KEY))),
    }
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}

fn create(folder: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().mode(0o700).create(folder);
    made.map_err(|source| BackupError::Folder { path: folder.to_owned(), source })
}

/// Copies database and key. All is on disk when this returns, but for the folder's name.
fn write(from: &Path, to: &Path, stopped: Stopped) -> Result<(), BackupError> {
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

/// Bytes that this user may still write to the disk of that folder; `None` where the system does not say.
pub fn free_room(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Fails where a disk has no room for so many bytes more and some to spare. Where nobody knows, the copy is tried.
fn check_room(free: Option<u64>, bytes: u64) -> Result<(), BackupError> {
    let needed = bytes.saturating_add(SPARE);
    match free {
        Some(free) if free < needed => Err(BackupError::Full { free, needed }),
        _ => Ok(()),
    }
}

/// Removes a folder with what a copy consists of; one that holds anything else stays, with that.
pub fn remove(folder: &Path) -> io::Result<()> {
    for name in [DATABASE, KEY, "skai.db-journal", "skai.db-wal", "skai.db-shm"] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            tracing::warn!(folder = %folder.display(), "holds files that are no backup's; it stays");
            Ok(())
        }
        done => done,
    }
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
        check_room(free_room(folder.path()), 0).unwrap();
        check_room(None, u64::MAX).unwrap();
        let refused = check_room(free_room(folder.path()), u64::MAX).unwrap_err();
        assert!(matches!(refused, BackupError::Full { needed: u64::MAX, .. }), "{refused}");
    }
}
