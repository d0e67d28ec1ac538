//! One execution of a task, and what it printed.

use chrono::{DateTime, Utc};

use crate::id::TaskId;
use crate::outcome::Outcome;
use crate::trace::{SpanId, TraceId, TraceMode};

/// Names one attempt for ever: the task and the epoch of the claim that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptRef {
    /// The task.
    pub task: TaskId,
    /// The epoch.
    pub epoch: i64,
}

/// One attempt, as `…/attempts` tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The epoch of its claim.
    pub epoch: i64,
    /// Its number, from 1.
    pub attempt: u32,
    /// The name of its worker.
    pub worker: Option<String>,
    /// When it was claimed.
    pub picked_at: Option<DateTime<Utc>>,
    /// When its command started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended; `None` while it is held.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended; `None` while it is held.
    pub outcome: Option<Outcome>,
    /// Its trace.
    pub trace_id: Option<TraceId>,
    /// Its span.
    pub span_id: Option<SpanId>,
    /// How its trace belongs to the submission's; `None` for attempts of before this was kept.
    pub trace_mode: Option<TraceMode>,
}

/// What is kept of one stream in the database: the beginning, the end, and how much there was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamOutput {
    /// The first bytes, at most 64 KiB.
    pub head: Vec<u8>,
    /// The last bytes beyond the head, at most 64 KiB.
    pub tail: Vec<u8>,
    /// All bytes that the command wrote.
    pub bytes: u64,
}

impl StreamOutput {
    /// Bytes between head and tail that are not kept here.
    pub fn omitted(&self) -> u64 {
        self.bytes.saturating_sub((self.head.len() + self.tail.len()) as u64)
    }
}

/// What an attempt printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: StreamOutput,
    /// Standard error.
    pub stderr: StreamOutput,
}

impl Output {
    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.stdout.bytes == 0 && self.stderr.bytes == 0
    }
}
