//! Texts that are secrets wherever they stand, as regular expressions. Characters of words are those of ASCII, which
//! keeps the automaton small and quick on any text.

/// Where a word begins, also behind what JSON or a URL escapes.
const START: &str = r"(?:(?-u:\b)|_|\\[bfnrt]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})";
/// What may stand between a scheme of HTTP and its credentials.
const GAP: &str = r"(?:\s|\+|%20|%09|\\[nrt])+";
/// Characters of credentials of HTTP (RFC 9110 §11.2).
const TOKEN68: &str = "[0-9A-Za-z_.~+/=-]";
/// What stands between a name and its value: in JSON, also as a string of JSON, in headers, queries, and in Rust's
/// words for values.
const IS: &str = r#"\\*["']?\s*(?:[:=]|%3[ADad])+\s*(?:Some\()?"#;
/// A quoted value to its end, or to that of the text.
const QUOTED: &str = r#"\\"(?:[^"\\]|\\\\\\"|\\[^"])*|"(?:[^"\\]|\\.)*|'[^']*"#;

/// Headers that hold nothing but secrets. Where the value is not quoted, it ends with the line.
const HEADERS: &str = "(?:proxy-)?authorization|(?:set-)?cookies?";
/// Names of values that are secrets.
const NAMES: &str = "passw(?:or)?d|passphrase|passcode|secret(?:[_-]?key)?|credentials?|api[_-]?key|access[_-]?key|\
    private[_-]?key|card(?:[_-]?number)?|cvc|cvv|token|jwt";
/// The same where a capital begins the word.
const CAPITAL_NAMES: &str = "Password|Secret|ApiKey|AccessKey|PrivateKey|CardNumber|Token";

/// API keys of ours, of providers and of others, webhook secrets, tokens of cookies and links, the operator's token,
/// hashes of keys, signed tokens.
fn shapes() -> Vec<String> {
    let w = "[0-9A-Za-z_-]";
    vec![
        format!("[rs]k_(?:live|test)_{w}*"),
        format!("{START}sk-{w}{{8,}}"),
        "whsec_[0-9A-Za-z_+/=-]*".to_owned(),
        // Sessions of the dashboard and links to sign in by.
        format!("{START}s[ls]_{w}{{43}}"),
        format!("{START}op_{w}{{40,}}"),
        r"\$argon2[0-9A-Za-z]*\$\S*".to_owned(),
        format!(r"eyJ{w}{{8,}}\.{w}+(?:\.{w}*)?"),
        format!(
            "{START}(?:gh[pousr]_{w}{{20,}}|xox[a-z]-{w}{{10,}}|AIza{w}{{30,}}|AKIA[0-9A-Z]{{16}})"
        ),
    ]
}

/// A name of the user and a password in a URL.
fn userinfo() -> String {
    r#"(?<before>://)[^\s/?#"'<>]*(?<after>@)"#.to_owned()
}

/// What has the shape of a credential.
pub(super) fn credentials() -> Vec<String> {
    let mut patterns = shapes();
    // Shorter words after "bearer" may be English.
    patterns.push(format!("(?i:bearer){GAP}{TOKEN68}{{16,}}"));
    patterns.push(userinfo());
    patterns
}

/// What has the shape of a credential or of a person's address, or stands behind a telling name.
pub(super) fn all() -> Vec<String> {
    let mut patterns = shapes();
    patterns.extend([
        format!("(?i:bearer|{START}basic){GAP}{TOKEN68}+"),
        userinfo(),
        format!(r"{START}(?i:{HEADERS}){IS}(?:{QUOTED}|[^\r\n]+)"),
        format!(
            r"(?:{START}(?i:{NAMES})|{CAPITAL_NAMES}){IS}(?:{QUOTED}|\[[^\]]*|(?i:(?:bearer|basic)\s+)?[^\s,;}}&]+)"
        ),
        r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+".to_owned(),
    ]);
    patterns
}
