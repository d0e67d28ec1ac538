//! What distrack asks of a database: the [`Store`] trait, its types and errors.
//!
//! Rules for both implementations and everybody who calls them:
//!
//! - Each method is one atomic domain step. No pool, transaction or row type crosses the trait.
//! - Each change of a task restates its row of `core::transition` as the `WHERE` of one statement.
//!   A change that is no longer permitted changes nothing and says so.
//! - Only the store's own clock decides what is due, late or lost. Callers pass durations, never instants
//!   of their own.
//! - A dropped call is not a cancelled step: see [`Detached`].
//!
//! [`Access`] is a trait of its own: who may call has nothing to do with tasks.
//! Start reading at [`Store`]; `conformance` (behind the feature of that name) is the contract as tests.

mod access;
mod audit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod detached;
mod error;
mod read;
pub mod shared;
mod store;
mod token;
mod types;
mod wakeup;

pub use access::{Access, NewToken, Token, TokenState};
pub use audit::{AuditAction, AuditEntry, AuditNote, AuditQuery, AuditToken};
pub use detached::Detached;
pub use error::StoreError;
pub use read::{Connections, Cursor, ListQuery, QueueSnapshot, WorkerSession, WorkerState};
pub use store::Store;
pub use token::{SecretHash, ShownToken};
pub use types::{
    AttemptEvent, AttemptReport, CancelAnswer, ClaimRequest, Claimed, Claims, HeartbeatSeen, IdempotencyKey,
    NextDue, Progress, ProgressEnd, Pruned, Receipt, Registered, Registration, Released, Renewed, Reported,
    Retention, Schema, Slot, Submission, SubmitMode, Submitted, Swept,
};
pub use wakeup::{Hint, Waker, Wakeup};
