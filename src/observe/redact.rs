//! What must not be seen in logs, telemetry and errors, whoever put it there.

use std::{borrow::Cow, sync::LazyLock};

use percent_encoding::percent_decode_str;
use regex::Regex;
use serde_json::{Map, Value};

mod patterns;
#[cfg(test)]
mod tests;

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// Layers of percent-encoding that are looked through.
const LAYERS: usize = 8;

/// Words in the name of a field whose value is never shown.
const SECRET_WORDS: [&str; 26] = [
    "accesstoken",
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "card",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "cvc",
    "cvv",
    "email",
    "emails",
    "hash",
    "jwt",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pwd",
    "refreshtoken",
    "secret",
    "secrets",
    "token",
];

/// Words that together are the name of a key.
const SECRET_KEYS: [[&str; 2]; 4] =
    [["access", "key"], ["api", "key"], ["private", "key"], ["secret", "key"]];

/// The last words of names that say something about a key.
const ABOUT_KEYS: [&str; 6] = ["count", "id", "ids", "name", "names", "prefix"];

/// True where the field's name says that its value is a secret. `tokens` is a count.
pub fn is_secret(field: &str) -> bool {
    let words = words(field);
    let has = |key: &[&str; 2]| words.windows(2).any(|pair| pair == key);
    let is_about = words.last().is_some_and(|last| ABOUT_KEYS.contains(&last.as_str()));
    let is_telling = |word: &String| SECRET_WORDS.binary_search(&word.as_str()).is_ok();
    words.iter().any(is_telling) || (!is_about && SECRET_KEYS.iter().any(has))
}

/// The words of a name in lower case, whether they are divided by punctuation, by capitals or by digits.
fn words(name: &str) -> Vec<String> {
    let signs: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, sign) in signs.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| signs.get(at));
        if matches!(sign, '_' | '.' | '-' | ' ') || begins(before, *sign, signs.get(at + 1)) {
            words.push(String::new());
        }
        if let (Some(word), true) = (words.last_mut(), sign.is_alphanumeric()) {
            word.push(sign.to_ascii_lowercase());
        }
    }
    words
}

/// Whether a word begins here: `apiKey`, `DBPassword`, `password2`.
fn begins(before: Option<&char>, sign: char, next: Option<&char>) -> bool {
    let Some(before) = before.filter(|before| before.is_alphanumeric()) else { return false };
    let is_capital = sign.is_ascii_uppercase();
    let after_small = is_capital && !before.is_ascii_uppercase();
    let last_capital = is_capital && next.is_some_and(char::is_ascii_lowercase);
    after_small || last_capital || sign.is_ascii_digit() != before.is_ascii_digit()
}

/// The text without secrets, addresses of people, and values behind telling names.
pub fn text(text: &str) -> Cow<'_, str> {
    static SECRETS: LazyLock<Option<Regex>> = LazyLock::new(|| compiled(&patterns::all()));
    without(SECRETS.as_ref(), text)
}

/// The text without what has the shape of a credential. For answers to whoever wrote the text: what is no secret is
/// shown, also an address, or what stands behind a telling name.
pub fn credentials(text: &str) -> Cow<'_, str> {
    static CREDENTIALS: LazyLock<Option<Regex>> =
        LazyLock::new(|| compiled(&patterns::credentials()));
    looking_through(text, |text| without(CREDENTIALS.as_ref(), text))
}

// The patterns are constant, and tests compile them.
fn compiled(patterns: &[String]) -> Option<Regex> {
    Regex::new(&patterns.join("|")).ok()
}

fn without<'t>(secrets: Option<&Regex>, text: &'t str) -> Cow<'t, str> {
    match secrets {
        Some(secrets) => secrets.replace_all(text, "${before}[redacted]${after}"),
        None => Cow::Borrowed(REDACTED),
    }
}

/// The path of a URL without secrets. One that hid behind percent-encoding leaves the path decoded.
pub fn path(path: &str) -> Cow<'_, str> {
    looking_through(path, text)
}

/// The text as `clean` leaves it, or what it is in percent-encoding, where that is not clean.
fn looking_through(text: &str, clean: impl Fn(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains('%') {
        return clean(text);
    }
    let mut decoded = Cow::Borrowed(text);
    for _ in 0..LAYERS {
        match percent_decode_str(&decoded).decode_utf8_lossy() {
            Cow::Owned(shorter) => decoded = Cow::Owned(shorter),
            Cow::Borrowed(_) => break,
        }
    }
    match clean(&decoded) {
        Cow::Owned(shown) => Cow::Owned(shown),
        Cow::Borrowed(_) => clean(text),
    }
}

/// Takes secrets out of a JSON value: what stands behind telling names, and what is in its texts, names included.
pub fn json(value: &mut Value) {
    clean(value, &Cleaner { text, hides: is_secret });
}

/// Takes what has the shape of a credential out of the texts of a JSON value; true where there was any.
pub fn json_credentials(value: &mut Value) -> bool {
    clean(value, &Cleaner { text: credentials, hides: |_| false })
}

/// What is taken out of JSON.
struct Cleaner {
    /// Of texts.
    text: fn(&str) -> Cow<'_, str>,
    /// With the values of these names.
    hides: fn(&str) -> bool,
}

/// True where something changed. A value is as deep as the parser allows.
fn clean(value: &mut Value, cleaner: &Cleaner) -> bool {
    match value {
        Value::String(given) => match (cleaner.text)(given) {
            Cow::Owned(shown) => {
                *given = shown;
                true
            }
            Cow::Borrowed(_) => false,
        },
        Value::Array(items) => {
            items.iter_mut().fold(false, |changed, item| clean(item, cleaner) | changed)
        }
        Value::Object(members) => clean_members(members, cleaner),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn clean_members(members: &mut Map<String, Value>, cleaner: &Cleaner) -> bool {
    let mut changed = false;
    for (name, value) in members.iter_mut() {
        if !(cleaner.hides)(name) {
            changed |= clean(value, cleaner);
        } else if !value.is_null() {
            *value = REDACTED.into();
            changed = true;
        }
    }
    let is_shown = |name: &String| matches!((cleaner.text)(name), Cow::Borrowed(_));
    if members.keys().all(is_shown) {
        return changed;
    }
    for (name, value) in std::mem::take(members) {
        let mut shown = (cleaner.text)(&name).into_owned();
        // None replaces another.
        while members.contains_key(&shown) {
            shown.push('+');
        }
        members.insert(shown, value);
    }
    true
}
