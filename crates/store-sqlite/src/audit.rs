//! Writing down who asked for what, and reading it.

use distrack_store::shared::{AuditRow, NoteRow, earliest_of_batch};
use distrack_store::{AuditEntry, AuditNote, AuditQuery};
use uuid::Uuid;

use crate::Result;
use crate::database::{Database, Step};
use crate::error::store_error;
use crate::row::{Instant, batch};

type Row = AuditRow<Instant>;

/// Writes notes, in the step of what they are about.
pub(crate) async fn write(step: &mut Step, notes: impl IntoIterator<Item = AuditNote>) -> Result<()> {
    let rows: Vec<_> = notes.into_iter().map(NoteRow::from).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let now = step.now;
    sqlx::query_file!("sql/audit_note.sql", batch(rows), now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn read(database: &Database, query: AuditQuery) -> Result<Vec<AuditEntry>> {
    let (before, limit) = (query.cursor.unwrap_or(i64::MAX), i64::from(query.limit));
    let rows = match query.task {
        None => sqlx::query_file_as!(Row, "sql/audit.sql", before, limit).fetch_all(database.readers()).await,
        Some(task) => {
            let (id, earliest) = (task.as_uuid(), earliest_of_batch(task));
            sqlx::query_file_as!(Row, "sql/audit_of_task.sql", id, earliest, before, limit)
                .fetch_all(database.readers())
                .await
        }
    };
    rows.map_err(store_error)?.into_iter().map(AuditEntry::try_from).collect()
}
