//! The cookie of the dashboard's sessions (RFC 6265).

use std::time::Duration;

use hyper::{
    HeaderMap,
    header::{COOKIE, HeaderValue},
};

use crate::domain::{Error, Result, Secret};

pub(super) const NAME: &str = "skai_session";
/// By HTTPS. Browsers take such a name from this very host alone: no other site of its domain sets one.
const SECURE_NAME: &str = "__Host-skai_session";

const fn name(is_secure: bool) -> &'static str {
    if is_secure { SECURE_NAME } else { NAME }
}

/// The token in the request's cookie; `None` where there is none, or more than one: another site of the same domain
/// may have set the other.
pub(super) fn token(headers: &HeaderMap, is_secure: bool) -> Option<&str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut ours = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(found, _)| *found == name(is_secure))
        .map(|(_, value)| value);
    ours.next().filter(|_| ours.next().is_none())
}

/// Gives the browser a session's token: no script reads it, no other site sends it, and where `is_secure` it
/// never goes but by HTTPS.
pub(crate) fn set(token: &Secret<String>, keep: Duration, is_secure: bool) -> Result<HeaderValue> {
    header(token.expose(), keep, is_secure)
}

/// Takes it away.
pub(crate) fn clear(is_secure: bool) -> Result<HeaderValue> {
    header("", Duration::ZERO, is_secure)
}

fn header(value: &str, keep: Duration, is_secure: bool) -> Result<HeaderValue> {
    let (name, age) = (name(is_secure), keep.as_secs());
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    let mut header = HeaderValue::try_from(text).map_err(Error::internal)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_cookie_of_that_name_counts() {
        let read_as = |lines: &[&'static str], is_secure| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            token(&headers, is_secure).map(str::to_owned)
        };
        let read = |lines: &[&'static str]| read_as(lines, false);
        assert_eq!(read(&["a=b; skai_session=t; c"]), Some("t".to_owned()));
        assert_eq!(read(&["a=b", "skai_session=t"]), Some("t".to_owned()));
        for none in [&[][..], &["session=t"], &["skai_session=t; skai_session=u"]] {
            assert_eq!(read(none), None, "{none:?}");
        }
        assert_eq!(read(&["skai_session=t", "skai_session=t"]), None);
        let both = ["skai_session=planted; __Host-skai_session=t"];
        assert_eq!(read_as(&both, true), Some("t".to_owned()));
        assert_eq!(read_as(&both[..1], false), Some("planted".to_owned()));
        assert_eq!(read_as(&["skai_session=planted"], true), None);
    }
}
