//! What the server knows of itself beside its books, for the operator.

use std::sync::{Arc, Mutex, atomic::AtomicUsize};

use crate::{ambient::lock, config::Shown};

/// How the server runs.
#[derive(Default)]
pub struct Facts {
    /// Connections that are open.
    pub connections: Arc<AtomicUsize>,
    settings: Mutex<Arc<Shown>>,
}

impl Facts {
    /// The configuration in force, without its secrets.
    pub fn settings(&self) -> Arc<Shown> {
        Arc::clone(&lock(&self.settings))
    }

    /// Takes over another.
    pub fn set_settings(&self, shown: Shown) {
        *lock(&self.settings) = Arc::new(shown);
    }
}
