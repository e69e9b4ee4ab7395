//! The data folder: databases and key files, for their owner's eyes alone, one server at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{ambient::Ambient, app::create_private, config::Config, domain::Secret};

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A server runs on it.
    #[error(
        "another skai-server uses the data folder {}; stop it, or set data_dir to another folder",
        .0.display()
    )]
    InUse(PathBuf),
    /// It cannot be made, read or written.
    #[error("the data folder {} cannot be used; check that this user may write there", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The data folder of one server.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Keeps the lock until the server ends, however it ends.
    _lock: Option<File>,
}

impl DataFolder {
    /// Opens the folder, making it where it is missing (mode 0700).
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| FolderError::Unusable { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), _lock: None })
    }

    /// Opens the folder and keeps every other server out of it.
    pub fn lock(path: &Path) -> Result<Self, FolderError> {
        let folder = Self::open(path)?;
        let place = path.join("lock");
        let unusable = |source| FolderError::Unusable { path: place.clone(), source };
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&place);
        let file = file.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _lock: Some(file), ..folder }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.path.join("skai.db")
    }

    /// What secrets at rest are sealed with.
    pub fn key(&self) -> PathBuf {
        self.path.join("secret.key")
    }

    /// The operator's token, where the configuration names none.
    pub fn token(&self) -> PathBuf {
        self.path.join("operator.token")
    }
}

/// The operator's token: the configured one, or that in the folder, which is made where it is missing.
pub fn operator_token(
    config: &Config,
    folder: &DataFolder,
    ambient: &Ambient,
) -> Result<Secret<String>, FolderError> {
    if !config.operator_token.expose().is_empty() {
        return Ok(config.operator_token.clone());
    }
    let path = folder.token();
    let token = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_token(&path, ambient),
        read => read,
    };
    let token = token.map_err(|source| FolderError::Unusable { path, source })?;
    Ok(Secret::new(token.trim().to_owned()))
}

/// Two processes may start at once: the first to create the file wins, the other reads it.
fn make_token(path: &Path, ambient: &Ambient) -> io::Result<String> {
    let token = format!("op_{}\n", URL_SAFE_NO_PAD.encode(ambient.random::<32>()));
    if !create_private(path, token.as_bytes(), ambient)? {
        return fs::read_to_string(path);
    }
    tracing::info!(path = %path.display(), "made the operator's token, the key to /admin/v1");
    Ok(token)
}

/// What is recorded beside the books, in a data folder.
pub(super) fn telemetry(folder: &Path) -> PathBuf {
    folder.join("telemetry.db")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn one_server_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/data");
        let first = DataFolder::lock(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert!(matches!(DataFolder::lock(&path), Err(FolderError::InUse(_))));
        DataFolder::open(&path).unwrap();
        drop(first);
        DataFolder::lock(&path).unwrap();
    }

    #[test]
    fn the_token_is_made_once_and_is_its_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(parent.path()).unwrap();
        let mut config = Config::embedded().unwrap();
        let token = |config: &Config| {
            operator_token(config, &folder, &Ambient::system()).unwrap().expose().clone()
        };
        let made = token(&config);
        assert!(made.len() > 40);
        assert_eq!((mode(&folder.token()), token(&config)), (0o600, made));
        config.operator_token = Secret::new("mine".to_owned());
        assert_eq!(token(&config), "mine");
    }
}
