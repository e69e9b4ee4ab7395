//! What the last user message tells the sandbox to do.

use std::time::Duration;

use crate::{domain::JobErrorCode, providers::ProviderError};

const OPENING: &str = "[sandbox:";

/// Directives in the last user message, and the message without them.
#[derive(Default)]
pub(super) struct Directives<'a> {
    pub(super) fail: Option<JobErrorCode>,
    pub(super) delay: Duration,
    pub(super) chunk_delay: Duration,
    pub(super) breaks: bool,
    pub(super) hides_usage: bool,
    pub(super) cached_tokens: Option<u64>,
    pub(super) tool: Option<&'a str>,
    pub(super) text: Option<&'a str>,
    pub(super) rest: String,
}

impl<'a> Directives<'a> {
    pub(super) fn parse(mut content: &'a str) -> Result<Self, ProviderError> {
        let mut found = Self::default();
        while let Some((before, after)) = content.split_once(OPENING) {
            let closing =
                if after.starts_with("text=") { after.rfind(']') } else { after.find(']') };
            let Some(end) = closing else { break };
            found.rest.push_str(before);
            found.obey(&after[..end])?;
            content = &after[end + 1..];
        }
        found.rest.push_str(content);
        Ok(found)
    }

    fn obey(&mut self, directive: &'a str) -> Result<(), ProviderError> {
        let understood = match directive.split_once('=').unwrap_or((directive, "")) {
            ("fail", code) => {
                self.fail = failure(code);
                self.fail.is_some()
            }
            ("delay", delay) => set(&mut self.delay, delay),
            ("chunk_delay", delay) => set(&mut self.chunk_delay, delay),
            ("break", "") => {
                self.breaks = true;
                true
            }
            ("usage", "none") => {
                self.hides_usage = true;
                true
            }
            ("cached", tokens) => {
                self.cached_tokens = tokens.parse().ok();
                self.cached_tokens.is_some()
            }
            ("tool", name) => {
                self.tool = Some(name);
                !name.is_empty()
            }
            ("text", text) => {
                self.text = Some(text);
                true
            }
            _ => false,
        };
        if understood {
            return Ok(());
        }
        let message = "a [sandbox:…] directive is not understood; there are fail=RATE_LIMIT, \
                       TIMEOUT, SERVER_ERROR or BAD_REQUEST, delay=500ms, chunk_delay=50ms, \
                       break, usage=none, cached=100, tool=NAME, and text=…";
        Err(ProviderError::new(JobErrorCode::BadRequest, message))
    }
}

/// Reads a duration; gives whether it is one.
fn set(delay: &mut Duration, text: &str) -> bool {
    humantime::parse_duration(text).map(|read| *delay = read).is_ok()
}

fn failure(code: &str) -> Option<JobErrorCode> {
    use JobErrorCode::{BadRequest, RateLimit, ServerError, Timeout};
    [RateLimit, Timeout, ServerError, BadRequest].into_iter().find(|known| known.as_str() == code)
}
