//! The spawn loop: `sh -c 'echo hello'` with both pipes read, and nothing else.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;

/// How many at a time; machines differ in which is best.
const AT_ONCE: [usize; 2] = [4, 8];
const LASTS: Duration = Duration::from_millis(700);

/// Commands a second, as many at a time as is best.
pub(super) async fn rate() -> Result<f64> {
    let mut best = 0.0_f64;
    for at_once in AT_ONCE {
        let (count, seconds) = many(at_once, LASTS).await?;
        best = best.max(count as f64 / seconds);
    }
    Ok(best)
}

/// Milliseconds that one takes which runs alone.
pub(super) async fn one() -> Result<f64> {
    let (count, seconds) = many(1, LASTS).await?;
    Ok(seconds * 1e3 / count as f64)
}

async fn many(at_once: usize, lasts: Duration) -> Result<(usize, f64)> {
    let began = Instant::now();
    let lanes = (0..at_once).map(|_| async {
        // On the pool, as whoever serves requests does; not all on the thread that waits here.
        let lane = async move {
            let mut count = 0;
            while began.elapsed() < lasts {
                echo().await?;
                count += 1;
            }
            anyhow::Ok(count)
        };
        tokio::spawn(lane).await?
    });
    let counts: Vec<usize> = try_join_all(lanes).await?;
    Ok((counts.into_iter().sum(), began.elapsed().as_secs_f64()))
}

async fn echo() -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "measures what a bare loop of this can do")]
    let mut command = tokio::process::Command::new("/bin/sh");
    command.args(["-c", "echo hello"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.spawn()?.wait_with_output().await?;
    ensure!(output.stdout == b"hello\n", "the spawn loop printed something else");
    Ok(())
}
