//! Listening: accepts connections, only so many at once, and gives each of them only so much time to begin.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use crate::expiry;
use crate::network::{ByteStream, Listen};
use crate::tls::{Certified, Tls};

/// How long a client may take to say that it speaks HTTP/2. One that says nothing would hold a place for ever.
pub(crate) const OPENED_WITHIN: Duration = Duration::from_secs(5);
/// How long the preface of HTTP/2 is (RFC 9113 §3.4).
const PREFACE: usize = 24;
/// The wait after the machine ran out of something, such as descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection; in the extensions of each request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// What its certificate says; none without TLS.
    pub certified: Option<Certified>,
}

impl Peer {
    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

/// What clients may take before they have said anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many connections are open at once.
    pub(crate) most: usize,
    /// How long one may take to begin.
    pub(crate) opened_within: Duration,
}

/// Connections, as tonic's server takes them.
#[derive(Debug)]
pub struct Incoming {
    connections: mpsc::Receiver<io::Result<Connection>>,
}

impl Incoming {
    pub(crate) fn start(listener: Arc<dyn Listen>, tls: Option<Arc<Tls>>, limits: Limits) -> Self {
        let (accepted, connections) = mpsc::channel(1);
        if let Some(tls) = tls.clone() {
            let stopped = accepted.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = stopped.closed() => {}
                    () = expiry::watch(|| tls.expires()) => {}
                }
            });
        }
        tokio::spawn(accept(listener, tls, accepted, limits));
        Self { connections }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections.poll_recv(context)
    }
}

async fn accept(
    listener: Arc<dyn Listen>,
    tls: Option<Arc<Tls>>,
    accepted: mpsc::Sender<io::Result<Connection>>,
    Limits { most, opened_within }: Limits,
) {
    let places = Arc::new(Semaphore::new(most));
    loop {
        // Before the accept: who waits does so in the kernel's queue, where it costs next to nothing.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = accepted.closed() => return,
        };
        let Ok(place) = place else { return };
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            () = accepted.closed() => return,
        };
        match taken {
            Ok((stream, address)) => match tls.clone() {
                None => {
                    let connection =
                        Connection::new(stream, Peer { address, certified: None }, place, opened_within);
                    if accepted.send(Ok(connection)).await.is_err() {
                        return;
                    }
                }
                // Beside the others, since it waits for the client.
                Some(tls) => {
                    drop(tokio::spawn(shake(tls, stream, (address, place, opened_within), accepted.clone())))
                }
            },
            Err(error) => survive(&error).await,
        }
    }
}

async fn shake(
    tls: Arc<Tls>,
    stream: ByteStream,
    (address, place, opened_within): (SocketAddr, OwnedSemaphorePermit, Duration),
    accepted: mpsc::Sender<io::Result<Connection>>,
) {
    match tls.accept(stream).await {
        Ok((stream, certified)) => {
            let peer = Peer { address, certified: Some(certified) };
            // Nobody takes it when the service stops.
            let _ = accepted.send(Ok(Connection::new(stream, peer, place, opened_within))).await;
        }
        Err(error) => tracing::debug!(%address, %error, "TLS handshake failed"),
    }
}

/// A client that is gone already is nothing; running out of descriptors passes.
async fn survive(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "a connection could not be accepted");
    tokio::time::sleep(RETRY).await;
}

/// A connection that was accepted. Holds its place until it is dropped.
pub struct Connection {
    stream: ByteStream,
    peer: Peer,
    /// Until the preface is there: how long that may take, and how much of it was read.
    opening: Option<(Pin<Box<Sleep>>, usize)>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: ByteStream, peer: Peer, place: OwnedSemaphorePermit, opened_within: Duration) -> Self {
        let opening = Some((Box::pin(tokio::time::sleep(opened_within)), 0));
        Self { stream, peer, opening, _place: place }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some((limit, read)) = &mut this.opening else { return polled };
        match &polled {
            Poll::Ready(_) => {
                *read += buffer.filled().len() - before;
                if *read >= PREFACE {
                    this.opening = None;
                }
            }
            Poll::Pending => {
                if limit.as_mut().poll(context).is_ready() {
                    let late = "no HTTP/2 preface in time";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, late)));
                }
            }
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
