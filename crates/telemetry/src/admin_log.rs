//! `/admin/log`: what is logged, changeable while running, from this machine alone.
//!
//! A process on this machine may ask; a page in a browser on this machine may not, whatever site it is from.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::logs;

/// The longest filter that is read, in bytes.
const MAX_FILTER: usize = 4096;

/// `GET`, `PUT` and `DELETE /admin/log`. Serve them with `ConnectInfo<SocketAddr>`: who cannot be told to be of this
/// machine is refused.
pub fn log_routes() -> Router {
    let log = get(show).put(change).delete(restore).layer(middleware::from_fn(guard));
    Router::new().route("/admin/log", log)
}

async fn show() -> Response {
    logs::filter().map_or_else(not_set_up, shown)
}

async fn change(headers: HeaderMap, body: Body) -> Response {
    if !is_text(&headers) {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the filter as text/plain");
    }
    let Ok(body) = axum::body::to_bytes(body, MAX_FILTER).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "a filter has at most 4096 bytes");
    };
    let Some(filter) = std::str::from_utf8(&body).ok().map(str::trim).filter(|filter| !filter.is_empty())
    else {
        return problem(
            StatusCode::BAD_REQUEST,
            "the body must be a filter, such as info,distrack_worker=debug",
        );
    };
    match logs::set_filter(filter) {
        Ok(()) => shown(filter.to_owned()),
        Err(reason) => problem(StatusCode::BAD_REQUEST, &reason),
    }
}

async fn restore() -> Response {
    logs::restore_filter().map_or_else(not_set_up, shown)
}

fn shown(filter: String) -> Response {
    (filter + "\n").into_response()
}

fn not_set_up() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "this process has set up no logs")
}

async fn guard(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    match refusal(peer, request.uri(), request.headers()) {
        Some(reason) => problem(StatusCode::FORBIDDEN, reason),
        None => next.run(request).await,
    }
}

/// Why a request is refused, if it is.
fn refusal(peer: Option<IpAddr>, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    if !peer.is_some_and(|peer| peer.to_canonical().is_loopback()) {
        return Some("only from this machine");
    }
    if ["forwarded", "x-forwarded-for", "via", "x-real-ip"].iter().any(|name| headers.contains_key(*name)) {
        return Some("only from this machine, and not through a proxy");
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let Some(host) = host.filter(|_| hosts.next().is_none()) else {
        return Some("the request must name exactly one host");
    };
    if ![Some(&host), uri.authority()].into_iter().flatten().all(is_plain) {
        return Some("ask by localhost or an IP address");
    }
    if !headers.get_all(ORIGIN).iter().all(|origin| is_same(origin, &host)) {
        return Some("the Origin is not the host that was asked");
    }
    let foreign = |site: &HeaderValue| site.as_bytes().eq_ignore_ascii_case(b"cross-site");
    headers.get_all("sec-fetch-site").iter().any(foreign).then_some("the browser says that another site asks")
}

/// Whether a name cannot have been pointed at this machine by somebody else.
fn is_plain(authority: &Authority) -> bool {
    let host = authority.host().trim_end_matches('.');
    let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    !authority.as_str().contains('@') && (is_address || host.eq_ignore_ascii_case("localhost"))
}

fn is_same(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
    origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str()))
}

/// What `curl --data` says of itself unasked is as good.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    ["text/plain", "application/x-www-form-urlencoded"].iter().any(|text| kind.eq_ignore_ascii_case(text))
}

/// A refusal as RFC 9457 has it.
fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let document = serde_json::json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail,
    });
    (status, [(CONTENT_TYPE, "application/problem+json")], document.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(peer: &str, uri: &str, headers: &[(&'static str, &str)]) -> Option<&'static str> {
        let headers = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        refusal(peer.parse().ok(), &uri.parse().unwrap(), &map)
    }

    #[test]
    fn a_process_of_this_machine_may_ask() {
        for (peer, host) in [
            ("127.0.0.1", "localhost:9080"),
            ("127.8.0.1", "127.0.0.1:9080"),
            ("::1", "[::1]:9080"),
            ("::ffff:127.0.0.1", "LocalHost"),
            ("127.0.0.1", "10.1.2.3:9080"),
        ] {
            assert_eq!(refused(peer, "/admin/log", &[("host", host)]), None, "{peer} {host}");
        }
        let same = [("host", "localhost:9080"), ("origin", "http://localhost:9080")];
        assert_eq!(refused("127.0.0.1", "/admin/log", &same), None);
    }

    #[test]
    fn another_machine_may_not() {
        for peer in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "unknown"] {
            assert!(refused(peer, "/admin/log", &[("host", "localhost")]).is_some(), "{peer}");
        }
        for told in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
            let proxied = [("host", "localhost"), (told, "10.0.0.1")];
            assert!(refused("127.0.0.1", "/admin/log", &proxied).is_some(), "{told}");
        }
    }

    #[test]
    fn a_page_in_a_browser_of_this_machine_may_not() {
        let foreign: [&[(&str, &str)]; 9] = [
            &[],
            &[("host", "evil.example:9080")],
            &[("host", "localhost.evil.example")],
            &[("host", "localhost"), ("host", "localhost")],
            &[("host", "localhost:9080"), ("origin", "http://evil.example")],
            &[("host", "localhost:9080"), ("origin", "http://localhost:3000")],
            &[("host", "localhost:9080"), ("origin", "null")],
            &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
            &[("host", "user@localhost")],
        ];
        for headers in foreign {
            assert!(refused("127.0.0.1", "/admin/log", headers).is_some(), "{headers:?}");
        }
        assert!(refused("127.0.0.1", "http://evil.example/admin/log", &[("host", "localhost")]).is_some());
    }
}
