//! When schedules are due, held against what others say.

pub(crate) mod reference;
