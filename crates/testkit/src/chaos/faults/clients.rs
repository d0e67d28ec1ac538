//! Clients that behave badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::chaos::scene::Scene;

/// How many clients hang up, and how many at a time.
const HANG_UPS: usize = 3_000;
const AT_ONCE: usize = 32;

/// F37.
pub(super) async fn hang_up(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let address = Arc::new(scene.world.schedulers[0].address());
    let next = Arc::new(AtomicUsize::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (address, next) = (address.clone(), next.clone());
        lanes.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= HANG_UPS {
                    break;
                }
                // One that cannot connect has hung up as well.
                let _ = timeout(Duration::from_secs(5), hang_up_once(&address, n)).await;
            }
        });
    }
    while lanes.join_next().await.is_some() {}
    scene.figure("hung up", HANG_UPS);
    let began = tokio::time::Instant::now();
    let answer = scene.api().get("/livez").await?;
    scene.figure("an answer afterwards", format!("{} in {:?}", answer.status, began.elapsed()));
    if answer.status != 200 {
        scene.violate(format!("/livez is {} after clients hung up", answer.status));
    }
    scene.goes_on(25).await;
    Ok(())
}

/// Hangs up within the head, within the body, right after the request, or while a task is waited for.
async fn hang_up_once(address: &str, n: usize) -> Result<()> {
    let body = r#"{"command":"true","executor":"noop","labels":{"kind":"raw"}}"#;
    let path = if n % 8 == 7 { "/v1/tasks?wait=5s" } else { "/v1/tasks" };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let whole = head.clone() + body;
    let sent = match n % 4 {
        0 => head.len() / 2,
        1 => head.len() + body.len() / 2,
        _ => whole.len(),
    };
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&whole.as_bytes()[..sent]).await?;
    if n.is_multiple_of(2) {
        stream.set_zero_linger()?;
    }
    Ok(())
}
