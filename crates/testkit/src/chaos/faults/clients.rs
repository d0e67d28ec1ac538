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
/// How many connections a crowd holds.
const CROWD: usize = 2_000;

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

/// F32. This process holds the other end of each connection, which bounds how many there can be.
pub(super) async fn crowd(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let address = scene.world.schedulers[0].address();
    let mut crowd = Vec::new();
    for n in 0..CROWD {
        let Ok(Ok(mut stream)) = timeout(Duration::from_secs(5), TcpStream::connect(&address)).await else {
            break;
        };
        // One in four begins a head that it never ends.
        if n % 4 == 0 {
            let _ = stream.write_all(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
        }
        crowd.push(stream);
    }
    scene.figure("connections that do nothing", crowd.len());
    health(scene, "among a crowd").await;
    let huge = "x".repeat(100 * 1024 * 1024);
    let api = scene.api();
    let request = api.request(reqwest::Method::POST, "/v1/tasks").header("Content-Type", "application/json");
    let answer = timeout(Duration::from_secs(30), api.send(request.body(huge))).await;
    // Whoever writes on after the refusal may be reset before it is read.
    match answer {
        Ok(Ok(answer)) if answer.status == 413 => scene.figure("a body of 100 MB", "413"),
        Ok(Ok(answer)) => scene.violate(format!("a body of 100 MB is answered with {}", answer.status)),
        Ok(Err(_)) => scene.figure("a body of 100 MB", "reset"),
        Err(_) => scene.violate("a body of 100 MB is read for half a minute"),
    }
    health(scene, "after a huge body").await;
    drop(crowd);
    scene.goes_on(25).await;
    Ok(())
}

/// How long `/livez` takes, which must be a moment: a second is ten times what it may take on a fast machine.
async fn health(scene: &Scene, when: &str) {
    let began = tokio::time::Instant::now();
    let answer = scene.api().get("/livez").await;
    let took = began.elapsed();
    scene.figure(format!("/livez {when}"), format!("{took:?}"));
    if !answer.is_ok_and(|answer| answer.status == 200) || took > Duration::from_secs(1) {
        scene.violate(format!("/livez {when} took {took:?}"));
    }
}
