//! Vocabulary and rules of distrack: what a task is, which states it may take, when it is tried again.
//!
//! Pure: no clock, no I/O, no async. Whatever decides a task's fate is decided here and restated by the
//! stores as the `WHERE` of one statement. Start reading at [`transition`], the table of a task's life.

pub mod attempt;
pub mod id;
pub mod new_task;
pub mod outcome;
pub mod protocol;
pub mod retry;
pub mod scope;
pub mod secret;
pub mod spec;
pub mod state;
pub mod task;
pub mod timeline;
pub mod trace;
pub mod transition;
pub mod why;

pub use attempt::{Attempt, AttemptRef, Output, StreamOutput};
pub use id::{CoordinatorId, InstanceId, SessionId, TaskId, WorkerId};
pub use new_task::{Due, FieldError, NewTask, TaskDraft};
pub use outcome::{Cause, Outcome, Usage};
pub use retry::{Backoff, OnLost, RetryPolicy};
pub use scope::{Scope, Scopes};
pub use secret::Secret;
pub use spec::{Executor, OnOutputLimit, Program, QueueName, TaskSpec};
pub use state::TaskState;
pub use task::Task;
pub use trace::{SpanId, TraceContext, TraceId, TraceMode, TracePolicy};
pub use transition::{Ended, Standing, Verdict};
