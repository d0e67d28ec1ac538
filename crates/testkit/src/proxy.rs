//! A wire to a database that a test can cut: an outage of whichever server there is, for one test alone.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnectOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
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
        let mut proxy = Self { url, port, server, wire: None };
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

    /// Accepts connections again on the same port.
    ///
    /// # Errors
    /// If the port cannot be listened on.
    pub async fn mend(&mut self) -> Result<()> {
        if self.wire.is_none() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
            let listener = listener.with_context(|| format!("cannot listen on port {}", self.port))?;
            let (up, cut) = oneshot::channel();
            self.wire = Some(Wire { up, passing: tokio::spawn(pass_on(listener, self.server.clone(), cut)) });
        }
        Ok(())
    }
}

/// Passes connections on until the other end of `cut` is gone.
async fn pass_on(listener: TcpListener, server: (String, u16), mut cut: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut cut => break,
        };
        if let Ok((client, _)) = accepted {
            connections.spawn(pass_one_on(client, server.clone()));
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Passes bytes on in both directions until either side ends. A server that is away ends the client's side.
async fn pass_one_on(mut client: TcpStream, server: (String, u16)) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    // What one side flushes must not wait here to fill a packet.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

/// Puts another host and port into a URL; the user, the database and the parameters stay.
fn with_address(url: &str, address: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").with_context(|| format!("no URL: {url}"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let user = authority.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    Ok(format!("{scheme}://{user}{address}{rest}"))
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
