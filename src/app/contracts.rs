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
const MOST_BYTES: usize = 32 << 20;

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
