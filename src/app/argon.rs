//! Argon2id for API keys.

use argon2::{
    Algorithm, Argon2, CustomizedPasswordHasher as _, Params, PasswordHash, PasswordVerifier as _,
    Version,
};

use crate::domain::{ApiKey, Error, Result};

/// Memory of one hashing in KiB. With the passes below, the leanest of OWASP's equal settings:
/// keys are random, so what counts is that a flood of attempts stays small.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;

/// Hashes a key for storage, as a PHC string with its own parameters. Takes some 10 ms of a core.
pub fn hash(key: &ApiKey, salt: &[u8; 16]) -> Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)
        .map_err(|error| Error::internal(error.to_string()))?;
    let hash: PasswordHash = Argon2::default()
        .hash_password_customized(
            key.text().expose().as_bytes(),
            salt,
            Some(Algorithm::Argon2id.as_str()),
            Some(Version::V0x13.into()),
            params,
        )
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(hash.to_string())
}

/// Whether `hash` was made of `key`, compared in constant time. A damaged hash matches nothing.
pub(super) fn verify(key: &ApiKey, hash: &str) -> bool {
    Argon2::default().verify_password(key.text().expose().as_bytes(), hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Environment;

    #[test]
    fn verifies_its_own_hashes_alone() {
        let key = ApiKey::generate(Environment::Live, &[1; 32]);
        let other = ApiKey::generate(Environment::Live, &[2; 32]);
        let stored = hash(&key, &[3; 16]).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{stored}");
        assert!(verify(&key, &stored) && !verify(&other, &stored) && !verify(&key, ""));
    }
}
