//! What is done behind the door: one file per kind of work. A worker asks the outside world and
//! hands the outcome to a deed.

pub mod deliver_webhook;
mod maintenance;
mod run_generation;

pub use maintenance::Maintenance;
pub use run_generation::RunGeneration;
