//! Accepts one task: `POST /v1/tasks`, and `POST /schedule`, its older name.

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use distrack_core::{NewTask, Task, TaskDraft, TaskId, TraceContext};
use distrack_store::{AuditAction, IdempotencyKey, Submission, Submitted};

use crate::app::App;
use crate::audit;
use crate::auth::Reach;
use crate::body::{JsonBody, MAX_BODY};
use crate::caller::Caller;
use crate::idempotency;
use crate::intake::Origin;
use crate::metrics::Source;
use crate::problem::{Code, Problem};
use crate::query::Params;
use crate::request::TaskRequest;
use crate::request_trace::{self, RequestTrace};
use crate::resource::task::{TaskResource, path_of};
use crate::wait::Wait;

/// Says that the answer is an earlier submission's task.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A task that a client may count on.
pub(crate) struct Accepted {
    task: Task,
    replayed: bool,
}

impl Accepted {
    /// Answers with the task: `created` if it is new, 200 if an earlier submission made it.
    pub(crate) fn answer(self, created: StatusCode) -> Response {
        let location = HeaderValue::try_from(path_of(self.task.id)).expect("a path of a UUID is ASCII");
        let task = Json(TaskResource::from(self.task));
        if self.replayed {
            let replayed = [(REPLAYED, HeaderValue::from_static("true")), (LOCATION, location)];
            return (StatusCode::OK, replayed, task).into_response();
        }
        (created, [(LOCATION, location)], task).into_response()
    }
}

/// Schedules a task.
///
/// The answer comes after the task is stored durably. With `Idempotency-Key`, the same request can be sent
/// any number of times within 24 hours and makes one task.
#[utoipa::path(
    post, path = "/v1/tasks", tag = "tasks", operation_id = "create_task", request_body(content = TaskRequest, description = "At most 1 MiB"),
    params(
        ("wait" = Option<String>, Query, description = "Answer when the task has ended, after at most this long: 0 to 60 s", example = "10s"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
    ),
    responses(
        (status = 201, description = "The task is stored", body = TaskResource),
        (status = 200, description = "The task of the same request, sent before under the same key", body = TaskResource),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    reach: Reach,
    trace: RequestTrace,
    params: Params,
    headers: HeaderMap,
    JsonBody(request): JsonBody<TaskRequest, MAX_BODY>,
) -> Result<Response, Problem> {
    let accepted = submit(&app, (&caller, reach), trace, params, &headers, request).await?;
    Ok(accepted.answer(StatusCode::CREATED))
}

/// Schedules a task, by the older route.
///
/// The same as `POST /v1/tasks`, answered with 200.
#[utoipa::path(
    post, path = "/schedule", tag = "tasks", operation_id = "schedule", request_body(content = TaskRequest, description = "At most 1 MiB"),
    params(
        ("wait" = Option<String>, Query, description = "Answer when the task has ended, after at most this long: 0 to 60 s", example = "10s"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
    ),
    responses((status = 200, description = "The task is stored", body = TaskResource)),
)]
pub(crate) async fn schedule(
    State(app): State<App>,
    caller: Caller,
    reach: Reach,
    trace: RequestTrace,
    params: Params,
    headers: HeaderMap,
    JsonBody(request): JsonBody<TaskRequest, MAX_BODY>,
) -> Result<Response, Problem> {
    let accepted = submit(&app, (&caller, reach), trace, params, &headers, request).await?;
    Ok(accepted.answer(StatusCode::OK))
}

async fn submit(
    app: &App,
    (caller, reach): (&Caller, Reach),
    trace: RequestTrace,
    mut params: Params,
    headers: &HeaderMap,
    request: TaskRequest,
) -> Result<Accepted, Problem> {
    let wait = Wait::take(&mut params)?;
    params.finish()?;
    let key = idempotency::of(headers, "task", &request)?.map(|key| reach.key(key));
    let task = parse(request, trace.of_task(&app.traces, 1)).map_err(Problem::invalid)?;
    reach.permit(&task)?;
    let note = Some(audit::of_task(AuditAction::Submit, caller, &trace, &task));
    let origin = Origin { source: Source::Api, trace, note };
    let Accepted { task, replayed } = store(app, task, key, origin).await?;
    request_trace::made(task.id);
    Ok(Accepted { task: wait.end_of(app, task).await, replayed })
}

/// Checks a request against every limit.
pub(crate) fn parse(
    request: TaskRequest,
    trace: TraceContext,
) -> Result<NewTask, Vec<distrack_core::FieldError>> {
    NewTask::parse(TaskDraft::from(request), TaskId::new(), trace)
}

/// Stores one task, or finds the one that was stored under its key.
pub(crate) async fn store(
    app: &App,
    task: NewTask,
    key: Option<IdempotencyKey>,
    origin: Origin,
) -> Result<Accepted, Problem> {
    let (task, submitted) = app.intake.submit(Submission { task, key }, origin).await?;
    match submitted {
        Submitted::Created { created_at, scheduled_at } => {
            tracing::debug!(task_id = %task.id, queue = %task.queue, "task accepted");
            Ok(Accepted { task: task.accepted(created_at, scheduled_at), replayed: false })
        }
        Submitted::Replayed(id) => {
            app.instruments.replays.inc();
            Ok(Accepted { task: replayed(app, id).await?, replayed: true })
        }
        Submitted::KeyConflict => Err(idempotency::reused()),
    }
}

/// The task of an earlier submission. Its key may outlive it.
async fn replayed(app: &App, id: TaskId) -> Result<Task, Problem> {
    let found = app.ask(app.store.get(vec![id])).await?.into_iter().next();
    found.ok_or_else(|| Problem::new(Code::Conflict, format!("task {id} of this key was pruned already")))
}
