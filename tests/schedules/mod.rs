//! When schedules are due, and what becomes of their occurrences.

mod clock;
mod interleavings;
mod reference;
mod rig;
mod year;
