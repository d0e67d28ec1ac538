//! Who asked for what, as the API shows it.

use distrack_core::TaskId;
use distrack_store::{AuditAction, AuditEntry, AuditToken};
use serde::Serialize;
use utoipa::ToSchema;

use crate::resource::schema;
use crate::stamp::Stamp;

/// A page of entries, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// The entries.
    pub(crate) entries: Vec<AuditEntryResource>,
    /// What to send as `cursor` for the next page; null on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// What somebody did.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditEntryResource {
    /// Rises with every entry.
    id: i64,
    /// When, by the database's clock.
    at: Stamp,
    #[schema(schema_with = schema::audit_action)]
    action: &'static str,
    /// The task that was made or cancelled; the first one of a batch.
    #[schema(value_type = Option<Uuid>)]
    task_id: Option<TaskId>,
    /// The last task of a batch.
    #[schema(value_type = Option<Uuid>)]
    last_task_id: Option<TaskId>,
    /// The task that a retry repeats.
    #[schema(value_type = Option<Uuid>)]
    retry_of: Option<TaskId>,
    /// How many tasks.
    count: u32,
    /// The token that was shown, or was made or revoked; null when none was needed.
    token: Option<AuditTokenResource>,
    /// The address that the request came from; that of the proxy when there is one in between.
    address: Option<String>,
    /// The queue; null for a batch that is for several.
    queue: Option<String>,
    /// SHA-256 of the command line, or of the arguments with a NUL between each two; of a batch, SHA-256 of these.
    command_sha256: Option<String>,
    /// The request's trace.
    trace_id: String,
}

/// A token, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditToken)]
pub(crate) struct AuditTokenResource {
    /// Its public part.
    id: String,
    /// What its owner called it.
    name: String,
}

impl From<AuditEntry> for AuditEntryResource {
    fn from(AuditEntry { id, at, note }: AuditEntry) -> Self {
        let is_retry = note.action == AuditAction::Retry;
        let hex = |hash: [u8; 32]| hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            id,
            at: at.into(),
            action: note.action.as_str(),
            task_id: note.task,
            last_task_id: note.other_task.filter(|_| !is_retry),
            retry_of: note.other_task.filter(|_| is_retry),
            count: note.count,
            token: note.token.map(|AuditToken { id, name }| AuditTokenResource { id, name }),
            address: note.address.map(|address| address.to_string()),
            queue: note.queue.map(String::from),
            command_sha256: note.command_hash.map(hex),
            trace_id: note.trace_id.to_string(),
        }
    }
}
