//! SIGINT, SIGTERM and SIGHUP: the first asks everything to drain, a second one ends the process at once.

use std::io;
use std::time::Duration;

use distrack_worker::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exits;

/// How long the end may take that a second signal asks for. Workers use it to kill what they run.
const NOW: Duration = Duration::from_millis(1_500);

/// What the signals ask for. From here on none ends the process by itself.
pub(crate) fn signals() -> io::Result<Shutdown> {
    let mut signals = Signals::listen()?;
    let shutdown = Shutdown::default();
    let Shutdown { drain, now } = shutdown.clone();
    tokio::spawn(async move {
        let name = signals.next().await;
        // Before a word is said: saying it may block, or fail.
        drain.cancel();
        tracing::info!(signal = name, "draining; a second signal stops at once");
        signals.next().await;
        now.cancel();
        tokio::time::sleep(NOW).await;
        std::process::exit(i32::from(exits::INTERRUPTED));
    });
    Ok(shutdown)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal is closed; `None` when whoever started the process, such as nohup(1), wants that ignored.
    hang_up: Option<Signal>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let hang_up = if hang_up_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up,
        })
    }

    async fn next(&mut self) -> &'static str {
        let hung_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hung_up => "SIGHUP",
        }
    }
}

/// Asks the kernel, where it tells; listening would override what the process was started with.
fn hang_up_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hang_up(&status))
}

fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is signal 1, the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_word_on_ignored_signals_is_understood() {
        assert!(ignores_hang_up("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n"));
        assert!(!ignores_hang_up("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!ignores_hang_up(""));
    }
}
