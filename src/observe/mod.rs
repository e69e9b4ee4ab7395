//! What the operator sees: [`logs`], [`metrics`] and the load of the [`process`]; and what nobody may see
//! ([`redact`]). Nothing here reads a clock or another floor: the time and the numbers of others are handed in.

pub mod logs;
pub mod metrics;
pub mod process;
pub mod redact;

pub use metrics::Metrics;
