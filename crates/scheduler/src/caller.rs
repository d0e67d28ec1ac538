//! Who sent a request: the address, and the token if there was one.
//!
//! The edge finds it out once and puts it beside the request; who needs it takes it from there.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::Extensions;
use axum::http::request::Parts;

use crate::problem::Problem;

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The token that was checked; none if none was needed.
    pub(crate) token: Option<CallerToken>,
    /// Where the connection comes from. Behind a proxy it is the proxy's.
    pub(crate) address: IpAddr,
}

/// What may be told of a token: never its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallerToken {
    /// The public part, which names it in the list of tokens.
    pub(crate) id: String,
    /// What its owner called it.
    pub(crate) name: String,
}

impl Caller {
    /// A caller without a token. Who cannot be told where it comes from is of no machine.
    pub(crate) fn without_token(extensions: &Extensions) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        let address = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        Self { token: None, address: address.to_canonical() }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal("a request did not pass the edge"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv4_is_the_same_over_both_kinds_of_socket() {
        let mut extensions = Extensions::new();
        assert!(Caller::without_token(&extensions).address.is_unspecified());
        extensions.insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        let plain = Caller::without_token(&extensions);
        extensions.insert(ConnectInfo("[::ffff:127.0.0.1]:9".parse::<SocketAddr>().unwrap()));
        assert_eq!(Caller::without_token(&extensions), plain);
        assert!(plain.address.is_loopback());
    }
}
