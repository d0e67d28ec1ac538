//! A connection that is given up when its client takes what it asked for too slowly, or not at all: the answer lies in
//! memory meanwhile.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// What a client that lets us wait must take in each second.
const LEAST_RATE: u64 = 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: TcpStream,
    /// How long a client may let us wait before its rate is looked at.
    limit: Duration,
    slow: Option<Slow>,
}

/// A client that did not take all at once.
#[derive(Debug)]
struct Slow {
    until: Pin<Box<Sleep>>,
    /// What it took since the period began.
    taken: u64,
}

impl Patient {
    pub(crate) fn new(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, limit, slow: None }
    }

    /// Notes what became of a write of `offered` bytes.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        offered: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(count)) if count < offered => {
                if let Some(slow) = &mut self.slow {
                    slow.taken += count as u64;
                }
                written
            }
            Poll::Ready(_) => {
                self.slow = None;
                written
            }
            Poll::Pending => self.wait(context),
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let limit = self.limit;
        let slow = self.slow.get_or_insert_with(|| Slow { until: Box::pin(sleep(limit)), taken: 0 });
        while slow.until.as_mut().poll(context).is_ready() {
            if slow.taken < LEAST_RATE * limit.as_secs().max(1) {
                let reason = "the client takes its answer too slowly";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)));
            }
            slow.taken = 0;
            slow.until.as_mut().reset(Instant::now() + limit);
        }
        Poll::Pending
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, offered, written)
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
