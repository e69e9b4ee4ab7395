//! What the operator sees: [`logs`], [`metrics`], the load of the [`process`] and [`traces`], and the [`origin`] of
//! changes; and what nobody may see ([`redact`]). But for traces, nothing here reads a clock or another floor: the time
//! and the numbers of others are handed in.

pub mod logs;
pub mod metrics;
pub mod origin;
pub mod process;
pub mod redact;
pub mod traces;

pub use metrics::Metrics;
