use std::io::ErrorKind;

use super::*;
use crate::eventually;
use crate::free_port;

const LIMIT: Duration = Duration::from_secs(20);

/// A server that says everything back, and a wire before it.
async fn echo() -> Wire {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    Wire::start(free_port(), target, 1).await.unwrap()
}

async fn said_back(stream: &mut TcpStream, text: &[u8]) -> io::Result<()> {
    stream.write_all(text).await?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).await?;
    assert_eq!(back, text);
    Ok(())
}

#[tokio::test]
async fn what_was_sent_in_silence_arrives_after_it() {
    let wire = echo().await;
    let mut stream = TcpStream::connect(wire.address()).await.unwrap();
    said_back(&mut stream, b"before").await.unwrap();
    for silent in [
        Weather { up: Flow { silent: true, ..Flow::default() }, ..Weather::default() },
        Weather { down: Flow { silent: true, ..Flow::default() }, ..Weather::default() },
    ] {
        wire.set(silent);
        stream.write_all(b"within").await.unwrap();
        let mut back = [0; 6];
        let early = tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut back)).await;
        assert!(early.is_err(), "silence was broken");
        wire.heal();
        tokio::time::timeout(LIMIT, stream.read_exact(&mut back)).await.unwrap().unwrap();
        assert_eq!(&back, b"within");
    }
}

#[tokio::test]
async fn a_wire_that_is_gone_resets_who_is_there_and_who_comes() {
    let wire = echo().await;
    let mut stream = TcpStream::connect(wire.address()).await.unwrap();
    said_back(&mut stream, b"before").await.unwrap();
    wire.set(Weather::gone());
    let mut end = [0];
    let ended = tokio::time::timeout(LIMIT, stream.read(&mut end)).await.unwrap();
    assert!(ended.is_err() || ended.unwrap() == 0);
    let mut late = TcpStream::connect(wire.address()).await.unwrap();
    let refused = tokio::time::timeout(LIMIT, said_back(&mut late, b"late")).await.unwrap();
    assert!(refused.is_err());
    wire.heal();
    eventually(LIMIT, "a connection after the healing", || async {
        let mut again = TcpStream::connect(wire.address()).await?;
        said_back(&mut again, b"after").await
    })
    .await;
}

#[tokio::test]
async fn slow_and_sliced_bytes_arrive_whole_and_in_order() {
    let wire = echo().await;
    let ms = Duration::from_millis;
    wire.set(Weather::both(Flow { delay: ms(3), jitter: ms(3), slice: Some(700), ..Flow::default() }));
    let mut stream = TcpStream::connect(wire.address()).await.unwrap();
    let text: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
    let sent = Instant::now();
    tokio::time::timeout(LIMIT, said_back(&mut stream, &text)).await.unwrap().unwrap();
    assert!(sent.elapsed() >= ms(1), "nothing was under way");
}

#[tokio::test]
async fn a_reset_answer_ends_the_connection_after_the_call_was_received() {
    let wire = echo().await;
    wire.set(Weather { down: Flow { resets: 1.0, ..Flow::default() }, ..Weather::default() });
    let mut stream = TcpStream::connect(wire.address()).await.unwrap();
    let answer = tokio::time::timeout(LIMIT, said_back(&mut stream, b"call")).await.unwrap();
    let kind = answer.unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof), "{kind}");
}
