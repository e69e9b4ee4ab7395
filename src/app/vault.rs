//! Secrets at rest: sealed with a key that lies in a file beside the database, readable by its owner alone.

use std::{
    fs::{self, OpenOptions},
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
    SavedAnswer,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::WebhookSecret => b"webhook secret",
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
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(&key)?;
            file.sync_all()?;
            Ok(key.to_vec())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read(path),
        Err(error) => Err(error),
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
