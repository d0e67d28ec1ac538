//! From sqlx's errors to the contract's.

use distrack_store::StoreError;

/// Result codes after which the same step may succeed later: `BUSY`, `LOCKED`, `NOMEM`, `READONLY`,
/// `INTERRUPT`, `IOERR`, `FULL`, `CANTOPEN`, `PROTOCOL` and `SCHEMA`.
const PASSING: [i32; 10] = [5, 6, 7, 8, 9, 10, 13, 14, 15, 17];

/// Result code of a disk that failed.
const IOERR: i32 = 10;

/// Result codes of a file that is damaged or no database: `CORRUPT` and `NOTADB`.
const DAMAGED: [i32; 2] = [11, 26];

/// What an error of sqlx means to a caller.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    use sqlx::Error::{ColumnDecode, Decode, Io, PoolClosed, PoolTimedOut, WorkerCrashed};
    if let Some(database) = error.as_database_error() {
        // The low byte is the result code, the rest says more about it.
        let code = database.code().and_then(|code| code.parse::<i32>().ok()).map_or(0, |code| code & 0xff);
        return if PASSING.contains(&code) || lacks_schema(database.message()) {
            StoreError::Unavailable(error.into())
        } else if DAMAGED.contains(&code) {
            StoreError::corrupt(error)
        } else {
            StoreError::Refused(error.into())
        };
    }
    if matches!(error, Io(_) | PoolTimedOut | PoolClosed | WorkerCrashed) {
        return StoreError::Unavailable(error.into());
    }
    if matches!(error, ColumnDecode { .. } | Decode(_)) {
        return StoreError::corrupt(error);
    }
    StoreError::Refused(error.into())
}

/// What an error of a `COMMIT` means. A disk that failed under it may have taken it all the same.
pub(crate) fn commit_error(error: sqlx::Error) -> StoreError {
    let io = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    let doubtful = io.is_some_and(|code| code & 0xff == IOERR) || matches!(error, sqlx::Error::WorkerCrashed);
    if doubtful { StoreError::Unanswered(error.into()) } else { store_error(error) }
}

/// Whether the schema is not there yet, or an older one.
pub(crate) fn lacks_schema(message: &str) -> bool {
    message.starts_with("no such table") || message.starts_with("no such column")
}
