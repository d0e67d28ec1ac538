//! Refuses requests that a browser was tricked into (rebinding, cross-site forms) and foreign host names.
//!
//! A page on another site can make a visitor's browser call this API on `localhost`. It cannot choose the
//! `Host` that the browser sends for the name it used, nor hide its `Origin`. What a non-browser sends is
//! not judged here.

use std::collections::HashSet;
use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};

use crate::problem::{Code, Problem};

/// The host names under which the API may be asked.
pub(crate) struct Hosts {
    any: bool,
    names: HashSet<String>,
}

impl Hosts {
    /// `localhost`, every IP address, and these.
    pub(crate) fn new(allowed: &[String]) -> Self {
        let names = allowed.iter().map(|name| plain(name)).chain(["localhost".to_owned()]).collect();
        Self { any: allowed.iter().any(|name| name == "*"), names }
    }

    /// Refuses a request whose host or origin is foreign.
    pub(crate) fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = only(headers.get_all(HOST).iter())
            .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok())
            .ok_or_else(|| foreign_host("the request must name exactly one host"))?;
        for authority in [Some(&host), uri.authority()].into_iter().flatten() {
            if !self.knows(authority) {
                return Err(foreign_host("ask by localhost, an IP address, or a name in --allowed_hosts"));
            }
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        if !origins.all(|origin| is_same(origin, &host)) {
            return Err(Problem::new(Code::ForeignOrigin, "the Origin is not the host that was asked"));
        }
        let mut sites = headers.get_all("sec-fetch-site").iter();
        let foreign = sites.any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site"));
        if foreign && !follows_a_link(method, headers) {
            return Err(Problem::new(Code::ForeignOrigin, "the browser says that another site asks"));
        }
        Ok(())
    }

    /// Whether a request that [`Hosts::check`] let pass asks by a name that only this machine's owner can have
    /// given to it. That `*` permits any name says nothing of this one.
    pub(crate) fn is_of_this_machine(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let host = only(headers.get_all(HOST).iter()).and_then(|host| host.to_str().ok()?.parse().ok());
        let ours = |authority: &Authority| {
            let host = plain(authority.host());
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            self.names.contains(&host) || address.is_ok_and(|address| address.to_canonical().is_loopback())
        };
        host.as_ref().is_some_and(ours) && uri.authority().is_none_or(ours)
    }

    fn knows(&self, authority: &Authority) -> bool {
        let host = plain(authority.host());
        let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        !authority.as_str().contains('@') && (self.any || is_address || self.names.contains(&host))
    }
}

/// Whether a person followed a link to here: a page of its own, that the other site cannot read.
fn follows_a_link(method: &Method, headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| only(headers.get_all(name).iter()).is_some_and(|one| one == value);
    method == Method::GET && is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}

fn foreign_host(detail: &'static str) -> Problem {
    Problem::new(Code::ForeignHost, detail)
}

/// Whether an origin is a page of this very host, port included. A proxy in front may have taken off TLS,
/// so either scheme will do.
fn is_same(origin: &HeaderValue, host: &Authority) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let origin = origin.to_ascii_lowercase();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority == host.as_str().to_ascii_lowercase())
}

/// A host name in the form in which names are compared.
fn plain(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    name.strip_suffix('.').map_or_else(|| name.clone(), str::to_owned)
}

fn only<'a>(mut values: impl Iterator<Item = &'a HeaderValue>) -> Option<&'a HeaderValue> {
    let first = values.next()?;
    values.next().is_none().then_some(first)
}
