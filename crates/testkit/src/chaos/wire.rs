//! A TCP wire between two processes, with weather: each direction can fall silent, be slow, be cut into slices,
//! be reset, and all of it can be refused.
//!
//! Silence holds bytes back until it ends, as a network does whose lost packets are sent again: what a process
//! wrote before a partition arrives after it. TCP repeats and reorders nothing for its user. What a message sent
//! twice does is shown by [`Flow::resets`] on the answers alone: the call was received, and is made again.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

/// Bytes of one read where nothing is sliced.
const CHUNK: usize = 16 * 1024;
/// Chunks under way in one direction; more of them must wait at the sender.
const UNDER_WAY: usize = 256;

/// What one direction does to bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// Nothing passes, and nothing is said about it.
    pub silent: bool,
    /// How long bytes are under way.
    pub delay: Duration,
    /// By how much that varies, either way.
    pub jitter: Duration,
    /// The most bytes that pass at once.
    pub slice: Option<usize>,
    /// The most bytes of a second.
    pub bandwidth: Option<u32>,
    /// The part of chunks, 0 to 1, in whose place the connection is reset.
    pub resets: f64,
}

/// What a wire does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weather {
    /// From the side that connects to the one that listens.
    pub up: Flow,
    /// Back.
    pub down: Flow,
    /// Whether there is nobody there: open connections are reset, new ones too.
    pub gone: bool,
}

impl Weather {
    /// Nothing passes in either direction.
    pub fn silence() -> Self {
        let silent = Flow { silent: true, ..Flow::default() };
        Self { up: silent.clone(), down: silent, gone: false }
    }

    /// Nobody is there.
    pub fn gone() -> Self {
        Self { gone: true, ..Self::default() }
    }

    /// The same in both directions.
    pub fn both(flow: Flow) -> Self {
        Self { up: flow.clone(), down: flow, gone: false }
    }
}

/// A wire. Gone, with all its connections, when dropped.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    weather: watch::Sender<Weather>,
    passing: JoinHandle<()>,
}

impl Wire {
    /// Listens on `port` of 127.0.0.1 and passes connections on to `target`, a host and a port.
    ///
    /// # Errors
    /// If the port cannot be listened on.
    pub async fn start(port: u16, target: String, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("cannot listen on port {port}"))?;
        let (weather, seen) = watch::channel(Weather::default());
        let dice = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        let passing = tokio::spawn(pass(listener, target, seen, dice));
        Ok(Self { port, weather, passing })
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).to_string()
    }

    /// Changes the weather, of open connections too.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.set(Weather::default());
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

type Seen = watch::Receiver<Weather>;
type Dice = Arc<Mutex<StdRng>>;

async fn pass(listener: TcpListener, target: String, seen: Seen, dice: Dice) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connection(client, target.clone(), seen.clone(), dice.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, until either side ends it or the weather does.
async fn connection(client: TcpStream, target: String, mut seen: Seen, dice: Dice) {
    if seen.borrow_and_update().gone {
        return reset(&client);
    }
    // Nobody gets an answer through a silent wire, not even that the other side has taken the call.
    let Ok(server) = TcpStream::connect(&target).await else {
        return reset(&client);
    };
    // What one side flushes must not wait here to fill a packet.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let flows = async {
        let up = direction(from_client, to_server, seen.clone(), dice.clone(), |weather| &weather.up);
        let down = direction(from_server, to_client, seen.clone(), dice, |weather| &weather.down);
        tokio::pin!(up, down);
        // A side that closes its half may still be answered; a broken one ends both.
        tokio::select! {
            end = &mut up => if end.is_ok() { let _ = down.await; },
            end = &mut down => if end.is_ok() { let _ = up.await; },
        }
    };
    let mut gone = seen.clone();
    tokio::select! {
        () = flows => {}
        _ = gone.wait_for(|weather| weather.gone) => {}
    }
}

/// Passes bytes in one direction until the sender's end, which is passed on too.
async fn direction(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    seen: Seen,
    dice: Dice,
    of: fn(&Weather) -> &Flow,
) -> io::Result<()> {
    let (chunks, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let writer_seen = seen.clone();
    let reading = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let most = of(&seen.borrow()).slice.unwrap_or(CHUNK).clamp(1, CHUNK);
            let count = from.read(&mut buffer[..most]).await?;
            if count == 0 {
                return Ok(());
            }
            let flow = of(&seen.borrow()).clone();
            if flow.resets > 0.0 && roll(&dice, 0.0..1.0) < flow.resets {
                reset(from.as_ref());
                return Err(io::Error::from(io::ErrorKind::ConnectionReset));
            }
            let arrives = Instant::now() + under_way(&flow, &dice);
            if chunks.send((arrives, buffer[..count].to_vec())).await.is_err() {
                return Ok(());
            }
        }
    };
    let writing = async move {
        let mut seen = writer_seen;
        while let Some((arrives, bytes)) = arriving.recv().await {
            sleep_until(arrives).await;
            let _ = seen.wait_for(|weather| !of(weather).silent).await;
            if let Err(error) = to.write_all(&bytes).await {
                reset(to.as_ref());
                return Err(error);
            }
            let bandwidth = of(&seen.borrow()).bandwidth;
            if let Some(bandwidth) = bandwidth {
                sleep(Duration::from_secs_f64(bytes.len() as f64 / f64::from(bandwidth.max(1)))).await;
            }
        }
        let _ = seen.wait_for(|weather| !of(weather).silent).await;
        to.shutdown().await
    };
    tokio::try_join!(reading, writing).map(|_| ())
}

fn under_way(flow: &Flow, dice: &Dice) -> Duration {
    let jitter = flow.jitter.as_secs_f64();
    if jitter == 0.0 {
        return flow.delay;
    }
    Duration::from_secs_f64((flow.delay.as_secs_f64() + roll(dice, -jitter..jitter)).max(0.0))
}

fn roll(dice: &Dice, range: std::ops::Range<f64>) -> f64 {
    dice.lock().unwrap_or_else(PoisonError::into_inner).random_range(range)
}

/// Makes the end of the connection a reset instead of an orderly one.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
