//! The way out to tenants' own servers: [`sign`] a body, [`guard`] the address, [`send`] the request.
//!
//! Every request to a URL that a tenant gave goes through [`send::Sender`] and nothing else does,
//! so that the guard cannot be forgotten.
//!
//! And the way in from Stripe: [`stripe`] proves that an event comes from there.

pub mod sign;

pub mod guard;
mod resolve;

pub mod send;

pub mod stripe;
