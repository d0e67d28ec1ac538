//! Instants on the one clock that commands, the harness and the kernel share: milliseconds since the boot.
//!
//! It is read from `/proc/uptime`, as commands do, so that both have the same steps of 10 ms.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};

/// The step of the clock: an instant is up to this much later than it says.
pub const STEP: Duration = Duration::from_millis(10);

/// An instant, in milliseconds since the boot of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boot(pub i64);

impl Boot {
    /// Now.
    pub fn now() -> Self {
        let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        text.split(' ').next().and_then(Self::parse).unwrap_or_default()
    }

    /// Reads seconds with two decimals.
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, hundredths) = text.split_once('.')?;
        if hundredths.len() != 2 {
            return None;
        }
        let (seconds, hundredths): (i64, i64) = (seconds.parse().ok()?, hundredths.parse().ok()?);
        Some(Self(seconds * 1_000 + hundredths * 10))
    }

    /// This much later.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0 + millis(span))
    }

    /// This much earlier.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0 - millis(span))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 2)
}

/// Waits for the clock's next step: an instant taken then is as exact as its number.
///
/// # Errors
/// If the clock stands still.
pub(super) fn next_step() -> Result<Boot> {
    let first = Boot::now();
    (0..1_000_000).map(|_| Boot::now()).find(|now| *now > first).context("/proc/uptime stands still")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_as_the_kernel_writes_it() {
        assert_eq!(Boot::parse("717.07"), Some(Boot(717_070)));
        assert_eq!(Boot::parse("717"), None);
        assert_eq!(Boot(717_070).to_string(), "717.070");
        assert_eq!(Boot(5).since(Boot(9)), Duration::ZERO);
    }

    #[test]
    fn the_clock_goes_on() {
        assert!(next_step().unwrap() <= Boot::now());
    }
}
