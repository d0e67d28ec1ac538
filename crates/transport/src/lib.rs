//! How coordinators and workers reach each other: the one door through which they dial and listen. What the HTTP API has
//! of TLS is here too.
//!
//! Services get a [`Transport`] and open no socket themselves. It is made over a [`Network`], which is plain TCP
//! unless a test brings another one, and knows nothing of what is said over it.

mod dialer;
mod expiry;
mod guard;
mod incoming;
mod network;
mod opened;
mod reach;
mod role;
mod server_stream;
mod tls;
mod token;
mod watched;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::Server;

pub use dialer::{Channel, Credentials, Dialer};
pub use expiry::watch as watch_expiry;
pub use guard::{Guard, GuardLayer};
pub use incoming::{Connection, Incoming, Peer};
use incoming::{Limits, OPENED_WITHIN};
pub use network::{ByteStream, Duplex, Listen, Network, Pending, Tcp};
pub use reach::Reach;
pub use role::{Role, Rule};
pub use server_stream::ServerStream;
pub use tls::{Certified, ServerTls, Tls, TlsFiles};
pub use token::{ClusterToken, LEAST_TOKEN};

/// How many calls of one connection are worked on at once; further ones wait.
const CALLS: u32 = 256;
/// The most bytes of a request's head.
const HEAD: u32 = 16 * 1024;
/// How often a connection is asked whether anybody is there, and how long the answer may take.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// How many requests a client may take back before anybody looked at them (CVE-2023-44487).
const TAKEN_BACK: usize = 20;
/// How many broken streams are remembered for a connection that is otherwise well.
const BROKEN: usize = 256;
/// How long a call may take in all. Clients give up long before; it is for those that never end their message.
const CALL_WITHIN: Duration = Duration::from_secs(60);

/// How services know each other. Both are asked for where both are given.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// What every call says.
    pub token: Option<Arc<ClusterToken>>,
    /// What every connection is made with.
    pub tls: Option<Arc<Tls>>,
}

impl Security {
    /// Whether anybody who reaches the listener is trusted.
    pub fn is_off(&self) -> bool {
        self.token.is_none() && self.tls.is_none()
    }
}

/// Where a service listens, and how it dials others.
#[derive(Clone, Debug)]
pub struct Transport {
    listener: Arc<dyn Listen>,
    dialer: Dialer,
}

impl Transport {
    /// Listens on `listener` and dials over `network`.
    pub fn new(listener: impl Listen, network: impl Network) -> Self {
        Self { listener: Arc::new(listener), dialer: Dialer::new(Arc::new(network)) }
    }

    /// Asks for credentials, and shows them.
    #[must_use]
    pub fn secured(mut self, security: Security) -> Self {
        self.dialer.security = security;
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the listener does not know.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// How others are dialled.
    pub fn dialer(&self) -> Dialer {
        self.dialer.clone()
    }

    /// Accepts from now on, with at most `most` connections open at once; further ones wait to be accepted.
    ///
    /// Must be called within a runtime. Accepting ends when what is returned is dropped.
    pub fn accept(self, most: usize) -> Incoming {
        let limits = Limits { most, opened_within: OPENED_WITHIN };
        Incoming::start(self.listener, self.dialer.security.tls, limits)
    }

    /// What judges calls; it belongs in front of all services.
    pub fn guard(&self) -> GuardLayer {
        let Security { token, tls } = &self.dialer.security;
        GuardLayer { token: token.clone(), certificates: tls.is_some() }
    }

    /// A gRPC server with limits for what one connection may take.
    pub fn server() -> Server {
        Server::builder()
            .http2_keepalive_interval(Some(ALIVE_EVERY))
            .http2_keepalive_timeout(Some(ALIVE_EVERY))
            .max_concurrent_streams(CALLS)
            .concurrency_limit_per_connection(CALLS as usize)
            .http2_max_header_list_size(HEAD)
            .http2_max_pending_accept_reset_streams(Some(TAKEN_BACK))
            .http2_max_local_error_reset_streams(Some(BROKEN))
            .timeout(CALL_WITHIN)
    }
}

impl From<TcpListener> for Transport {
    fn from(listener: TcpListener) -> Self {
        Self::new(listener, Tcp)
    }
}
