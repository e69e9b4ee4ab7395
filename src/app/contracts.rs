//! Compiled JSON Schemas, kept for the next request or job with the same schema.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use hashlink::LruCache;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

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
    kept: Mutex<Kept>,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Kept {
    by_text: LruCache<Digest, Arc<Contract>>,
    /// The sum of [`Contract::bytes`].
    bytes: usize,
}

impl Default for Contracts {
    fn default() -> Self {
        let kept = Kept { by_text: LruCache::new(MOST), bytes: 0 };
        Self { kept: Mutex::new(kept), hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
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
        if let Some(known) = lock(&self.kept).by_text.get(&digest) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Arc::clone(known));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let value = json::value(schema.get()).map_err(SchemaFault::from);
        let contract = value.and_then(|value| Contract::compile(&value));
        let contract = Arc::new(contract.map_err(|fault| refused(&fault, param))?);
        lock(&self.kept).keep(digest, &contract);
        Ok(contract)
    }

    /// Whether compiling this schema would cost nothing.
    pub fn knows(&self, schema: &RawValue) -> bool {
        lock(&self.kept).by_text.contains_key(&digest(schema))
    }

    /// How many schemas were known and how many had to be compiled, since the start.
    pub fn totals(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

impl Kept {
    fn keep(&mut self, digest: Digest, contract: &Arc<Contract>) {
        self.bytes += contract.bytes();
        if let Some(before) = self.by_text.insert(digest, Arc::clone(contract)) {
            self.bytes -= before.bytes();
        }
        while self.bytes > MOST_BYTES || self.by_text.len() > MOST {
            let Some((_, oldest)) = self.by_text.remove_lru() else { return };
            self.bytes -= oldest.bytes();
        }
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
        assert_eq!(contracts.totals(), (1, 2));
    }

    #[test]
    fn what_is_refused_is_not_kept() {
        let contracts = Contracts::default();
        for _ in 0..2 {
            let error = compile(&contracts, "{\"items\":{\"type\":1}}").unwrap_err();
            assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidSchema, Some("schema")));
            assert!(error.message().starts_with("schema at /items"), "{}", error.message());
        }
        assert_eq!(contracts.totals(), (0, 2));
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
        let kept = lock(&contracts.kept);
        let bytes: usize = kept.by_text.iter().map(|(_, contract)| contract.bytes()).sum();
        assert_eq!(kept.bytes, bytes);
        assert!(bytes <= MOST_BYTES && (1..10).contains(&kept.by_text.len()), "{bytes}");
    }
}
