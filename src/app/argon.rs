//! Argon2id for API keys and passwords.

use argon2::{
    Algorithm, Argon2, CustomizedPasswordHasher as _, Params, PasswordHash, PasswordVerifier as _,
    Version,
};

use crate::domain::{ApiKey, Error, Result};

/// What one hashing costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashCost {
    /// Memory in KiB, at least 8.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
}

/// Hashes a key for storage, as a PHC string with its own parameters: a stored hash stays valid
/// when the cost is changed. Takes some 20 ms of a core at the default cost.
pub fn hash(key: &ApiKey, salt: &[u8; 16], cost: HashCost) -> Result<String> {
    hash_text(key.text().expose(), salt, cost)
}

/// The same for a password.
pub(super) fn hash_text(secret: &str, salt: &[u8; 16], cost: HashCost) -> Result<String> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None)
        .map_err(|error| Error::internal(error.to_string()))?;
    let hash: PasswordHash = Argon2::default()
        .hash_password_customized(
            secret.as_bytes(),
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
    verify_text(key.text().expose(), hash)
}

/// The same for a password.
pub(super) fn verify_text(secret: &str, hash: &str) -> bool {
    Argon2::default().verify_password(secret.as_bytes(), hash).is_ok()
}

/// Whether making that hash cost less than this.
pub(super) fn is_cheaper(hash: &str, than: HashCost) -> bool {
    let made = PasswordHash::new(hash).ok().and_then(|hash| Params::try_from(&hash).ok());
    made.is_none_or(|made| made.m_cost() < than.memory_kib || made.t_cost() < than.passes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Environment;

    #[test]
    fn verifies_its_own_hashes_alone() {
        let key = ApiKey::generate(Environment::Live, &[1; 32]);
        let other = ApiKey::generate(Environment::Live, &[2; 32]);
        let cost = HashCost { memory_kib: 16, passes: 3 };
        let stored = hash(&key, &[3; 16], cost).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=16,t=3,p=1$"), "{stored}");
        assert!(verify(&key, &stored) && !verify(&other, &stored) && !verify(&key, ""));
        for (memory_kib, passes, is_less) in
            [(16, 3, false), (8, 1, false), (17, 3, true), (16, 4, true)]
        {
            assert_eq!(is_cheaper(&stored, HashCost { memory_kib, passes }), is_less);
        }
    }
}
