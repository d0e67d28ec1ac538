//! What a person sees on standard error while it runs: a bar on a terminal, a line for each phase elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const WIDTH: usize = 30;
/// How often the bar is drawn at most.
const REDRAW: Duration = Duration::from_millis(100);

/// Where it goes.
pub(crate) struct Progress {
    is_terminal: bool,
    phase: String,
    drawn: Option<Instant>,
}

impl Progress {
    /// Standard error.
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), phase: String::new(), drawn: None }
    }

    /// Begins something.
    pub(crate) fn phase(&mut self, what: impl Into<String>) {
        self.phase = what.into();
        self.drawn = None;
        if self.is_terminal {
            self.write(&format!("\r\u{1b}[K{}", self.phase));
        } else {
            self.write(&format!("{}\n", self.phase));
        }
    }

    /// How much of it is done.
    pub(crate) fn at(&mut self, done: usize, of: usize) {
        let early = self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW);
        if self.is_terminal && !early {
            self.drawn = Some(Instant::now());
            self.write(&format!("\r\u{1b}[K{} {}", self.phase, bar(done, of)));
        }
    }

    /// Ends what was shown, before something else is written.
    pub(crate) fn end(&mut self) {
        if self.is_terminal {
            self.write("\r\u{1b}[K");
        }
    }

    fn write(&self, text: &str) {
        // That nobody reads it is no reason to stop measuring.
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

fn bar(done: usize, of: usize) -> String {
    let done = done.min(of);
    let full = (done * WIDTH).checked_div(of).unwrap_or(WIDTH);
    format!("[{}{}] {done}/{of}", "#".repeat(full), "-".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_never_longer_than_full() {
        assert_eq!(bar(15, 30), format!("[{}{}] 15/30", "#".repeat(15), "-".repeat(15)));
        assert_eq!(bar(40, 30), format!("[{}] 30/30", "#".repeat(30)));
        assert_eq!(bar(0, 0), format!("[{}] 0/0", "#".repeat(30)));
    }
}
