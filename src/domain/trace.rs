//! W3C Trace Context: which trace a request is part of, and which step of it asks.

use std::fmt;

/// The names of a trace and of one step of it, its span, as the header `traceparent` carries them
/// (<https://www.w3.org/TR/trace-context/>). `tracestate` is left out: what other systems note there is opaque, and no
/// part of the path from a client to its provider and its endpoints needs it.
///
/// ```
/// use skai_server::domain::TraceContext;
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context = TraceContext::parse(text).unwrap();
/// assert!(context.is_sampled());
/// assert_eq!(context.to_string(), text);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

/// The flag that says that the trace is recorded.
const SAMPLED: u8 = 1;
/// The flags that are passed on: the above, and that the trace's name is random. Others have no meaning yet.
const KNOWN_FLAGS: u8 = SAMPLED | 2;
/// The length of a header of version 00, and of what later versions begin with.
const LENGTH: usize = 55;

impl TraceContext {
    /// A step of a trace. `None` where one of the names is all zeros, which stands for none.
    pub fn new(trace: [u8; 16], span: [u8; 8], is_sampled: bool) -> Option<Self> {
        Self { trace, span, flags: u8::from(is_sampled) }.named()
    }

    /// Reads a header. `None` where it keeps not to the letter what its version says: then nobody is told, and it is
    /// as if there were none. Of versions that are not known yet, what they have in common with ours is read.
    pub fn parse(header: &str) -> Option<Self> {
        let (start, more) = header.as_bytes().split_at_checked(LENGTH)?;
        let [version, trace, span, flags] = parts(start)?;
        let [version] = hex(version)?;
        let is_of_version = match version {
            0 => more.is_empty(),
            0xFF => false,
            _ => more.first().is_none_or(|next| *next == b'-'),
        };
        let [flags] = hex(flags)?;
        let context =
            Self { trace: hex(trace)?, span: hex(span)?, flags: flags & KNOWN_FLAGS }.named()?;
        is_of_version.then_some(context)
    }

    /// Another step of the same trace. `None` where its name is all zeros.
    pub fn step(self, span: [u8; 8]) -> Option<Self> {
        Self { span, ..self }.named()
    }

    /// The same step of a trace that nobody records.
    #[must_use]
    pub const fn unrecorded(self) -> Self {
        Self { flags: self.flags & !SAMPLED, ..self }
    }

    /// Whether whoever began the trace wants it recorded.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The trace's name in hexadecimal digits, as in logs.
    pub fn trace_id(&self) -> impl fmt::Display + use<> {
        Hex(self.trace)
    }

    /// The span's name in hexadecimal digits.
    pub fn span_id(&self) -> impl fmt::Display + use<> {
        Hex(self.span)
    }

    /// The form that the store keeps.
    pub fn to_bytes(self) -> [u8; 25] {
        let mut bytes = [0; 25];
        bytes[..16].copy_from_slice(&self.trace);
        bytes[16..24].copy_from_slice(&self.span);
        bytes[24] = self.flags;
        bytes
    }

    /// Reads what [`TraceContext::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 25]) -> Option<Self> {
        let (trace, rest) = bytes.split_first_chunk()?;
        let (span, rest) = rest.split_first_chunk()?;
        let flags = rest.first()? & KNOWN_FLAGS;
        Self { trace: *trace, span: *span, flags }.named()
    }

    fn named(self) -> Option<Self> {
        (self.trace != [0; 16] && self.span != [0; 8]).then_some(self)
    }
}

/// The header of version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "00-{}-{}-{:02x}", self.trace_id(), self.span_id(), self.flags)
    }
}

struct Hex<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// What stands between the hyphens of the first 55 bytes.
fn parts(start: &[u8]) -> Option<[&[u8]; 4]> {
    let mut parts = start.split(|byte| *byte == b'-');
    let four = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(four)
}

/// Digits in lower case, two for each byte.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, odd) = digits.as_chunks::<2>();
    if pairs.len() != N || !odd.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn read(header: &str) -> Option<String> {
        TraceContext::parse(header).map(|context| context.to_string())
    }

    #[test]
    fn what_is_sent_is_passed_on_without_flags_that_mean_nothing() {
        for (flags, passed_on) in [("00", "00"), ("01", "01"), ("03", "03"), ("ff", "03")] {
            let context = read(&format!("00-{TRACE}-{SPAN}-{flags}"));
            assert_eq!(context, Some(format!("00-{TRACE}-{SPAN}-{passed_on}")));
        }
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        for header in [
            format!("01-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            format!("fe-{TRACE}-{SPAN}-01-"),
        ] {
            assert_eq!(read(&header), Some(format!("00-{TRACE}-{SPAN}-01")), "{header}");
        }
    }

    #[test]
    fn what_is_malformed_is_none() {
        for header in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0x-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-0A"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}{SPAN}--01"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!(" 0-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-é"),
            format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        ] {
            assert_eq!(read(&header), None, "{header}");
        }
    }

    #[test]
    fn a_step_has_a_name() {
        assert_eq!(TraceContext::new([0; 16], [1; 8], true), None);
        let context = TraceContext::new([1; 16], [1; 8], true).unwrap();
        assert_eq!(context.step([0; 8]), None);
        assert_eq!(context.step([2; 8]).unwrap().trace_id().to_string(), "01".repeat(16));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(header in "\\PC{0,80}") {
            let _context = TraceContext::parse(&header);
        }

        #[test]
        fn every_step_can_be_written_and_read(
            trace in any::<[u8; 16]>(), span in any::<[u8; 8]>(), is_sampled in any::<bool>()
        ) {
            let Some(context) = TraceContext::new(trace, span, is_sampled) else { return Ok(()) };
            prop_assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
            prop_assert_eq!(TraceContext::from_bytes(context.to_bytes()), Some(context));
            prop_assert_eq!(context.is_sampled(), is_sampled);
            let unrecorded = context.unrecorded();
            prop_assert!(!unrecorded.is_sampled());
            prop_assert_eq!(unrecorded.to_bytes()[..24].to_vec(), context.to_bytes()[..24].to_vec());
        }
    }
}
