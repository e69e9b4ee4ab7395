//! Endpoints, deliveries and dead letters: the deeds, their worker and a receiver on a real socket.

mod dead_letters;
mod endpoints;
mod rig;
mod tries;
