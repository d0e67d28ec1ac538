//! From sqlx's errors to the contract's.

use distrack_store::StoreError;

/// SQLSTATEs, or classes of them, after which the same step may succeed later: lost connections, a server
/// that starts or stops, full resources, lock and statement time-outs, deadlocks, and a schema that is
/// not there yet.
const PASSING: [&str; 14] = [
    "08", "53", "57", "58", "25006", "25P02", "25P03", "40001", "40P01", "55P03", "42P01", "42703", "3D000",
    "28",
];

/// What an error of sqlx means to a caller.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    let code = error.as_database_error().and_then(|database| database.code());
    let passing = code.is_some_and(|code| PASSING.iter().any(|passing| code.starts_with(passing)))
        || matches!(error, Io(_) | Tls(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed);
    if passing { StoreError::Unavailable(error.into()) } else { StoreError::Refused(error.into()) }
}

/// A statement or setting that should have been right.
pub(crate) fn refused(error: sqlx::Error) -> StoreError {
    StoreError::Refused(error.into())
}
