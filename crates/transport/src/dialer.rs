//! Dialling: finds what an address stands for and makes channels that connect when they are first used, and again
//! whenever the connection broke.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Endpoint, Uri};
use tonic::{Request, Status};
use tower::service_fn;

use crate::Security;
use crate::network::{ByteStream, Network, Tcp};
use crate::reach::Reach;
use crate::role::Role;
use crate::token::ClusterToken;

/// How long a name service may think about an address before it is dialled for the first time.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(2);

/// What a client calls through: says the cluster's token with each call.
pub type Channel = InterceptedService<tonic::transport::Channel, Credentials>;

/// What a caller says of itself.
#[derive(Clone, Debug)]
pub struct Credentials {
    token: Option<Arc<ClusterToken>>,
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.sent());
        }
        Ok(request)
    }
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dialer {
    network: Arc<dyn Network>,
    pub(crate) security: Security,
}

impl Dialer {
    /// Dials over `network`.
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self { network, security: Security::default() }
    }

    /// Shows credentials, and asks for them.
    #[must_use]
    pub fn secured(mut self, security: Security) -> Self {
        self.security = security;
        self
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

    /// Whether `host:port` may be dialled; else the address that may not, and why. A name that stands for nothing now may
    /// do so later, and is judged when it is dialled.
    ///
    /// # Errors
    /// When it may not.
    pub async fn check(&self, target: &str, reach: Reach) -> Result<(), String> {
        let found = tokio::time::timeout(LOOK_UP_WITHIN, self.resolve(target)).await;
        let Ok(Ok(addresses)) = found else { return Ok(()) };
        match addresses.iter().find_map(|address| Some((address, reach.refusal(address.ip())?))) {
            None => Ok(()),
            Some((address, why)) => Err(format!("{target} is not dialled at {}: {why}", address.ip())),
        }
    }

    /// A channel to a service of a role that connects when it is first used, and never where it may not reach. The
    /// endpoint's `connect_timeout` is for all of the way: name, connection and handshake.
    pub fn channel(&self, endpoint: &Endpoint, role: Role, reach: Reach) -> Channel {
        let dialer = self.clone();
        let credentials = Credentials { token: self.security.token.clone() };
        let connector = service_fn(move |uri: Uri| {
            let dialer = dialer.clone();
            async move { dialer.connect(&uri, role, reach).await.map(TokioIo::new) }
        });
        InterceptedService::new(endpoint.connect_with_connector_lazy(connector), credentials)
    }

    async fn connect(&self, uri: &Uri, role: Role, reach: Reach) -> io::Result<ByteStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.resolve(&target(uri)?).await? {
            // Again, for names: what they stood for at the registration is not what they stand for now.
            if let Some(why) = reach.refusal(address.ip()) {
                let refused = format!("{} is not dialled: {why}", address.ip());
                last = io::Error::new(io::ErrorKind::PermissionDenied, refused);
                continue;
            }
            match self.open(address, role).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn open(&self, address: SocketAddr, role: Role) -> io::Result<ByteStream> {
        let stream = self.network.connect(address).await?;
        match &self.security.tls {
            None => Ok(stream),
            Some(tls) => tls.connect(stream, role).await,
        }
    }
}

/// The `host:port` of a URI.
fn target(uri: &Uri) -> io::Result<String> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "an address is host:port");
    let (host, port) = (uri.host().ok_or_else(invalid)?, uri.port_u16().ok_or_else(invalid)?);
    Ok(format!("{host}:{port}"))
}
