//! How coordinators and workers reach each other: the one door through which they dial and listen.
//!
//! Services get a [`Transport`] and open no socket themselves. It is made over a [`Network`], which is plain TCP
//! unless a test brings another one, and knows nothing of what is said over it.

mod dialer;
mod incoming;
mod network;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

pub use dialer::{Channel, Dialer};
pub use incoming::{Connection, Incoming, Peer};
pub use network::{ByteStream, Duplex, Listen, Network, Pending, Tcp};

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
        Incoming::start(self.listener, most)
    }
}

impl From<TcpListener> for Transport {
    fn from(listener: TcpListener) -> Self {
        Self::new(listener, Tcp)
    }
}
