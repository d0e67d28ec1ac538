use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_stream::StreamExt;

use super::*;
use crate::network::Pending;

const LIMIT: Duration = Duration::from_secs(60);
/// How long clients have here.
const SHORT: Duration = Duration::from_millis(300);

/// Clients that knock, in order.
#[derive(Debug)]
struct Door {
    knocks: tokio::sync::Mutex<mpsc::UnboundedReceiver<DuplexStream>>,
}

/// Knocks at a door.
struct Street {
    knocks: Mutex<mpsc::UnboundedSender<DuplexStream>>,
}

impl Street {
    fn knock(&self) -> DuplexStream {
        let (here, there) = duplex(1024);
        self.knocks.lock().unwrap().send(there).unwrap();
        here
    }
}

impl Listen for Door {
    fn accept(&self) -> Pending<'_, io::Result<(ByteStream, SocketAddr)>> {
        Box::pin(async move {
            match self.knocks.lock().await.recv().await {
                Some(stream) => Ok((Box::new(stream) as ByteStream, "192.0.2.1:1".parse().unwrap())),
                None => std::future::pending().await,
            }
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok("192.0.2.2:1".parse().unwrap())
    }
}

fn door(most: usize) -> (Street, Incoming) {
    let (street, knocks) = mpsc::unbounded_channel();
    let door = Door { knocks: tokio::sync::Mutex::new(knocks) };
    (
        Street { knocks: Mutex::new(street) },
        Incoming::start(Arc::new(door), None, Limits { most, opened_within: SHORT }),
    )
}

async fn next(incoming: &mut Incoming) -> Connection {
    tokio::time::timeout(LIMIT, incoming.next()).await.expect("somebody knocks").unwrap().unwrap()
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let (street, mut incoming) = door(8);
    let _silent = street.knock();
    let mut connection = next(&mut incoming).await;
    let read = tokio::time::timeout(LIMIT, connection.read_u8()).await.expect("it is cut off");
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_client_that_says_it_byte_by_byte_gets_no_more_time() {
    let (street, mut incoming) = door(8);
    let mut slow = street.knock();
    tokio::spawn(async move {
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
            let _ = slow.write_u8(*byte).await;
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut connection = next(&mut incoming).await;
    let error = loop {
        match tokio::time::timeout(LIMIT, connection.read_u8()).await.expect("it is cut off") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_client_that_has_said_the_preface_may_be_silent_as_long_as_it_likes() {
    let (street, mut incoming) = door(8);
    let mut client = street.knock();
    let mut connection = next(&mut incoming).await;
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    connection.read_exact(&mut [0; PREFACE]).await.unwrap();
    let read = tokio::time::timeout(SHORT * 4, connection.read_u8()).await;
    assert!(read.is_err(), "{read:?}");
}

#[tokio::test]
async fn one_more_than_the_most_waits_until_a_place_is_free() {
    let (street, mut incoming) = door(2);
    let _clients: Vec<_> = (0..3).map(|_| street.knock()).collect();
    let (first, _second) = (next(&mut incoming).await, next(&mut incoming).await);
    assert!(tokio::time::timeout(SHORT, incoming.next()).await.is_err(), "it is let in beside two others");
    drop(first);
    next(&mut incoming).await;
}
