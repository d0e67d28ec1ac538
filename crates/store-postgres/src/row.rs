//! Rows, with instants as this database's driver gives them.

use chrono::{DateTime, Utc};
use distrack_store::shared;

pub(crate) type TaskRow = shared::TaskRow<DateTime<Utc>>;
pub(crate) type AttemptRow = shared::AttemptRow<DateTime<Utc>>;
pub(crate) type ServingRow = shared::ServingRow<DateTime<Utc>>;
pub(crate) type WorkerRow = shared::WorkerRow<DateTime<Utc>>;
pub(crate) type ClaimedRow = shared::ClaimedRow<DateTime<Utc>>;
pub(crate) type TokenRow = shared::TokenRow<DateTime<Utc>>;
