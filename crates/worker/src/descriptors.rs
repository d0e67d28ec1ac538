//! How many files and connections this process may have open: a limit that many systems keep at 1,024, while
//! each command that runs takes a few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// A command's two pipes, its two files, and what tells of its end.
const PER_SLOT: u64 = 5;
/// Connections, the spool, and what the runtime has open.
const BESIDE: u64 = 64;
/// More is not asked for without need: commands inherit the limit, and some go through all that it allows.
const PLENTY: u64 = 65_536;

/// Raises the limit as far as it may be and is of use, and warns when `slots` need more.
pub(crate) fn raise(slots: u32) {
    let need = needed(slots);
    let limit = getrlimit(Resource::Nofile);
    let wanted = raised(limit, need);
    if wanted != limit.current {
        match setrlimit(Resource::Nofile, Rlimit { current: wanted, ..limit }) {
            Ok(()) => info!(from = limit.current, to = wanted, "the limit of open files is raised"),
            Err(error) => warn!(%error, "the limit of open files cannot be raised"),
        }
    }
    let limit = getrlimit(Resource::Nofile).current;
    if limit.is_some_and(|limit| limit < need) {
        warn!(
            limit,
            need, slots, "the limit of open files is too low for that many slots: commands may fail"
        );
    }
}

fn needed(slots: u32) -> u64 {
    u64::from(slots) * PER_SLOT + BESIDE
}

/// What the soft limit is to be; `None` is no limit. Never less than it was.
fn raised(limit: Rlimit, need: u64) -> Option<u64> {
    let most = limit.maximum.unwrap_or(u64::MAX).min(need.max(PLENTY));
    limit.current.map(|current| current.max(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be_and_is_of_use_and_never_lowered() {
        let to = |current, maximum, slots| raised(Rlimit { current, maximum }, needed(slots));
        assert_eq!(to(Some(1024), Some(4096), 8), Some(4096));
        assert_eq!(to(Some(1024), Some(1_000_000), 8), Some(PLENTY));
        assert_eq!(to(Some(1024), None, 8), Some(PLENTY));
        assert_eq!(to(Some(1024), None, 20_000), Some(100_064));
        assert_eq!(to(Some(1024), Some(90_000), 20_000), Some(90_000));
        assert_eq!(to(Some(500_000), Some(1_000_000), 8), Some(500_000));
        assert_eq!(to(None, None, 8), None);
    }

    #[test]
    fn a_process_with_a_low_limit_has_a_higher_one_after_the_start() {
        let before = getrlimit(Resource::Nofile);
        let low = Rlimit { current: before.maximum.map(|most| most.min(900)).or(Some(900)), ..before };
        setrlimit(Resource::Nofile, low).unwrap();
        raise(4);
        assert_eq!(getrlimit(Resource::Nofile).current, raised(low, needed(4)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current: before.current, ..before });
    }
}
