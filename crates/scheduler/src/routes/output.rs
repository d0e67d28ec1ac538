//! Answers what an attempt printed: `GET /v1/tasks/{id}/output`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use distrack_core::Task;

use crate::app::App;
use crate::auth::Reach;
use crate::problem::{Code, Problem};
use crate::query::{Params, PathTask};
use crate::resource::output::{OutputResource, RawBytes, raw};

/// One of the two streams.
#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl std::str::FromStr for Stream {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "stdout" => Ok(Self::Stdout),
            "stderr" => Ok(Self::Stderr),
            _ => Err("must be stdout or stderr"),
        }
    }
}

/// Shows what an attempt printed: the first and the last 64 KiB of each stream.
///
/// With `stream`, answers that stream's bytes as they are, with a line where some are left out.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/output", tag = "tasks", operation_id = "get_output",
    params(
        ("id" = uuid::Uuid, Path, description = "The task's id"),
        ("attempt" = Option<u32>, Query, description = "The attempt's number; the last one unless given", minimum = 1),
        ("stream" = Option<String>, Query, description = "`stdout` or `stderr`, for its raw bytes"),
    ),
    responses((status = 200, description = "The output", content(
        (OutputResource = "application/json"),
        (String = "text/plain"),
        (inline(RawBytes) = "application/octet-stream"),
    ))),
)]
pub(crate) async fn output(
    State(app): State<App>,
    reach: Reach,
    PathTask(id): PathTask,
    mut params: Params,
) -> Result<Response, Problem> {
    let asked = attempt(params.take("attempt")?)?;
    let stream: Option<Stream> = params.take_as("stream")?;
    params.finish()?;
    let task = app.task(id, &reach).await?;
    let attempt = asked.unwrap_or(task.attempt);
    if attempt > task.attempt {
        return Err(no_such_attempt(&task, attempt));
    }
    let output = app.ask(app.store.output(id, attempt)).await?;
    let output = output.unwrap_or_default();
    let Some(stream) = stream else {
        let complete = is_complete(&task, attempt);
        return Ok(Json(OutputResource::new(id, attempt, complete, output)).into_response());
    };
    let bytes = raw(match stream {
        Stream::Stdout => output.stdout,
        Stream::Stderr => output.stderr,
    });
    // A file to keep, also for a browser that would rather show it.
    let file = format!("attachment; filename=\"{id}.{attempt}.{}\"", stream.as_str());
    let file = HeaderValue::try_from(file).expect("an id and a number are ASCII");
    let media_type = HeaderValue::from_static(media_type(&bytes));
    Ok(([(CONTENT_TYPE, media_type), (CONTENT_DISPOSITION, file)], bytes).into_response())
}

/// Whether no more can come of an attempt: none is held, or it is not the held one.
fn is_complete(task: &Task, attempt: u32) -> bool {
    attempt < task.attempt || task.state.is_terminal() || (attempt > 0 && !task.state.is_held())
}

fn attempt(text: Option<String>) -> Result<Option<u32>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse().ok().filter(|number| *number > 0);
    number.map(Some).ok_or_else(|| Problem::field("attempt", "must be a number from 1"))
}

fn no_such_attempt(task: &Task, attempt: u32) -> Problem {
    let detail = format!("task {} had {} attempts so far, there is no {attempt}", task.id, task.attempt);
    Problem::new(Code::AttemptNotFound, detail)
}

fn media_type(bytes: &[u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    }
}
