//! Which of two formats a scraper would rather have (RFC 9110 §12.5.1).

use axum::http::{HeaderMap, header};

/// One entry of an `Accept` header.
struct Range<'a> {
    /// `type/subtype`, `type/*` or `*/*`.
    media: &'a str,
    version: Option<&'a str>,
    /// From 0, *not this one*, to 1.
    quality: f32,
}

/// Whether OpenMetrics 1.0 is liked better than the text format 0.0.4, which everybody gets otherwise.
pub(crate) fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
    let ranges: Vec<Range<'_>> = accept.iter().flat_map(|list| list.split(',')).filter_map(read).collect();
    let openmetrics = quality(&ranges, "application", "openmetrics-text", "1.0.0");
    openmetrics > quality(&ranges, "text", "plain", "0.0.4")
}

fn read(entry: &str) -> Option<Range<'_>> {
    let mut parts = entry.split(';').map(str::trim);
    let media = parts.next().filter(|media| media.contains('/'))?;
    let mut range = Range { media, version: None, quality: 1.0 };
    for parameter in parts {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("q") {
            range.quality = value.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
        } else if name.trim().eq_ignore_ascii_case("version") {
            range.version = Some(value);
        }
    }
    Some(range)
}

/// How much a format is liked: what the most specific range that fits says.
fn quality(ranges: &[Range<'_>], kind: &str, subtype: &str, version: &str) -> f32 {
    let fits = |range: &Range<'_>| {
        let (of, sub) = range.media.split_once('/')?;
        match (of, sub) {
            ("*", "*") => Some(1),
            (of, "*") if of.eq_ignore_ascii_case(kind) => Some(2),
            (of, sub) if of.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => {
                match range.version {
                    None => Some(3),
                    Some(asked) if asked == version => Some(4),
                    Some(_) => None,
                }
            }
            _ => None,
        }
    };
    let fitting = ranges.iter().filter_map(|range| Some((fits(range)?, range.quality)));
    let best = fitting.max_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    best.map_or(0.0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefers(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        prefers_openmetrics(&headers)
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        for accept in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8",
            "application/openmetrics-text;version=\"1.0.0\";q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "*/*;q=0.2, application/*;q=0.3",
        ] {
            assert!(prefers(accept), "{accept}");
        }
    }

    #[test]
    fn everybody_else_gets_text() {
        assert!(!prefers_openmetrics(&HeaderMap::new()));
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;q=0.4, text/plain;q=0.5",
            "application/openmetrics-text;q=0, */*",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text; version=2.0.0, text/plain;q=0.1",
            "application/openmetrics-text;q=high",
            "application/openmetrics-text;q=7",
            "text/*, application/*;q=0.9",
            ";;,=,/",
        ] {
            assert!(!prefers(accept), "{accept}");
        }
    }

    #[test]
    fn entries_of_several_headers_count_together() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, "text/plain;q=0.2".parse().unwrap());
        headers.append(header::ACCEPT, "application/openmetrics-text;q=0.3".parse().unwrap());
        assert!(prefers_openmetrics(&headers));
    }
}
