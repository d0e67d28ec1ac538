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

use crate::network::{ByteStream, Listen};

/// How long a client may take to say that it speaks HTTP/2. One that says nothing would hold a place for ever.
const OPENED_WITHIN: Duration = Duration::from_secs(5);
/// How long the preface of HTTP/2 is (RFC 9113 §3.4).
const PREFACE: usize = 24;
/// The wait after the machine ran out of something, such as descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection; in the extensions of each request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
}

/// Connections, as tonic's server takes them.
#[derive(Debug)]
pub struct Incoming {
    connections: mpsc::Receiver<io::Result<Connection>>,
}

impl Incoming {
    pub(crate) fn start(listener: Arc<dyn Listen>, most: usize) -> Self {
        let (accepted, connections) = mpsc::channel(1);
        tokio::spawn(accept(listener, accepted, most));
        Self { connections }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections.poll_recv(context)
    }
}

async fn accept(listener: Arc<dyn Listen>, accepted: mpsc::Sender<io::Result<Connection>>, most: usize) {
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
            Ok((stream, address)) => {
                let connection = Connection::new(stream, Peer { address }, place);
                if accepted.send(Ok(connection)).await.is_err() {
                    return;
                }
            }
            Err(error) => survive(&error).await,
        }
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
    fn new(stream: ByteStream, peer: Peer, place: OwnedSemaphorePermit) -> Self {
        let opening = Some((Box::pin(tokio::time::sleep(OPENED_WITHIN)), 0));
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
