//! When a schedule is due, and what becomes of occurrences that were missed or that overlap.
//!
//! A [`Recurrence`] is written as the five fields of cron (minute, hour, day of month, month, day of week), as a
//! name such as `@daily`, or as `every 15m`. What it means is what cron on Debian (Vixie's) makes of it:
//!
//! - *Fields* are `*`, numbers, ranges, steps and lists of them: `*/15`, `9-17/2`, `5/20` (from 5 to the end by 20),
//!   `1,15`. Months and weekdays have names, `JAN` and `SUN`, in any case. Sunday is 0 and 7. No range goes backwards.
//! - *Days.* Where both the day of the month and the day of the week are restricted (neither field begins with `*`), a
//!   day matches that matches either. Else it must match both. Dates that no year has, such as the 31st of April, are
//!   refused.
//! - *Changes of the clocks.* An expression whose minute or hour begins with `*` follows elapsed time: it is due in every
//!   minute that the clocks show and that matches, so never in an hour that is left out, and twice in one that is
//!   repeated. All others have fixed times: one that the clocks leave out is due in the first minute after the
//!   gap, and where several times fall there they are one occurrence; one that comes twice is due the first time.
//! - *Intervals* (`every`) follow elapsed time, counted from an anchor, whatever the clocks show.
//!
//! To find an occurrence, time is cut where the clocks are changed (`walk.rs`). In between, what they show is plain
//! arithmetic, and the next minute that matches is found by month, day, hour and minute (`cron.rs`).

mod cron;
mod every;
mod field;
mod policy;
mod recurrence;
#[cfg(test)]
mod tests;
mod walk;

pub use policy::{CatchUp, Overlap};
pub use recurrence::{BadRecurrence, Missed, Recurrence};
