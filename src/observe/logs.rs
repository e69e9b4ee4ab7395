//! Logs: one event, one line, to standard error. Secrets are left out here, at the last step, so
//! that no caller can forget to.

use std::{
    error::Error,
    fmt::{self, Write as _},
    io::{self, IsTerminal as _, Write},
    panic::{self, Location},
    sync::Mutex,
    thread,
};

use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    subscriber::SetGlobalDefaultError,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    layer::{Context, SubscriberExt as _},
};

use super::redact::{self, REDACTED};
use crate::{
    config::{Log, LogFormat},
    domain::Timestamp,
};

/// Bytes of one value that are shown; providers and clients write the rest.
const VALUE_MAX: usize = 4096;

/// Tells the time of an event.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Sends the events of the whole process to standard error from now on. `coloured` allows colours
/// where that is a terminal.
pub fn install(settings: &Log, coloured: bool, now: Clock) -> Result<(), SetGlobalDefaultError> {
    let is_terminal = io::stderr().is_terminal();
    let style = match settings.format {
        LogFormat::Json => Style::Json,
        LogFormat::Auto if !is_terminal => Style::Json,
        _ => Style::Pretty { coloured: coloured && is_terminal },
    };
    let subscriber = subscriber(&settings.level, style, now, io::stderr());
    tracing::subscriber::set_global_default(subscriber)?;
    panic::set_hook(Box::new(|panic| log_panic(panic.payload_as_str(), panic.location())));
    Ok(())
}

/// A panic is an event too: its message may quote whatever the program was given.
fn log_panic(message: Option<&str>, place: Option<&Location<'_>>) {
    let (thread, place) = (thread::current(), place.map(ToString::to_string));
    let message = message.unwrap_or("without words");
    tracing::error!(thread = thread.name(), place, "panicked: {message}");
}

fn subscriber(
    level: &str,
    style: Style,
    now: Clock,
    out: impl Write + Send + 'static,
) -> impl Subscriber + Send + Sync {
    let lines = Lines { style, now, out: Mutex::new(out) };
    tracing_subscriber::registry().with(EnvFilter::new(level)).with(lines)
}

/// How a line looks.
#[derive(Clone, Copy, Debug)]
enum Style {
    Json,
    Pretty { coloured: bool },
}

/// Writes events as lines. Spans are not shown, since this program has none.
struct Lines<W> {
    style: Style,
    now: Clock,
    out: Mutex<W>,
}

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let now = (self.now)();
        let line = match self.style {
            Style::Json => json(now, level, target, fields),
            Style::Pretty { coloured } => pretty(now, level, target, &fields, coloured),
        };
        let mut out = self.out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Where standard error is closed there is nobody to tell.
        drop(out.write_all(line.as_bytes()));
    }
}

/// The fields of an event without secrets.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            (name, _) if redact::is_secret(name) => self.others.push((name, REDACTED.into())),
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.others.push((name, value)),
        }
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        let text = redact::text(text);
        let end = text.floor_char_boundary(VALUE_MAX);
        let cut = if end < text.len() { "…" } else { "" };
        self.put(field, format!("{}{cut}", &text[..end]).into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    /// The error and what caused it.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a string does not fail.
            let _infallible = write!(text, ": {error}");
            cause = error.source();
        }
        self.put_text(field, &text);
    }
}

fn json(now: Timestamp, level: Level, target: &str, fields: Fields) -> String {
    let mut line = Map::new();
    line.insert("time".to_owned(), now.to_string().into());
    line.insert("level".to_owned(), level.as_str().to_ascii_lowercase().into());
    line.insert("target".to_owned(), target.into());
    line.insert("message".to_owned(), fields.message.into());
    for (name, value) in fields.others {
        let taken = line.contains_key(name);
        line.insert(if taken { format!("{name}_") } else { name.to_owned() }, value);
    }
    let mut text = String::with_capacity(256);
    for character in Value::Object(line).to_string().chars() {
        match character {
            // JSON itself escapes only those below U+0020.
            unsafe_one if is_unsafe(unsafe_one) => {
                let _infallible = write!(text, "\\u{:04x}", u32::from(unsafe_one));
            }
            plain => text.push(plain),
        }
    }
    text.push('\n');
    text
}

fn pretty(now: Timestamp, level: Level, target: &str, fields: &Fields, coloured: bool) -> String {
    let place = target.strip_prefix("skai_server::").unwrap_or(target);
    let mut line = match colour(level).filter(|_| coloured) {
        Some(colour) => format!("{now} \x1b[{colour}m{level:>5}\x1b[0m {place}: "),
        None => format!("{now} {level:>5} {place}: "),
    };
    push_safe(&mut line, &fields.message);
    for (name, value) in &fields.others {
        let _infallible = write!(line, " {name}=");
        match value {
            Value::String(text) => push_safe(&mut line, text),
            other => line.push_str(&other.to_string()),
        }
    }
    line.push('\n');
    line
}

/// The SGR code of a level; none for what is ordinary.
const fn colour(level: Level) -> Option<u8> {
    match level {
        Level::ERROR => Some(31),
        Level::WARN => Some(33),
        Level::INFO => None,
        Level::DEBUG | Level::TRACE => Some(2),
    }
}

fn push_safe(line: &mut String, text: &str) {
    for character in text.chars() {
        if is_unsafe(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
}

/// Characters that could end a line, steer a terminal or reorder what it shows.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, style: Style, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let now = Box::new(|| Timestamp::from_millis(1_500));
        tracing::subscriber::with_default(subscriber(level, style, now, kept.clone()), log);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const HOSTILE: &str = "a\r\nb\x1b[2J\u{85}\u{9b}\u{2028}\u{202e}\0\u{7f}";

    #[test]
    fn an_event_is_one_object_on_one_line() {
        let lines = logged("info", Style::Json, || {
            tracing::info!(who = HOSTILE, count = 3, level = "mine", "said {HOSTILE}");
            tracing::warn!("second");
            tracing::debug!("not shown");
        });
        assert!(!lines.contains(|c: char| c != '\n' && is_unsafe(c)));
        let events: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["time"], "1970-01-01T00:00:01.500Z");
        assert_eq!((&events[0]["level"], &events[0]["level_"]), (&"info".into(), &"mine".into()));
        assert_eq!((&events[0]["who"], &events[0]["count"]), (&HOSTILE.into(), &3.into()));
        assert_eq!(events[0]["message"], format!("said {HOSTILE}"));
    }

    #[test]
    fn people_see_one_line_without_surprises() {
        let lines = logged("info", Style::Pretty { coloured: false }, || {
            tracing::info!(who = HOSTILE, "said {HOSTILE}");
        });
        assert_eq!(lines.lines().count(), 1);
        assert!(!lines.trim_end().contains(is_unsafe), "{lines:?}");
    }

    #[test]
    fn secrets_stay_out_of_names_values_messages_and_causes() {
        for style in [Style::Json, Style::Pretty { coloured: true }] {
            let canary = "CANARY9f2";
            let lines = logged("trace", style, || {
                let cause = io::Error::other(format!("refused sk_live_{canary}"));
                let error = crate::domain::Error::internal(cause);
                tracing::error!(
                    error = &error as &dyn Error,
                    password = canary,
                    card_number = 4_242_u64,
                    cookie = ?Some(canary),
                    header = format!("Bearer {canary}"),
                    "sent whsec_{canary} to {canary}@example.com"
                );
            });
            assert!(!lines.contains(canary) && !lines.contains("4242"), "{lines}");
            assert_eq!(lines.matches(REDACTED).count(), 7, "{lines}");
        }
    }

    #[test]
    fn panics_keep_secrets_too() {
        let lines = logged("info", Style::Json, || {
            log_panic(Some("byte 1 of `sk_live_CANARY9f2`"), Some(Location::caller()));
            log_panic(None, None);
        });
        assert!(!lines.contains("CANARY9f2"), "{lines}");
        assert!(lines.contains("panicked: byte 1 of `[redacted]`") && lines.contains("logs.rs:"));
        assert!(lines.contains("panicked: without words"));
    }

    #[test]
    fn a_line_has_a_limit() {
        let long = "ä".repeat(1 << 20);
        let line = logged("info", Style::Json, || tracing::info!(long, "much"));
        assert!(line.len() < 2 * VALUE_MAX);
    }
}
