//! What the operator sees: [`logs`], [`metrics`] and what the [`process`] takes. Nothing here reads a clock or another floor: the
//! time and the numbers of others are handed in.

pub mod logs;
pub mod metrics;
pub mod process;
mod redact;

pub use metrics::Metrics;
