//! Accepts many tasks, all or none: `POST /v1/tasks/batch`.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use distrack_core::{FieldError, NewTask, Task, TaskId, TraceContext};
use distrack_store::{Submission, Submitted};

use crate::app::App;
use crate::audit;
use crate::auth::Reach;
use crate::body::{JsonBody, MAX_BATCH_BODY};
use crate::caller::Caller;
use crate::idempotency;
use crate::intake::{Origin, Stored, Turn};
use crate::metrics::Source;
use crate::object::Object;
use crate::problem::{Code, Problem};
use crate::query::Params;
use crate::request::{BatchRequest, MAX_BATCH, TaskRequest};
use crate::request_trace::RequestTrace;
use crate::resource::task::{TaskList, TaskResource};
use crate::routes::submit::{self, REPLAYED};

/// Complaints after which the rest of a batch is not looked at.
const ENOUGH: usize = 32;

/// Schedules up to 10,000 tasks, all or none.
///
/// The answer has the tasks in the order in which they were sent. If one is refused, none is stored.
#[utoipa::path(
    post, path = "/v1/tasks/batch", tag = "tasks", operation_id = "create_tasks",
    request_body(content = BatchRequest, description = "At most 8 MiB"),
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters, for the batch as a whole"),
    ),
    responses(
        (status = 201, description = "Every task is stored", body = TaskList),
        (status = 200, description = "The tasks of the same batch, sent before under the same key", body = TaskList),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    (caller, reach): (Caller, Reach),
    trace: RequestTrace,
    params: Params,
    headers: HeaderMap,
    // Before the body: batches that cannot be stored now must not pile up in memory.
    turn: Turn,
    JsonBody(request): JsonBody<BatchRequest, MAX_BATCH_BODY>,
) -> Result<Response, Problem> {
    params.finish()?;
    if !(1..=MAX_BATCH).contains(&request.tasks.len()) {
        return Err(Problem::field("tasks", format!("must have 1 to {MAX_BATCH} items")));
    }
    let key = idempotency::of(&headers, "batch", &request)?.map(|key| reach.key(key));
    let count = request.tasks.len();
    let tasks = parse(request.tasks, || trace.of_task(&app.traces, count))?;
    tasks.iter().try_for_each(|task| reach.permit(task))?;
    let note = Some(audit::of_batch(&caller, &trace, &tasks));
    let submissions = tasks.into_iter().enumerate().map(|(index, task)| {
        let key = key.as_ref().map(|key| idempotency::of_item(key, index));
        Submission { task, key }
    });
    let submissions = submissions.collect();
    let origin = Origin { source: Source::Batch, trace, note };
    let stored = app.intake.submit_all(submissions, origin, turn).await?;
    let (tasks, replayed) = resolve(&app, stored).await?;
    let tasks = Json(TaskList { tasks: tasks.into_iter().map(TaskResource::from).collect() });
    if replayed {
        app.instruments.replays.inc();
        return Ok((StatusCode::OK, [(REPLAYED, "true")], tasks).into_response());
    }
    Ok((StatusCode::CREATED, tasks).into_response())
}

impl FromRequestParts<App> for Turn {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.intake.turn()
    }
}

fn parse(
    requests: Vec<Object<TaskRequest>>,
    trace: impl Fn() -> TraceContext,
) -> Result<Vec<NewTask>, Problem> {
    let mut tasks = Vec::with_capacity(requests.len());
    let mut errors: Vec<FieldError> = Vec::new();
    for (index, Object(request)) in requests.into_iter().enumerate() {
        match submit::parse(request, trace()) {
            Ok(task) => tasks.push(task),
            Err(found) => errors.extend(found.into_iter().map(|error| FieldError {
                field: format!("tasks[{index}].{}", error.field),
                message: error.message,
            })),
        }
        if errors.len() >= ENOUGH {
            break;
        }
    }
    if errors.is_empty() { Ok(tasks) } else { Err(Problem::invalid(errors)) }
}

/// The tasks in their order, and whether an earlier batch made them.
async fn resolve(app: &App, stored: Vec<Stored>) -> Result<(Vec<Task>, bool), Problem> {
    if stored.iter().any(|(_, submitted)| *submitted == Submitted::KeyConflict) {
        return Err(idempotency::reused());
    }
    let earlier = stored.iter().filter_map(|(_, submitted)| match submitted {
        Submitted::Replayed(id) => Some(*id),
        Submitted::Created { .. } | Submitted::KeyConflict => None,
    });
    let earlier: Vec<TaskId> = earlier.collect();
    let replayed = !earlier.is_empty();
    let found = if replayed { app.ask(app.store.get(earlier)).await? } else { Vec::new() };
    let mut found: HashMap<TaskId, Task> = found.into_iter().map(|task| (task.id, task)).collect();
    let tasks = stored.into_iter().map(|(task, submitted)| match submitted {
        Submitted::Created { created_at, scheduled_at } => Ok(task.accepted(created_at, scheduled_at)),
        Submitted::Replayed(id) => found
            .remove(&id)
            .ok_or_else(|| Problem::new(Code::Conflict, format!("task {id} of this key was pruned already"))),
        Submitted::KeyConflict => Err(idempotency::reused()),
    });
    Ok((tasks.collect::<Result<_, _>>()?, replayed))
}
