//! Dialling: finds what an address stands for and makes channels that connect when they are first used, and again
//! whenever the connection broke.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tonic::transport::{Endpoint, Uri};
use tower::service_fn;

use crate::network::{ByteStream, Network, Tcp};

/// What a client calls through.
pub type Channel = tonic::transport::Channel;

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dialer {
    network: Arc<dyn Network>,
}

impl Dialer {
    /// Dials over `network`.
    pub(crate) fn new(network: Arc<dyn Network>) -> Self {
        Self { network }
    }

    /// Dials over the machine's own network.
    pub fn tcp() -> Self {
        Self::new(Arc::new(Tcp))
    }

    /// The addresses for which `host:port` stands.
    ///
    /// # Errors
    /// When it stands for nothing, or the name service does not answer.
    pub async fn resolve(&self, target: &str) -> io::Result<Vec<SocketAddr>> {
        self.network.resolve(target).await
    }

    /// Whether anybody listens at `address`.
    ///
    /// # Errors
    /// When nobody does.
    pub async fn probe(&self, address: SocketAddr) -> io::Result<()> {
        self.network.connect(address).await.map(drop)
    }

    /// The address of this machine from which packets to `address` leave.
    pub async fn source_towards(&self, address: SocketAddr) -> Option<IpAddr> {
        self.network.source_towards(address).await
    }

    /// A channel to `endpoint` that connects when it is first used. The endpoint's `connect_timeout` is for all of the
    /// way: name, connection and handshake.
    pub fn channel(&self, endpoint: &Endpoint) -> Channel {
        let dialer = self.clone();
        let connector = service_fn(move |uri: Uri| {
            let dialer = dialer.clone();
            async move { dialer.connect(&uri).await.map(TokioIo::new) }
        });
        endpoint.connect_with_connector_lazy(connector)
    }

    async fn connect(&self, uri: &Uri) -> io::Result<ByteStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.resolve(&target(uri)?).await? {
            match self.network.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// The `host:port` of a URI.
fn target(uri: &Uri) -> io::Result<String> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "an address is host:port");
    let (host, port) = (uri.host().ok_or_else(invalid)?, uri.port_u16().ok_or_else(invalid)?);
    Ok(format!("{host}:{port}"))
}
