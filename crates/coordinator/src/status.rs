//! The one conversion from the store's errors to gRPC's.

use distrack_store::StoreError;
use tonic::Status;

/// What a worker is told. Internals stay here; they are logged by whoever handles the error.
pub(crate) fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Unavailable(_) | StoreError::Unanswered(_) => {
            Status::unavailable("the database is unavailable; try again")
        }
        StoreError::Conflict(reason) => Status::already_exists(reason.clone()),
        StoreError::Corrupt(_) | StoreError::Refused(_) => {
            tracing::error!(%error, "store failed");
            Status::internal("the store failed; see the coordinator's log")
        }
    }
}
