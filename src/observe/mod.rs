//! What the operator sees: [`logs`] and [`metrics`]. Nothing here reads a clock or another floor: the
//! time and the numbers of others are handed in.

pub mod logs;
pub mod metrics;
pub mod redact;

pub use metrics::Metrics;
