//! What is recorded of executions and requests, beside the books.

pub(in crate::app) mod execution;
mod invocation;
mod machine;
pub mod records;
pub mod requests;
mod skill;
pub mod skipped;
mod switches;

use std::sync::Arc;

pub use machine::{Load, Machine};
pub use switches::Switches;

use uuid::Uuid;

use super::page_of;
use crate::{
    ambient::Ambient,
    domain::{Cursor, Page, json::Places},
    store::{
        Store,
        listing::Looked,
        telemetry::{Telemetry, TelemetrySettings},
    },
};

/// What is recorded of what executions were asked and answered.
#[derive(Clone, PartialEq, Debug)]
pub struct InvocationPolicy {
    /// Whether it is, where neither account nor project says otherwise.
    pub enabled: bool,
    /// Bytes of one payload at most.
    pub max_payload: usize,
    /// What is left out.
    pub redact: Vec<Places>,
}

/// The way to telemetry, and what goes there.
pub struct Recording {
    /// Where it goes.
    pub telemetry: Telemetry,
    /// What of invocations does.
    pub invocations: InvocationPolicy,
    /// Of whom.
    pub switches: Switches,
    /// How the server is meanwhile.
    pub machine: Arc<Machine>,
}

impl Recording {
    /// Records nothing.
    pub fn off(store: &Store, ambient: &Ambient) -> Arc<Self> {
        let path = store.path().with_file_name("telemetry.db");
        let telemetry = Telemetry::new(&path, TelemetrySettings::default(), ambient);
        let invocations = InvocationPolicy { enabled: false, max_payload: 0, redact: Vec::new() };
        Self::new(telemetry, invocations, store, ambient)
    }

    /// Records to `telemetry`; the switches are read from `store`, whose deeds report there from now on.
    pub fn new(
        telemetry: Telemetry,
        invocations: InvocationPolicy,
        store: &Store,
        ambient: &Ambient,
    ) -> Arc<Self> {
        store.report_to(&telemetry);
        let switches = Switches::of(store.clone(), ambient.clone(), invocations.enabled);
        let machine = Arc::new(Machine::watch(ambient.monotonic()));
        Arc::new(Self { telemetry, invocations, switches, machine })
    }
}

fn page<T>(found: Looked<T, Uuid>) -> Page<T> {
    page_of(found, |id| Cursor::from_uuid(*id))
}
