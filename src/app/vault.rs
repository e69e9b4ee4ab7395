//! Secrets at rest: sealed with a key that lies in a file beside the database, readable by its owner alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use chacha20poly1305::{
    ChaCha20Poly1305, Key, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};

use crate::{
    ambient::Ambient,
    domain::{Error, Result},
};

const NONCE: usize = 12;

/// Seals and opens secrets with ChaCha20-Poly1305 (RFC 8439).
pub struct Vault {
    cipher: ChaCha20Poly1305,
    ambient: Ambient,
}

/// What a sealed text is for; one sealed for another purpose does not open.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    WebhookSecret,
    FunctionHeaders,
    SavedAnswer,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::WebhookSecret => b"webhook secret",
            Self::FunctionHeaders => b"function headers",
            Self::SavedAnswer => b"saved answer",
        }
    }
}

impl Vault {
    /// Reads the key file, or makes it where it is missing (mode 0600).
    pub fn open(path: &Path, ambient: &Ambient) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(path, ambient)?,
            Err(error) => return Err(error),
        };
        let key: [u8; 32] = bytes.try_into().map_err(|_| {
            let message = format!("{} must hold exactly 32 bytes", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        Ok(Self { cipher: ChaCha20Poly1305::new(&Key::from(key)), ambient: ambient.clone() })
    }

    pub(crate) fn seal(&self, purpose: Purpose, secret: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE] = self.ambient.random();
        let payload = Payload { msg: secret, aad: purpose.label() };
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::internal("a secret could not be sealed"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(crate) fn open_sealed(&self, purpose: Purpose, sealed: &[u8]) -> Result<Vec<u8>> {
        let broken =
            || Error::internal("a sealed secret does not open: is secret.key the right one?");
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or_else(broken)?;
        let payload = Payload { msg: sealed, aad: purpose.label() };
        self.cipher.decrypt(&Nonce::from(*nonce), payload).map_err(|_| broken())
    }
}

/// Two processes may start at once: the first to create the file wins, the other reads it.
fn make_key(path: &Path, ambient: &Ambient) -> io::Result<Vec<u8>> {
    let key: [u8; 32] = ambient.random();
    if create_private(path, &key, ambient)? { Ok(key.to_vec()) } else { fs::read(path) }
}

/// Makes a file that its owner alone may read: whole or not at all, even where the process is killed
/// meanwhile, and for ever once this returns. False, and nothing changed, where the file exists.
pub fn create_private(path: &Path, contents: &[u8], ambient: &Ambient) -> io::Result<bool> {
    let arriving = path.with_extension(format!("{}.new", ambient.uuid()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&arriving)?;
    let written = file.write_all(contents).and_then(|()| file.sync_all());
    // A link, unlike a rename, never replaces what somebody else made meanwhile.
    let linked = written.and_then(|()| fs::hard_link(&arriving, path));
    fs::remove_file(&arriving)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
        Ok(()) => {
            if let Some(folder) = path.parent() {
                File::open(folder)?.sync_all()?;
            }
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_it_sealed_for_the_same_purpose() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let vault = Vault::open(&path, &Ambient::system()).unwrap();
        let sealed = vault.seal(Purpose::WebhookSecret, b"whsec_x").unwrap();
        assert!(!sealed.windows(7).any(|part| part == b"whsec_x"));

        let again = Vault::open(&path, &Ambient::system()).unwrap();
        assert_eq!(again.open_sealed(Purpose::WebhookSecret, &sealed).unwrap(), b"whsec_x");
        again.open_sealed(Purpose::SavedAnswer, &sealed).unwrap_err();
        again.open_sealed(Purpose::WebhookSecret, &sealed[..5]).unwrap_err();
    }

    #[test]
    fn the_key_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        drop(Vault::open(&path, &Ambient::system()).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, b"short").unwrap();
        assert!(Vault::open(&path, &Ambient::system()).is_err());
    }
}
