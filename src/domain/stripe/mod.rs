//! What Stripe's events mean for credits: which payment they are about, how many credits it buys, and how many
//! are taken back when its money goes back.

mod event;
mod intent;
mod meaning;
mod policy;
mod read;
mod status;
#[cfg(test)]
mod tests;

pub use event::StripeEvent;
pub use meaning::{Line, Meaning, Paid, Returned};
pub use policy::{CreditPolicy, taken_back};
pub use status::EventStatus;
