//! Requests that change something by a cookie come from the dashboard's own page: a browser sends cookies along whoever
//! made it ask.

use hyper::{
    HeaderMap, Method,
    header::{HOST, ORIGIN},
    http::request::Parts,
};

use crate::{
    domain::{Error, ErrorKind, Result},
    http::request::only_header,
};

/// Refuses a request that another site may have caused. Browsers say so in `Sec-Fetch-Site`; those that do not,
/// as over plain HTTP from other machines, say in `Origin` who asks.
pub(super) fn check(parts: &Parts) -> Result<()> {
    if parts.method == Method::GET || parts.method == Method::HEAD || is_own(parts) {
        return Ok(());
    }
    let message = "requests that change something by a cookie must come from the dashboard itself, and this one \
                   does not say so by Sec-Fetch-Site or Origin; programs send an API key instead";
    Err(Error::new(ErrorKind::InsufficientScope, message))
}

fn is_own(parts: &Parts) -> bool {
    let headers = &parts.headers;
    if headers.contains_key("sec-fetch-site") {
        return only_header(headers, "sec-fetch-site") == Some("same-origin");
    }
    let origin = only_header(headers, ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
    match (origin, host(headers, parts)) {
        (Some((_, from)), Some(to)) => from.eq_ignore_ascii_case(to),
        _ => false,
    }
}

/// Where the request was sent to. HTTP/2 has it in the address.
fn host<'p>(headers: &'p HeaderMap, parts: &'p Parts) -> Option<&'p str> {
    only_header(headers, HOST.as_str())
        .or_else(|| parts.uri.authority().map(hyper::http::uri::Authority::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(method: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = hyper::Request::builder().method(method).uri("/v1/jobs");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn only_the_own_page_changes_anything() {
        let host = ("host", "ai.example.com:8080");
        for (headers, is_own) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[host, ("origin", "https://ai.example.com:8080")], true),
            (&[host, ("origin", "http://AI.example.com:8080")], true),
            (&[], false),
            (&[host], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")], false),
            (&[host, ("origin", "https://ai.example.com")], false),
            (&[host, ("origin", "https://evil.example")], false),
            (&[host, ("origin", "null")], false),
            // What the browser says of the site is not overruled.
            (
                &[host, ("sec-fetch-site", "same-site"), ("origin", "https://ai.example.com:8080")],
                false,
            ),
        ] {
            for method in ["POST", "PATCH", "PUT", "DELETE"] {
                assert_eq!(passes(method, headers), is_own, "{method} {headers:?}");
            }
            assert!(passes("GET", headers) && passes("HEAD", headers));
        }
    }

    #[test]
    fn an_origin_is_held_against_the_authority_of_http_2() {
        for (origin, is_own) in [
            ("https://ai.example.com", true),
            ("https://AI.example.com", true),
            ("https://ai.example.com:8080", false),
            ("https://evil.example", false),
            ("null", false),
        ] {
            // There is no `Host` then.
            let request = hyper::Request::builder()
                .method("POST")
                .uri("https://ai.example.com/v1/jobs")
                .version(hyper::Version::HTTP_2)
                .header("origin", origin);
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(check(&parts).is_ok(), is_own, "{origin}");
        }
    }
}
