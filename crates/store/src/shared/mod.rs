//! What the implementations of [`Store`](crate::Store) have in common: reading rows and deciding over them.
//!
//! Pure, and for implementations only: services never see a row. Both databases fill these rows by the
//! names of their columns; what a report or a registration means is decided here, once, and each database
//! only writes the decision down.

mod audit;
mod ending;
mod explain;
mod held;
mod report;
mod row;
mod submission;
mod token;
mod value;

pub use audit::{AuditRow, NoteRow, earliest_of_batch};
pub use ending::{Changed, CompletedRow, Ending, EndingRow, LockedRow};
pub use explain::{AHEAD_LIMIT, Concerned, ServingRow, counted, is_in_line};
pub use held::{HeldRow, admit, overtaken, released_of, sort_held, sort_left};
pub use report::Batch;
pub use row::{AttemptRow, ClaimedRow, OutputRow, QueueRow, TaskRow, WorkerRow};
pub use submission::{Created, SubmissionRow, Taken, answer};
pub use token::{TokenRow, TokenValues};
pub use value::{task_state, to_bigint, to_int, to_micros};
