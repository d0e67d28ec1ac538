//! The services' network, simulated.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use distrack_transport::{ByteStream, Listen, Network, Pending};
use turmoil::net::{TcpListener, TcpStream};

/// Connects to hosts of the simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulated;

impl Network for Simulated {
    fn resolve<'a>(&'a self, target: &'a str) -> Pending<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "an address is host:port");
            let (host, port) = target.rsplit_once(':').ok_or_else(invalid)?;
            let port = port.parse().map_err(|_| invalid())?;
            let address = host.parse::<IpAddr>().unwrap_or_else(|_| turmoil::lookup(host));
            Ok(vec![SocketAddr::new(address, port)])
        })
    }

    fn connect(&self, address: SocketAddr) -> Pending<'_, io::Result<ByteStream>> {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(address).await?) as ByteStream) })
    }

    fn source_towards(&self, _: SocketAddr) -> Pending<'_, Option<IpAddr>> {
        Box::pin(async { None })
    }
}

/// Listens on a host of the simulation.
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Listens on every address of the host.
    pub(crate) async fn bind(port: u16) -> io::Result<Self> {
        TcpListener::bind(("0.0.0.0", port)).await.map(Self)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Listen for Listener {
    fn accept(&self) -> Pending<'_, io::Result<(ByteStream, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = self.0.accept().await?;
            Ok((Box::new(stream) as ByteStream, peer))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
