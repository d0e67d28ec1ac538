//! Lists tasks, newest first, a page at a time: `GET /v1/tasks`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::LINK;
use axum::response::{AppendHeaders, IntoResponse, Response};
use distrack_core::TaskId;
use distrack_core::new_task::{MAX_LABEL_CHARS, MAX_LABELS};
use distrack_store::{Cursor, ListQuery};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Reach;
use crate::problem::{Code, Problem};
use crate::query::Params;
use crate::resource::task::{TaskPage, TaskResource};
use crate::stamp::Stamp;

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Lists tasks, newest first.
///
/// A page's `next_cursor`, and its `Link` with `rel="next"`, lead to the next one and stay right while tasks
/// come and change. A token that is limited to queues sees their tasks only.
#[utoipa::path(
    get, path = "/v1/tasks", tag = "tasks", operation_id = "list_tasks",
    params(
        ("state" = Option<String>, Query, description = "Only this state", example = "running"),
        ("queue" = Option<String>, Query, description = "Only this queue"),
        ("label" = Option<Vec<String>>, Query, description = "Only tasks with this label, as `key=value`; can be repeated"),
        ("created_after" = Option<String>, Query, description = "Only tasks accepted after this instant (RFC 3339)"),
        ("created_before" = Option<String>, Query, description = "Only tasks accepted before this instant (RFC 3339)"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 1,000 tasks; 100 unless given", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "A page of tasks", body = TaskPage, headers(("Link" = String, description = "The next page")))),
)]
pub(crate) async fn tasks(
    State(app): State<App>,
    reach: Reach,
    uri: Uri,
    params: Params,
) -> Result<Response, Problem> {
    let query = parse(params, &reach)?;
    let limit = query.limit;
    // One more than asked for tells whether there is a next page.
    let mut tasks = app.ask(app.store.list(ListQuery { limit: limit + 1, ..query })).await?;
    let more = tasks.len() > limit as usize;
    tasks.truncate(limit as usize);
    let next_cursor = tasks.last().filter(|_| more).map(|last| write_cursor(last.id));
    let next = next_cursor.as_deref().map(|cursor| AppendHeaders([(LINK, next_link(&uri, cursor))]));
    let tasks = tasks.into_iter().map(TaskResource::from).collect();
    Ok((next, Json(TaskPage { tasks, next_cursor })).into_response())
}

fn parse(mut params: Params, reach: &Reach) -> Result<ListQuery, Problem> {
    let query = ListQuery {
        state: params.take_as("state")?,
        queue: params.take_as("queue")?,
        queues: reach.queues(),
        labels: labels(params.take_all("label"))?,
        created_after: params.take_as("created_after")?.map(|Stamp(at)| at),
        created_before: params.take_as("created_before")?.map(|Stamp(at)| at),
        cursor: params.take("cursor")?.as_deref().map(read_cursor).transpose()?,
        limit: limit(params.take("limit")?)?,
    };
    params.finish()?;
    Ok(query)
}

/// How many items of a page were asked for.
pub(super) fn limit(text: Option<String>) -> Result<u32, Problem> {
    let Some(text) = text else { return Ok(DEFAULT_LIMIT) };
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| Problem::field("limit", format!("must be 1 to {MAX_LIMIT}")))
}

fn labels(pairs: Vec<String>) -> Result<BTreeMap<String, String>, Problem> {
    let (key_max, value_max) = MAX_LABEL_CHARS;
    let refuse = |message: String| Err(Problem::field("label", message));
    if pairs.len() > MAX_LABELS {
        return refuse(format!("may be given at most {MAX_LABELS} times"));
    }
    let mut labels = BTreeMap::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else { return refuse("must be key=value".to_owned()) };
        let fits = (1..=key_max).contains(&key.chars().count()) && value.chars().count() <= value_max;
        if !fits || pair.contains('\0') {
            return refuse(format!(
                "a key has 1 to {key_max} characters, a value at most {value_max}, none NUL"
            ));
        }
        if labels.insert(key.to_owned(), value.to_owned()).is_some_and(|other| other != value) {
            return refuse(format!("no task has two values of {key}"));
        }
    }
    Ok(labels)
}

/// Opaque to clients: the last id of the page.
fn write_cursor(last: TaskId) -> String {
    last.as_uuid().simple().to_string()
}

fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    let id = Uuid::try_parse(text).ok().filter(|id| id.simple().to_string() == text);
    let bad = || Problem::new(Code::BadCursor, "send the next_cursor of the page before, unchanged");
    id.map(|id| Cursor(id.into())).ok_or_else(bad)
}

/// The same query with another cursor.
fn next_link(uri: &Uri, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let given = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    query.extend_pairs(given.filter(|(name, _)| name != "cursor")).append_pair("cursor", cursor);
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish())
}
