//! Where deliveries go: URLs that every reader reads alike.

use std::{fmt, net::Ipv4Addr};

use http::Uri;

use crate::domain::{Error, Result};

/// Where requests go: an `http` or `https` URL that has one reading only. The text stays as given.
///
/// It is read by the very parser that the HTTP client dials by, so that both see the same host.
/// Whether the host may be reached is not decided here: `webhooks::guard` does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointUrl {
    text: String,
    uri: Uri,
}

/// The longest URL, in bytes.
const URL_MAX: usize = 2048;

impl EndpointUrl {
    /// Reads the URL. What is wrong with it is [`ErrorKind::InvalidRequest`](super::ErrorKind)
    /// with the `param` `url`.
    pub fn parse(text: &str) -> Result<Self> {
        let uri = check_url(text).map_err(|message| Error::invalid("url", message))?;
        Ok(Self { text: text.to_owned(), uri })
    }

    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed URL.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether both lead to the same server: scheme, host and port are the same.
    pub fn has_origin_of(&self, other: &Self) -> bool {
        let port = |url: &Self| url.uri.port_u16().unwrap_or(if url.is_https() { 443 } else { 80 });
        self.is_https() == other.is_https()
            && self.host().eq_ignore_ascii_case(other.host())
            && port(self) == port(other)
    }

    fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// The host without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        bare(self.uri.host().unwrap_or_default())
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn check_url(text: &str) -> std::result::Result<Uri, &'static str> {
    if text.len() > URL_MAX {
        return Err("the URL is longer than 2048 bytes; shorten it");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['\\', '#']) {
        return Err("write the URL in printable ASCII (punycode, %XX), without `#` and `\\`");
    }
    let uri: Uri = text
        .parse()
        .map_err(|_| "this is not a URL; write one such as https://example.com/hook")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("the URL must begin with https:// or http://");
    }
    let authority = uri
        .authority()
        .ok_or("the URL has no host; write one such as https://example.com/hook")?
        .as_str();
    if authority.contains('@') {
        return Err("leave user name and password out of the URL; deliveries are signed instead");
    }
    let host = uri.host().unwrap_or_default();
    if !is_plain_host(host) {
        return Err("the host must be a plain name, an IPv4 address or a bracketed IPv6 address");
    }
    let port = authority.strip_prefix(host).unwrap_or(authority);
    if !port.is_empty() && !is_port(port) {
        return Err("the port must be from 1 to 65535");
    }
    Ok(uri)
}

/// True where every resolver reads the host alike: no percent signs, zone ids or IPv4 addresses in
/// octal, hexadecimal or fewer than four parts.
fn is_plain_host(host: &str) -> bool {
    if host.starts_with('[') {
        return bare(host).parse::<std::net::Ipv6Addr>().is_ok();
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let labels_ok = name.len() <= 253
        && name
            .split('.')
            .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(allowed));
    // The last label of a name is never a number (WHATWG URL, "ends in a number").
    let last = name.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    labels_ok && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

/// True for `:1` to `:65535`. The parser lets more through and then dials the default port.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':').unwrap_or_default();
    let number = digits.parse::<u16>().unwrap_or_default();
    number > 0 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn urls_keep_their_text() {
        for good in [
            "https://example.com",
            "https://example.com/",
            "HTTP://Example.COM:8080/a/%20b?c=d&e[]=f",
            "https://example.com.:443/hook",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000/x",
            "https://xn--bcher-kva.example/",
            "http://my_service:80/",
            "http://1e100.net/",
        ] {
            let url = EndpointUrl::parse(good).unwrap_or_else(|error| panic!("{good}: {error}"));
            assert_eq!(url.as_str(), good);
        }
        assert_eq!(EndpointUrl::parse("http://[::1]:1/").unwrap().host(), "::1");
    }

    #[test]
    fn urls_with_two_readings_are_refused() {
        let long = format!("https://example.com/{}", "a".repeat(URL_MAX));
        for bad in [
            "",
            "example.com",
            "/path",
            "//example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:70/",
            "https://",
            "https:///path",
            "https://:443/",
            "https://user@example.com/",
            "https://user:password@example.com/",
            "https://example.com@127.0.0.1/",
            "https://example.com/#fragment",
            "https://example.com#@127.0.0.1/",
            "https://example.com\\@127.0.0.1/",
            "https://example.com:0/",
            "https://example.com:/",
            "https://example.com:65536/",
            "https://example.com:99999/",
            "https://example.com:80:80/",
            "https://example.com:+80/",
            "https://exa mple.com/",
            " https://example.com/",
            "https://example.com/\n",
            "https://bücher.example/",
            "https://example。com/",
            "http://%31%32%37.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0X7F.0.0.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://1.2.3.4.5/",
            "http://foo.256/",
            "http://example..com/",
            "http://./",
            "http://[fe80::1%25eth0]/",
            "http://[::1/",
            "http://::1/",
            "http://[127.0.0.1]/",
            long.as_str(),
        ] {
            let error = EndpointUrl::parse(bad).expect_err(bad);
            assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidRequest, Some("url")));
        }
    }

    proptest! {
        #[test]
        fn accepted_urls_have_a_host_and_no_user(text in "https?://[ -~]{0,40}") {
            if let Ok(url) = EndpointUrl::parse(&text) {
                prop_assert!(!url.host().is_empty());
                prop_assert!(!url.uri().authority().unwrap().as_str().contains('@'));
                prop_assert_eq!(url.as_str(), text);
            }
        }
    }
}
