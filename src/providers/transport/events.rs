//! The events of a stream (`text/event-stream`), each as soon as it is complete.

use std::{io::Read as _, time::Duration};

use ureq::BodyReader;

use super::failure::broken;
use crate::{
    ambient::Ambient,
    providers::{
        ProviderError,
        sse::{Event, Parser, TooLong},
    },
    wire,
};

/// Bytes that are read at once; fewer where no more have come.
const READ_BYTES: usize = 8 << 10;
/// The data of OpenAI's last event.
pub(in crate::providers) const END: &[u8] = b"[DONE]";
/// How long to wait, after the last event, for the end of the body, so that the connection can be kept.
const FAREWELL: Duration = Duration::from_millis(50);

/// How long a stream may take.
#[derive(Clone, Copy)]
pub(super) struct Time {
    /// Until its first piece, and between two.
    pub(super) patience: Duration,
    /// In all.
    pub(super) at_most: Duration,
}

impl Time {
    pub(super) fn broken(self, error: &ureq::Error) -> ProviderError {
        match error {
            ureq::Error::Timeout(ureq::Timeout::Global) => broken(error, self.at_most),
            _ => broken(error, self.patience),
        }
    }
}

/// A stream of events.
pub(in crate::providers) struct Events {
    body: BodyReader<'static>,
    parser: Parser,
    read: Vec<u8>,
    /// How much of what was read is parsed.
    parsed: usize,
    ambient: Ambient,
    time: Time,
    /// When something was last heard that counts.
    heard: Duration,
}

impl Events {
    pub(super) fn new(body: BodyReader<'static>, time: Time, ambient: Ambient) -> Self {
        let heard = ambient.monotonic();
        Self { body, parser: Parser::default(), read: Vec::new(), parsed: 0, ambient, time, heard }
    }

    /// The next event; `None` at the end of the body.
    pub(in crate::providers) fn next(&mut self) -> Result<Option<Event>, ProviderError> {
        loop {
            let (taken, event) = self.parser.feed(&self.read[self.parsed..]).map_err(too_long)?;
            self.parsed += taken;
            if event.is_some() {
                return Ok(event);
            }
            if self.ambient.monotonic().saturating_sub(self.heard) >= self.time.patience {
                let timeout = ureq::Error::Timeout(ureq::Timeout::PerRead);
                return Err(self.time.broken(&timeout));
            }
            if !self.read_on()? {
                // The mark of the end may lack its blank line; what else lacks it has broken off.
                let rest = self.parser.rest();
                return Ok(rest.filter(|event| event.data.trim_ascii() == END));
            }
        }
    }

    /// Starts the patience anew: a piece of the answer came. Comments and empty events are no such piece.
    pub(in crate::providers) fn heard(&mut self) {
        self.heard = self.ambient.monotonic();
    }

    /// Reads what is left after the last event, if it is there already, so that the connection can be
    /// used again.
    pub(in crate::providers) fn finish(mut self) {
        let mut rest = [0; READ_BYTES];
        let _left = wire::hurry(FAREWELL, || self.body.read(&mut rest));
    }

    fn read_on(&mut self) -> Result<bool, ProviderError> {
        self.read.resize(READ_BYTES, 0);
        self.parsed = 0;
        let read = self.body.read(&mut self.read);
        let length = read.map_err(|error| self.time.broken(&ureq::Error::from(error)))?;
        self.read.truncate(length);
        Ok(length > 0)
    }
}

fn too_long(TooLong: TooLong) -> ProviderError {
    ProviderError::too_large()
}
