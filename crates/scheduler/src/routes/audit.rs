//! Answers who asked for what, newest first, a page at a time: `GET /v1/audit`.

use axum::Json;
use axum::extract::State;
use chrono::TimeDelta;
use distrack_core::TaskId;
use distrack_store::AuditQuery;

use crate::app::App;
use crate::problem::{Code, Problem};
use crate::query::Params;
use crate::resource::audit::{AuditEntryResource, AuditPage};
use crate::routes::list::limit;
use crate::stamp::Stamp;

/// Lists who submitted, cancelled and retried tasks, newest first.
///
/// An entry is written in the transaction of what it is about, and is kept for `audit_retention`, longer than the
/// task. A batch has one entry, with its first task.
#[utoipa::path(
    get, path = "/v1/audit", tag = "service", operation_id = "list_audit",
    params(
        ("task" = Option<String>, Query, description = "Only what concerns this task: the batch that it came with and its retries included"),
        ("since" = Option<String>, Query, description = "Only what was done at or after this instant (RFC 3339)"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 1,000 entries; 100 unless given", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "A page of entries", body = AuditPage)),
)]
pub(crate) async fn audit(State(app): State<App>, mut params: Params) -> Result<Json<AuditPage>, Problem> {
    let task: Option<TaskId> = params.take_as("task")?;
    let since: Option<Stamp> = params.take_as("since")?;
    let cursor = params.take("cursor")?.as_deref().map(read_cursor).transpose()?;
    let limit = limit(params.take("limit")?)?;
    params.finish()?;
    // One more than asked for tells whether there is a next page.
    let mut entries = app.ask(app.store.audit(AuditQuery { task, cursor, limit: limit + 1 })).await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let is_recent = |at| since.is_none_or(|Stamp(since)| at >= since);
    // An id is drawn when the entry is written, `at` is when its transaction began: no step takes as long as that.
    let may_have_more = |at| since.is_none_or(|Stamp(since)| at >= since - TimeDelta::minutes(1));
    let next_cursor =
        entries.last().filter(|last| more && may_have_more(last.at)).map(|last| last.id.to_string());
    let entries =
        entries.into_iter().filter(|entry| is_recent(entry.at)).map(AuditEntryResource::from).collect();
    Ok(Json(AuditPage { entries, next_cursor }))
}

fn read_cursor(text: &str) -> Result<i64, Problem> {
    let id = text.parse::<i64>().ok().filter(|id| *id > 0 && id.to_string() == text);
    id.ok_or_else(|| Problem::new(Code::BadCursor, "send the next_cursor of the page before, unchanged"))
}
