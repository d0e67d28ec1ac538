//! How many connections the system lets this process have: each is an open file, and many systems allow 1,024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::spares::SPARES;

/// What is open beside connections of clients: the database, traces, logs, what the runtime has.
const BESIDE: usize = SPARES + 128;

/// The connections there may be: as many as wanted, if the system allows them. Raises the limit as far as it may be
/// and is of use.
pub(crate) fn connections(wanted: usize) -> usize {
    let needed = u64::try_from(wanted + BESIDE).unwrap_or(u64::MAX);
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(needed);
    if let Some(current) = limit.current.filter(|current| *current < most) {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit }) {
            Ok(()) => info!(from = current, to = most, "the limit of open files is raised"),
            Err(error) => warn!(%error, "the limit of open files cannot be raised"),
        }
    }
    let allowed = allowed(getrlimit(Resource::Nofile).current, wanted);
    if allowed < wanted {
        warn!(wanted, allowed, "the limit of open files allows fewer connections");
    }
    allowed
}

fn allowed(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return wanted };
    // Half of a limit that is very low, rather than nothing.
    wanted.min(limit.saturating_sub(BESIDE).max(limit / 2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_than_the_system_allows_files() {
        assert_eq!(allowed(None, 4096), 4096);
        assert_eq!(allowed(Some(65_536), 4096), 4096);
        assert_eq!(allowed(Some(1024), 4096), 1024 - BESIDE);
        assert_eq!(allowed(Some(256), 4096), 128);
        assert_eq!(allowed(Some(256), 1), 1);
    }
}
