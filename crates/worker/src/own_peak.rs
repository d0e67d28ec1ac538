//! The most memory that this process itself ever had, which the kernel counts in with each of its commands.
//!
//! A command begins as a child that shares our memory until its exec (`posix_spawn`), so that the peak that is
//! accounted to it is never below ours. What does not rise above ours is not the command's.

use std::sync::atomic::{AtomicU64, Ordering};

/// The kernel counts pages in batches: two readings of one peak may differ by as much.
const BLUR: u64 = 1024 * 1024;

/// This process's peak as it was last read, in bytes.
#[derive(Debug, Default)]
pub(crate) struct OwnPeak(AtomicU64);

impl OwnPeak {
    /// The peak of a command, as far as `accounted` tells more than our own.
    ///
    /// Our own is read again only when something rose above it: it never falls, and most commands are small.
    pub(crate) fn beyond(&self, accounted: u64) -> Option<u64> {
        if accounted <= self.0.load(Ordering::Relaxed) + BLUR {
            return None;
        }
        let own = peak(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()).unwrap_or(0);
        self.0.fetch_max(own, Ordering::Relaxed);
        (accounted > own + BLUR).then_some(accounted)
    }
}

/// Reads the peak in a text like that of `/proc/<pid>/status`.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rises_above_our_own_is_the_commands() {
        let own = OwnPeak::default();
        assert_eq!(own.beyond(4096), None);
        let ours = peak(&std::fs::read_to_string("/proc/self/status").unwrap()).unwrap();
        assert_eq!(own.beyond(ours), None);
        assert_eq!(own.beyond(1 << 40), Some(1 << 40));
    }

    #[test]
    fn the_peak_is_read_in_bytes() {
        assert_eq!(peak("Name:\tx\nVmHWM:\t    1552 kB\nVmRSS:\t 1 kB\n"), Some(1552 * 1024));
        assert_eq!(peak(""), None);
    }
}
