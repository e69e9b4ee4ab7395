//! What the demo shows: each step with what proves it.

use std::io;

use super::say;

/// Prints steps and remembers whether all of them held.
#[derive(Default)]
pub(super) struct Evidence {
    steps: u32,
    failed: u32,
}

impl Evidence {
    /// A step and what it is about.
    pub(super) fn step(&mut self, title: &str) -> io::Result<()> {
        self.steps += 1;
        say(&format!("\n{}. {title}", self.steps))
    }

    /// Something that must hold.
    pub(super) fn prove(&mut self, claim: &str, holds: bool) -> io::Result<()> {
        if !holds {
            self.failed += 1;
        }
        say(&format!("{} {claim}", if holds { "  ok " } else { "  FAILED " }))
    }

    /// True where everything held so far.
    pub(super) const fn holds(&self) -> bool {
        self.failed == 0
    }
}

/// Shows something that proves nothing.
pub(super) fn show(what: &str) -> io::Result<()> {
    for line in what.lines() {
        say(&format!("     {line}"))?;
    }
    Ok(())
}
