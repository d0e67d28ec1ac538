//! Writing down who asked for what, and reading it.

use distrack_store::shared::{AuditRow, NoteRow, earliest_of_batch};
use distrack_store::{AuditEntry, AuditNote, AuditQuery};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;
use crate::trouble::store_error;

type Row = AuditRow<chrono::DateTime<chrono::Utc>>;

/// Notes, a column each.
#[derive(Default)]
pub(crate) struct Columns {
    pub(crate) action: Vec<i16>,
    pub(crate) task_id: Vec<Option<Uuid>>,
    pub(crate) other_task_id: Vec<Option<Uuid>>,
    pub(crate) count: Vec<i32>,
    pub(crate) token_id: Vec<Option<String>>,
    pub(crate) token_name: Vec<Option<String>>,
    pub(crate) address: Vec<Option<String>>,
    pub(crate) queue: Vec<Option<String>>,
    pub(crate) command_hash: Vec<Option<Vec<u8>>>,
    pub(crate) trace_id: Vec<String>,
}

/// For a statement that writes many.
pub(crate) fn columns(notes: &[AuditNote]) -> Columns {
    let mut columns = Columns::default();
    for row in notes.iter().cloned().map(NoteRow::from) {
        columns.action.push(row.action);
        columns.task_id.push(row.task_id);
        columns.other_task_id.push(row.other_task_id);
        columns.count.push(row.count);
        columns.token_id.push(row.token_id);
        columns.token_name.push(row.token_name);
        columns.address.push(row.address);
        columns.queue.push(row.queue);
        columns.command_hash.push(row.command_hash);
        columns.trace_id.push(row.trace_id);
    }
    columns
}

/// Writes one, in the transaction of what it is about.
pub(crate) async fn write(connection: &mut PgConnection, note: AuditNote) -> Result<()> {
    let row = NoteRow::from(note);
    sqlx::query_file!(
        "sql/audit_note.sql",
        row.action,
        row.task_id,
        row.other_task_id,
        row.count,
        row.token_id,
        row.token_name,
        row.address,
        row.queue,
        row.command_hash,
        row.trace_id,
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn read(connection: &mut PgConnection, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
    let (before, limit) = (query.cursor.unwrap_or(i64::MAX), i64::from(query.limit));
    let rows = match query.task {
        None => sqlx::query_file_as!(Row, "sql/audit.sql", before, limit).fetch_all(connection).await,
        Some(task) => {
            let (id, earliest) = (task.as_uuid(), earliest_of_batch(task));
            sqlx::query_file_as!(Row, "sql/audit_of_task.sql", id, earliest, before, limit)
                .fetch_all(connection)
                .await
        }
    };
    rows.map_err(store_error)?.into_iter().map(AuditEntry::try_from).collect()
}
