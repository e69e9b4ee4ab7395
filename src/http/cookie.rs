//! The cookie of the dashboard's sessions (RFC 6265).

use std::time::Duration;

use hyper::{
    HeaderMap,
    header::{COOKIE, HeaderValue},
};

use crate::domain::{Error, Result, Secret};

const NAME: &str = "skai_session";

/// The token in the request's cookie; `None` where there is none, or more than one: another site of the same domain
/// may have set the other.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut ours = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == NAME)
        .map(|(_, value)| value);
    ours.next().filter(|_| ours.next().is_none())
}

/// Gives the browser a session's token: no script reads it, no other site sends it, and where the request came by HTTPS
/// it never goes any other way.
pub(crate) fn set(token: &Secret<String>, keep: Duration, is_https: bool) -> Result<HeaderValue> {
    header(token.expose(), keep, is_https)
}

/// Takes it away.
pub(crate) fn clear(is_https: bool) -> Result<HeaderValue> {
    header("", Duration::ZERO, is_https)
}

fn header(value: &str, keep: Duration, is_https: bool) -> Result<HeaderValue> {
    let (age, secure) = (keep.as_secs(), if is_https { "; Secure" } else { "" });
    let text = format!("{NAME}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    let mut header = HeaderValue::try_from(text).map_err(Error::internal)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_cookie_of_that_name_counts() {
        let read = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            token(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["a=b; skai_session=t; c"]), Some("t".to_owned()));
        assert_eq!(read(&["a=b", "skai_session=t"]), Some("t".to_owned()));
        for none in [&[][..], &["session=t"], &["skai_session=t; skai_session=u"]] {
            assert_eq!(read(none), None, "{none:?}");
        }
        assert_eq!(read(&["skai_session=t", "skai_session=t"]), None);
    }
}
