//! Compiled JSON Schemas, kept for the next request or job with the same schema.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::cache::{Bounds, CacheUse, Kept, Uses};
use crate::{
    ambient::lock,
    domain::{Contract, Error, ErrorKind, Result, SchemaFault, json},
};

/// Contracts that are kept.
const MOST: usize = 1_000;
/// What they may hold together, in bytes of memory.
const MOST_BYTES: usize = 64 << 20;

/// SHA-256 of a schema's text.
type Digest = [u8; 32];

/// Contracts by the text of their schema. What was not asked for the longest goes first. Schemas that
/// are refused are not kept.
pub struct Contracts {
    kept: Mutex<Kept<Digest, Arc<Contract>>>,
    uses: Uses,
}

impl Default for Contracts {
    fn default() -> Self {
        // What a text means does not change, so that only room ends it.
        let bounds = Bounds { entries: MOST, bytes: MOST_BYTES, ttl: Duration::MAX };
        Self { kept: Mutex::new(Kept::new(bounds)), uses: Uses::default() }
    }
}

impl Contracts {
    /// The contract of a schema, compiled now if it is not known; that may take some milliseconds.
    /// Two threads may compile the same at the same time, and one is kept. `param` names the schema
    /// in the error.
    ///
    /// # Errors
    ///
    /// `INVALID_SCHEMA`, as by [`Contract::compile`].
    pub fn compile(&self, schema: &RawValue, param: &str) -> Result<Arc<Contract>> {
        let digest = digest(schema);
        if let Some(known) = lock(&self.kept).get(&digest, Duration::ZERO) {
            self.uses.hit();
            return Ok(Arc::clone(known));
        }
        self.uses.miss();
        let value = json::value(schema.get()).map_err(SchemaFault::from);
        let contract = value.and_then(|value| Contract::compile(&value));
        let contract = Arc::new(contract.map_err(|fault| refused(&fault, param))?);
        let bytes = contract.bytes();
        lock(&self.kept).put(digest, Arc::clone(&contract), bytes, Duration::ZERO);
        Ok(contract)
    }

    /// Whether compiling this schema would cost nothing.
    pub fn knows(&self, schema: &RawValue) -> bool {
        lock(&self.kept).contains(&digest(schema))
    }

    /// How often a schema was known, and how often it had to be compiled.
    pub fn uses(&self) -> CacheUse {
        self.uses.of(lock(&self.kept).len())
    }
}

fn digest(schema: &RawValue) -> Digest {
    Sha256::digest(schema.get()).into()
}

fn refused(fault: &SchemaFault, param: &str) -> Error {
    let place = fault.path.as_deref().map(|path| format!(" at {path}")).unwrap_or_default();
    let message = format!("{param}{place}: {}", fault.message);
    Error::new(ErrorKind::InvalidSchema, message).with_param(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(contracts: &Contracts, schema: &str) -> Result<Arc<Contract>> {
        contracts.compile(&raw(schema), "schema")
    }

    fn raw(schema: &str) -> Box<RawValue> {
        RawValue::from_string(schema.to_owned()).unwrap()
    }

    #[test]
    fn the_same_text_is_compiled_once() {
        let contracts = Contracts::default();
        let first = compile(&contracts, "{\"type\":\"null\"}").unwrap();
        let again = compile(&contracts, "{\"type\":\"null\"}").unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let other = compile(&contracts, "{\"type\":\"string\"}").unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
        assert_eq!(contracts.uses(), CacheUse { hits: 1, misses: 2, entries: 2 });
    }

    #[test]
    fn what_is_refused_is_not_kept() {
        let contracts = Contracts::default();
        for _ in 0..2 {
            let error = compile(&contracts, "{\"items\":{\"type\":1}}").unwrap_err();
            assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidSchema, Some("schema")));
            assert!(error.message().starts_with("schema at /items"), "{}", error.message());
        }
        assert_eq!(contracts.uses(), CacheUse { hits: 0, misses: 2, entries: 0 });
        assert!(!contracts.knows(&raw("{\"items\":{\"type\":1}}")));
    }

    #[test]
    fn what_was_not_asked_for_the_longest_goes_first() {
        let contracts = Contracts::default();
        let schema = |number: usize| format!("{{\"minimum\":{number}}}");
        for number in 0..MOST {
            compile(&contracts, &schema(number)).unwrap();
        }
        compile(&contracts, &schema(0)).unwrap();
        compile(&contracts, &schema(MOST)).unwrap();
        let known = |number| contracts.knows(&raw(&schema(number)));
        assert_eq!([0, 1, 2, MOST].map(known), [true, false, true, true]);
    }

    #[test]
    fn memory_is_bounded() {
        let contracts = Contracts::default();
        let words: Vec<_> = (0..60).map(|n| format!("{{\"pattern\":\"a{n}\"}}")).collect();
        for number in 0..10 {
            let schema = format!("{{\"minimum\":{number},\"allOf\":[{}]}}", words.join(","));
            compile(&contracts, &schema).unwrap();
        }
        assert!((1..10).contains(&contracts.uses().entries), "{:?}", contracts.uses());
    }
}
