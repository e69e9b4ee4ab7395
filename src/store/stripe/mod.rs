//! What Stripe told: its events, its customers, and the payments that they are about. These tables are the
//! operator's; no tenant's statement reaches them.

pub mod customers;
pub mod events;
pub mod payments;
