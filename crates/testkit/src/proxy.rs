//! A wire to a database that a test can cut: an outage of whichever server there is, for one test alone.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::port::free_port;

/// Passes connections on to a database; gone, with all of them, when dropped.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    port: u16,
    /// Host and port of the server.
    server: (String, u16),
    wire: Option<Wire>,
    /// Whether bytes are held back.
    silent: watch::Sender<bool>,
}

/// The loop that passes connections on. It ends when `up` is dropped.
#[derive(Debug)]
struct Wire {
    up: oneshot::Sender<()>,
    passing: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy on a free port in front of the PostgreSQL database that `url` names.
    ///
    /// # Errors
    /// If the URL names no host and port, or the proxy cannot listen.
    pub async fn before(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        if options.get_socket().is_some() {
            bail!("a proxy stands before a TCP port only, not before {url}");
        }
        let host = options.get_host().trim_matches(['[', ']']);
        let server = (host.to_owned(), options.get_port());
        let port = free_port();
        let url = with_address(url, &format!("{}:{port}", Ipv4Addr::LOCALHOST))?;
        let mut proxy = Self { url, port, server, wire: None, silent: watch::Sender::new(false) };
        proxy.mend().await?;
        Ok(proxy)
    }

    /// Returns the URL of the database behind the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends all connections and refuses new ones, as a server does that is gone. Returns when it is so.
    pub async fn cut(&mut self) {
        if let Some(Wire { up, passing }) = self.wire.take() {
            drop(up);
            let _ = passing.await;
        }
    }

    /// Passes nothing on any more, in neither direction, and says nothing of it: connections stay open, as over a
    /// network that swallows packets. What is sent meanwhile arrives after [`Proxy::mend`].
    pub fn silence(&self) {
        self.silent.send_replace(true);
    }

    /// Accepts connections again on the same port, and passes on what was held back.
    ///
    /// # Errors
    /// If the port cannot be listened on.
    pub async fn mend(&mut self) -> Result<()> {
        self.silent.send_replace(false);
        if self.wire.is_none() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
            let listener = listener.with_context(|| format!("cannot listen on port {}", self.port))?;
            let (up, cut) = oneshot::channel();
            self.wire = Some(Wire {
                up,
                passing: tokio::spawn(pass_on(listener, self.server.clone(), cut, self.silent.subscribe())),
            });
        }
        Ok(())
    }
}

/// Passes connections on until the other end of `cut` is gone.
async fn pass_on(
    listener: TcpListener,
    server: (String, u16),
    mut cut: oneshot::Receiver<()>,
    silent: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut cut => break,
        };
        if let Ok((client, _)) = accepted {
            connections.spawn(pass_one_on(client, server.clone(), silent.clone()));
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Passes bytes on in both directions until either side ends. A server that is away ends the client's side.
async fn pass_one_on(client: TcpStream, server: (String, u16), silent: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // What one side flushes must not wait here to fill a packet.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let _ = tokio::try_join!(
        pass_bytes_on(from_client, to_server, silent.clone()),
        pass_bytes_on(from_server, to_client, silent),
    );
}

/// Passes bytes on in one direction, unless it is silent.
async fn pass_bytes_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut silent: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        let _ = silent.wait_for(|silent| !silent).await;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..count]).await?;
    }
}

/// Puts another host and port into a URL; the user, the database and the parameters stay.
pub(crate) fn with_address(url: &str, address: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").with_context(|| format!("no URL: {url}"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let user = authority.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    Ok(format!("{scheme}://{user}{address}{rest}"))
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
