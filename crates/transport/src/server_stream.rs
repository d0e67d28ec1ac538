//! A connection of a server that may speak TLS. The handshake is made by whoever reads or writes first, so that accepting
//! waits for no client. One that speaks plain HTTP instead is told so.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_rustls::Accept;
use tokio_rustls::server::TlsStream;

use crate::network::Duplex;
use crate::opened::Opened;
use crate::tls::{HANDSHAKE_WITHIN, ServerTls};

/// How a TLS client begins: with a record of a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// What a client hears that does not. It would not understand a TLS alert.
const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 52\r\nconnection: close\r\n\r\nthis port speaks HTTPS: use https:// in its address\n";

/// See the module.
pub struct ServerStream<S> {
    state: State<S>,
    /// Until the handshake is over: when it must be.
    limit: Option<Pin<Box<Sleep>>>,
}

enum State<S> {
    Plain(S),
    /// Nothing was heard yet.
    Silent(S, ServerTls),
    Shaking(Box<Accept<Opened<S>>>),
    Secure(Box<TlsStream<Opened<S>>>),
    /// Somebody without TLS, and how much of the refusal is written.
    Refused(S, usize),
    Over,
}

impl<S: Duplex> ServerStream<S> {
    /// With TLS, if there is any. Must be called within a runtime then.
    pub fn new(stream: S, tls: Option<&ServerTls>) -> Self {
        Self::within(stream, tls, HANDSHAKE_WITHIN)
    }

    fn within(stream: S, tls: Option<&ServerTls>, handshake: Duration) -> Self {
        match tls {
            None => Self { state: State::Plain(stream), limit: None },
            Some(tls) => {
                let limit = Some(Box::pin(tokio::time::sleep(handshake)));
                Self { state: State::Silent(stream, tls.clone()), limit }
            }
        }
    }

    /// The stream to read and write, once the handshake is over.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Duplex>>> {
        if let Some(limit) = &mut self.limit {
            let opened = self.state.poll_step(context);
            if opened.is_pending() && limit.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.limit = None;
            let late = || io::Error::new(ErrorKind::TimedOut, "no TLS handshake in time");
            let opened = if let Poll::Ready(opened) = opened { opened } else { Err(late()) };
            if let Err(error) = opened {
                self.state = State::Over;
                return Poll::Ready(Err(error));
            }
        }
        match &mut self.state {
            State::Plain(stream) => Poll::Ready(Ok(Pin::new(stream))),
            State::Secure(stream) => Poll::Ready(Ok(Pin::new(stream.as_mut()))),
            State::Silent(..) | State::Shaking(_) | State::Refused(..) | State::Over => {
                Poll::Ready(Err(ErrorKind::NotConnected.into()))
            }
        }
    }
}

impl<S: Duplex> State<S> {
    /// Goes on until the connection is secure, or cannot be.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            *self = match self {
                Self::Silent(stream, _) => {
                    let mut first = [0];
                    let mut buffer = ReadBuf::new(&mut first);
                    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
                    let heard = buffer.filled().first().copied();
                    let Self::Silent(stream, tls) = std::mem::replace(self, Self::Over) else { continue };
                    match heard {
                        None => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                        Some(HANDSHAKE) => {
                            let stream = Opened::new(stream, HANDSHAKE);
                            Self::Shaking(Box::new(tls.acceptor().accept(stream)))
                        }
                        Some(_) => Self::Refused(stream, 0),
                    }
                }
                Self::Shaking(accept) => {
                    Self::Secure(Box::new(ready!(Pin::new(accept.as_mut()).poll(context))?))
                }
                Self::Refused(stream, written) => {
                    while *written < REFUSAL.len() {
                        *written += ready!(Pin::new(&mut *stream).poll_write(context, &REFUSAL[*written..]))?;
                    }
                    ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
                    // To the end: closing over what was sent and not read would take the refusal back.
                    let mut rest = [0; 1024];
                    let mut buffer = ReadBuf::new(&mut rest);
                    while {
                        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
                        !buffer.filled().is_empty()
                    } {
                        buffer.clear();
                    }
                    return Poll::Ready(Err(io::Error::other("the client speaks no TLS")));
                }
                Self::Plain(_) | Self::Secure(_) | Self::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: Duplex> AsyncRead for ServerStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_open(context))?.poll_read(context, buffer)
    }
}

impl<S: Duplex> AsyncWrite for ServerStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(context))?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(context))?.poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.state {
            State::Plain(stream) => stream.is_write_vectored(),
            State::Silent(..) | State::Shaking(_) | State::Secure(_) | State::Refused(..) | State::Over => {
                true
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_flush(context),
            State::Secure(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            // Nothing was written yet.
            State::Silent(..) | State::Shaking(_) | State::Refused(..) | State::Over => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            State::Secure(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            // Nobody was promised anything yet.
            State::Silent(..) | State::Shaking(_) | State::Refused(..) | State::Over => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
#[path = "server_stream_tests.rs"]
mod tests;
