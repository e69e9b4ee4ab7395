//! Server-sent events (WHATWG HTML §9.2), parsed as they come.

use std::mem;

/// The largest event, and the longest line of one.
const MAX_EVENT_BYTES: usize = 4 << 20;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Event {
    /// Its type; empty where none is given.
    pub(super) name: String,
    /// Its data lines, with line breaks between them.
    pub(super) data: Vec<u8>,
}

/// An event is larger than any that makes sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooLong;

/// What has come of the next event.
#[derive(Default)]
pub(super) struct Parser {
    /// The line that is not complete yet.
    line: Vec<u8>,
    name: String,
    data: Option<Vec<u8>>,
    /// The last line ended with CR, so that an LF would be part of its end.
    after_cr: bool,
    /// Whether a line was complete before: a byte order mark can only be in the first.
    begun: bool,
}

impl Parser {
    /// Takes bytes up to the end of the next event. Gives how many it took, and the event if it is
    /// complete; if not, it took all.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<Event>), TooLong> {
        let mut at = 0;
        while at < bytes.len() {
            if mem::take(&mut self.after_cr) && bytes[at] == b'\n' {
                at += 1;
                continue;
            }
            let rest = &bytes[at..];
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.extend(rest)?;
                break;
            };
            self.extend(&rest[..end])?;
            self.after_cr = rest[end] == b'\r';
            at += end + 1;
            if let Some(event) = self.end_of_line()? {
                return Ok((at, Some(event)));
            }
        }
        Ok((bytes.len(), None))
    }

    /// What has come where the end of the body is taken for the end of the event too.
    pub(super) fn rest(&mut self) -> Option<Event> {
        self.end_of_line().ok()?.or_else(|| self.end_of_event())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + bytes.len() > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_of_line(&mut self) -> Result<Option<Event>, TooLong> {
        let line = mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.end_of_event());
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"data" => self.add(value)?,
            // Comments, `id` and `retry`: nothing that concerns an answer.
            _ => {}
        }
        Ok(None)
    }

    fn add(&mut self, value: &[u8]) -> Result<(), TooLong> {
        match &mut self.data {
            None => self.data = Some(value.to_vec()),
            Some(data) if data.len() + value.len() >= MAX_EVENT_BYTES => return Err(TooLong),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
        Ok(())
    }

    fn end_of_event(&mut self) -> Option<Event> {
        let name = mem::take(&mut self.name);
        self.data.take().map(|data| Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `text` in pieces of `size` bytes.
    fn parse(text: &[u8], size: usize) -> Vec<(String, String)> {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for mut piece in text.chunks(size) {
            while !piece.is_empty() {
                let (taken, event) = parser.feed(piece).unwrap();
                piece = &piece[taken..];
                events.extend(event);
            }
        }
        events.extend(parser.rest());
        let text = |event: Event| (event.name, String::from_utf8(event.data).unwrap());
        events.into_iter().map(text).collect()
    }

    const STREAM: &str = "\u{feff}: hello\n\ndata: {\"a\":\"é😀\"}\r\n\r\nevent: ping\ndata:x\rdata\r\
                          data:  y\r\rid: 7\nretry: 5\nevent: lost\n\ndata: [DONE]";

    #[test]
    fn every_ending_of_lines_is_understood_wherever_the_pieces_end() {
        let expected = [("", "{\"a\":\"é😀\"}"), ("ping", "x\n\n y"), ("", "[DONE]")];
        let expected = expected.map(|(name, data)| (name.to_owned(), data.to_owned()));
        for size in 1..STREAM.len() {
            assert_eq!(parse(STREAM.as_bytes(), size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn an_event_is_there_as_soon_as_its_last_line_is() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"data: a\r\n").unwrap(), (9, None));
        let (taken, event) = parser.feed(b"\rdata: b\n").unwrap();
        assert_eq!((taken, event.unwrap().data), (1, b"a".to_vec()));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let line = vec![b'x'; MAX_EVENT_BYTES];
        let mut parser = Parser::default();
        parser.feed(&line).unwrap();
        assert_eq!(parser.feed(b"x"), Err(TooLong));
        let mut parser = Parser::default();
        let line = [b"data:", &line[..MAX_EVENT_BYTES / 2], b"\n"].concat();
        parser.feed(&line).unwrap();
        assert_eq!(parser.feed(&line), Err(TooLong));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1..9_usize) {
            let mut parser = Parser::default();
            for mut piece in bytes.chunks(size) {
                while !piece.is_empty() {
                    let (taken, _) = parser.feed(piece).unwrap();
                    prop_assert!(taken > 0);
                    piece = &piece[taken..];
                }
            }
        }
    }
}
