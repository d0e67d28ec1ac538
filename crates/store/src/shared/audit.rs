//! Notes as rows, both ways.
#![expect(missing_docs, reason = "each field is the column of its name")]

use chrono::{DateTime, Utc};
use distrack_core::TaskId;
use serde::Serialize;
use uuid::Uuid;

use super::value::{count, hex, to_int};
use crate::audit::{AuditAction, AuditEntry, AuditNote, AuditToken};
use crate::error::StoreError;
use crate::store::Result;

/// A note as it is written.
#[derive(Debug, Serialize)]
pub struct NoteRow {
    pub action: i16,
    pub task_id: Option<Uuid>,
    pub other_task_id: Option<Uuid>,
    pub count: i32,
    pub token_id: Option<String>,
    pub token_name: Option<String>,
    pub address: Option<String>,
    pub queue: Option<String>,
    #[serde(serialize_with = "as_hex")]
    pub command_hash: Option<Vec<u8>>,
    pub trace_id: String,
}

fn as_hex<S: serde::Serializer>(
    bytes: &Option<Vec<u8>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let text = bytes.as_ref().map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    text.serialize(serializer)
}

impl From<AuditNote> for NoteRow {
    fn from(note: AuditNote) -> Self {
        let (token_id, token_name) = note.token.map(|token| (token.id, token.name)).unzip();
        Self {
            action: note.action.code(),
            task_id: note.task.map(TaskId::as_uuid),
            other_task_id: note.other_task.map(TaskId::as_uuid),
            count: to_int(note.count),
            token_id,
            token_name,
            address: note.address.map(|address| address.to_string()),
            queue: note.queue.map(String::from),
            command_hash: note.command_hash.map(|hash| hash.to_vec()),
            trace_id: note.trace_id.to_string(),
        }
    }
}

/// A row of `audit` and `audit_of_task`.
#[derive(Debug)]
pub struct AuditRow<I> {
    pub id: i64,
    pub at: I,
    pub action: i16,
    pub task_id: Option<Uuid>,
    pub other_task_id: Option<Uuid>,
    pub count: i32,
    pub token_id: Option<String>,
    pub token_name: Option<String>,
    pub address: Option<String>,
    pub queue: Option<String>,
    pub command_hash: Option<Vec<u8>>,
    pub trace_id: String,
}

impl<I: Into<DateTime<Utc>>> TryFrom<AuditRow<I>> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: AuditRow<I>) -> Result<Self> {
        let bad = |what: &str| StoreError::corrupt(format!("{what} of audit entry {}", row.id));
        let name = row.token_name.unwrap_or_default();
        let note = AuditNote {
            action: AuditAction::from_code(row.action).ok_or_else(|| bad("action"))?,
            task: row.task_id.map(Into::into),
            other_task: row.other_task_id.map(Into::into),
            count: count(row.count)?,
            token: row.token_id.map(|id| AuditToken { id, name }),
            address: row.address.map(|text| text.parse()).transpose().map_err(|_| bad("address"))?,
            queue: row.queue.map(|text| text.parse()).transpose().map_err(|_| bad("queue"))?,
            command_hash: row
                .command_hash
                .map(|hash| hash.try_into())
                .transpose()
                .map_err(|_| bad("hash"))?,
            trace_id: hex(&row.trace_id)?,
        };
        Ok(Self { id: row.id, at: row.at.into(), note })
    }
}

/// The least id that a task of the same batch as `task` can have: a batch is read in less than a minute.
pub fn earliest_of_batch(task: TaskId) -> Uuid {
    const MINUTE_MS: u128 = 60_000;
    let made_at_ms = task.as_uuid().as_u128() >> 80;
    Uuid::from_u128(made_at_ms.saturating_sub(MINUTE_MS) << 80)
}
