//! Instants that can be compared after a restart of the process, and of the machine as well as can be.
//!
//! They never leave this machine: what is reported is a duration.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// An instant by the machine's clock since boot, with the wall clock's for want of a better after a reboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    boot_ns: i64,
    wall_ns: i64,
}

impl Moment {
    /// The present.
    pub(crate) fn now() -> Self {
        let boot_ns = nanos(clock_gettime(ClockId::Boottime));
        Self { boot_ns, wall_ns: nanos(clock_gettime(ClockId::Realtime)) }
    }

    /// How long `earlier` was before this; nothing if it was not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let ns = self.boot_ns.saturating_sub(earlier.boot_ns);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
    }

    /// By the wall clock, for people.
    pub(crate) fn wall(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(self.wall_ns).unwrap_or(0))
    }

    /// The two readings, to be kept.
    pub(crate) fn readings(self) -> (i64, i64) {
        (self.boot_ns, self.wall_ns)
    }

    /// An instant that was kept. After a reboot only the wall clock can place it.
    pub(crate) fn restore((boot_ns, wall_ns): (i64, i64), same_boot: bool) -> Self {
        if same_boot {
            return Self { boot_ns, wall_ns };
        }
        let now = Self::now();
        let ago = now.wall_ns.saturating_sub(wall_ns).max(0);
        Self { boot_ns: now.boot_ns.saturating_sub(ago), wall_ns }
    }
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_kept_over_a_reboot_is_placed_by_the_wall_clock() {
        let (_, wall) = Moment::now().readings();
        let hour = 3_600_000_000_000;
        let kept = Moment::restore((i64::MAX, wall - hour), false);
        assert_eq!(Moment::now().since(kept).as_secs(), 3600);
    }

    #[test]
    fn a_moment_in_the_future_was_no_time_ago() {
        let (boot, wall) = Moment::now().readings();
        let ago = |kept| Moment::now().since(kept);
        assert_eq!(ago(Moment::restore((boot + 1_000_000_000_000, wall), true)), Duration::ZERO);
        assert_eq!(ago(Moment::restore((boot, wall + 1_000_000_000_000), false)).as_secs(), 0);
    }
}
