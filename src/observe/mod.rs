//! What the operator sees: [`logs`], [`metrics`] and [`traces`]. The first two read no clock and no other floor: the
//! time and the numbers of others are handed in.

pub mod logs;
pub mod metrics;
mod redact;
pub mod traces;

pub use metrics::Metrics;
