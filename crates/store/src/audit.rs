//! Who asked for what. A note is written in the transaction of what it is about, so that neither is there alone.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use distrack_core::{QueueName, TaskId, TraceId};

use crate::access::Token;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditAction {
    /// Tasks were submitted.
    Submit,
    /// A task was cancelled, or its worker was asked to stop it.
    Cancel,
    /// A task was repeated as a new one.
    Retry,
    /// A token was made.
    TokenCreate,
    /// A token was revoked.
    TokenRevoke,
}

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 5] =
        [Self::Submit, Self::Cancel, Self::Retry, Self::TokenCreate, Self::TokenRevoke];

    /// As people and the API spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::TokenCreate => "token_create",
            Self::TokenRevoke => "token_revoke",
        }
    }

    /// As it is stored.
    pub fn code(self) -> i16 {
        match self {
            Self::Submit => 1,
            Self::Cancel => 2,
            Self::Retry => 3,
            Self::TokenCreate => 4,
            Self::TokenRevoke => 5,
        }
    }

    /// Of what is stored.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.code() == code)
    }
}

/// A token, as far as it may be told: never its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditToken {
    /// Its public part.
    pub id: String,
    /// What its owner called it.
    pub name: String,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditNote {
    /// What.
    pub action: AuditAction,
    /// The task that was made or cancelled; the first one of a batch.
    pub task: Option<TaskId>,
    /// The last task of a batch, or the one that a retry repeats.
    pub other_task: Option<TaskId>,
    /// How many tasks.
    pub count: u32,
    /// The token that was shown, or was made or revoked; `None` when none was needed.
    pub token: Option<AuditToken>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// The queue; that of the task when `None`. A batch for several queues has none.
    pub queue: Option<QueueName>,
    /// SHA-256 of the command line, or of the arguments with a NUL between each two; of a batch, SHA-256 of these.
    pub command_hash: Option<[u8; 32]>,
    /// The request's trace.
    pub trace_id: TraceId,
}

impl AuditNote {
    /// That a token was made or revoked, which needs no token but the key to the database: the note names the one
    /// that it is about. No request asked for it, so that it has no address and a trace of its own.
    pub fn of_token(action: AuditAction, token: &Token) -> Self {
        Self {
            action,
            task: None,
            other_task: None,
            count: 0,
            token: Some(AuditToken { id: token.id.clone(), name: token.name.clone() }),
            address: None,
            queue: None,
            command_hash: None,
            trace_id: TraceId::random(),
        }
    }
}

/// A note that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Rises with every note.
    pub id: i64,
    /// When, by the store's clock.
    pub at: DateTime<Utc>,
    /// What.
    pub note: AuditNote,
}

/// Which notes to read, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only what concerns this task: the batch that it came with included.
    pub task: Option<TaskId>,
    /// Only those before this one.
    pub cursor: Option<i64>,
    /// At most so many.
    pub limit: u32,
}
