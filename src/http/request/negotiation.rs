//! What a client would like to be answered.

/// Whether `Accept` (RFC 9110 §12.5.1) names the media type, with a weight that is not below JSON's.
pub(super) fn prefers(accept: &str, media_type: &str) -> bool {
    let weight = |range: &str| accept_weights(accept, range).reduce(f32::max);
    let json = ["application/json", "application/*", "*/*"].into_iter().find_map(weight);
    weight(media_type).is_some_and(|wanted| wanted > 0.0 && wanted >= json.unwrap_or(0.0))
}

/// The weights that are given to a media range; one that cannot be read counts as 1.
fn accept_weights<'a>(accept: &'a str, range: &'a str) -> impl Iterator<Item = f32> + 'a {
    let named = accept.split(',').filter(move |part| {
        let given = part.split(';').next().unwrap_or(part).trim();
        given.eq_ignore_ascii_case(range)
    });
    named.map(|part| {
        let mut parameters = part.split(';').skip(1).filter_map(|text| text.trim().split_once('='));
        let weight = parameters.find(|(name, _)| name.eq_ignore_ascii_case("q"));
        weight.and_then(|(_, value)| value.parse().ok()).unwrap_or(1.0)
    })
}

/// Whether `Accept-Encoding` allows gzip.
pub(super) fn takes_gzip(accept: &str) -> bool {
    let weight = |coding: &str| accept_weights(accept, coding).reduce(f32::max);
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

/// Whether `If-None-Match` names this one; a strong and a weak one are alike here.
pub(super) fn names(known: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.trim() == "*" || known.split(',').any(|tag| opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heavier_media_type_is_preferred() {
        for (accept, preferred) in [
            ("text/csv", true),
            ("TEXT/CSV; charset=utf-8", true),
            ("text/csv, */*", true),
            ("text/csv;q=0.5, */*;q=0.1", true),
            ("text/csv;q=0.2, text/csv;v=2;q=0.9, application/json;q=0.5", true),
            ("application/json;q=0.5, text/csv;Q=0.9", true),
            ("text/csv;q=0.1, application/json", false),
            ("text/csv;q=0.1, application/*", false),
            ("text/csv;q=0", false),
            ("application/json, */*", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(prefers(accept, "text/csv"), preferred, "{accept}");
        }
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for (accept, taken) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1, GZIP;q=0.5", true),
            ("*", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("br", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(accept), taken, "{accept}");
        }
    }

    #[test]
    fn what_a_client_has_is_told_by_its_tag() {
        for known in ["W/\"a\"", "\"a\"", "\"b\", W/\"a\"", "*"] {
            assert!(names(known, "W/\"a\""), "{known}");
        }
        assert!(!names("\"b\"", "W/\"a\"") && !names("", "W/\"a\""));
    }
}
