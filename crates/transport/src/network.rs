//! What a network can do. Services know no other one than this, so that a simulated one can take its place.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UdpSocket, lookup_host};

/// A future on the heap.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection, whatever it is made of.
pub type ByteStream = Box<dyn Duplex>;

/// Finds names and opens connections.
pub trait Network: Debug + Send + Sync + 'static {
    /// The addresses for which `host:port` stands.
    fn resolve<'a>(&'a self, target: &'a str) -> Pending<'a, io::Result<Vec<SocketAddr>>>;

    /// Opens a connection.
    fn connect(&self, address: SocketAddr) -> Pending<'_, io::Result<ByteStream>>;

    /// The address of this machine from which packets to `address` leave, if that can be told.
    fn source_towards(&self, address: SocketAddr) -> Pending<'_, Option<IpAddr>>;
}

/// Accepts connections.
pub trait Listen: Debug + Send + Sync + 'static {
    /// Waits for a connection.
    fn accept(&self) -> Pending<'_, io::Result<(ByteStream, SocketAddr)>>;

    /// Where it listens.
    ///
    /// # Errors
    /// When that cannot be told.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// The machine's own network.
#[derive(Clone, Copy, Debug)]
pub struct Tcp;

impl Network for Tcp {
    fn resolve<'a>(&'a self, target: &'a str) -> Pending<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(lookup_host(target).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> Pending<'_, io::Result<ByteStream>> {
        Box::pin(async move { Ok(prepared(TcpStream::connect(address).await?)) })
    }

    fn source_towards(&self, address: SocketAddr) -> Pending<'_, Option<IpAddr>> {
        let any: IpAddr =
            if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        Box::pin(async move {
            // Connecting a UDP socket sends nothing.
            let socket = UdpSocket::bind((any, 0)).await.ok()?;
            socket.connect(address).await.ok()?;
            let source = socket.local_addr().ok()?.ip();
            (!source.is_unspecified()).then_some(source)
        })
    }
}

impl Listen for TcpListener {
    fn accept(&self) -> Pending<'_, io::Result<(ByteStream, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = self.accept().await?;
            Ok((prepared(stream), peer))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

fn prepared(stream: TcpStream) -> ByteStream {
    // A message is written at once or not at all: waiting to fill a packet only delays it.
    let _ = stream.set_nodelay(true);
    Box::new(stream)
}
