//! The wall clock, for what people and Prometheus read. Nothing is decided by it.

use std::time::{Duration, SystemTime};

/// Since 1970, UTC.
#[expect(clippy::disallowed_methods, reason = "shown, never compared")]
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
