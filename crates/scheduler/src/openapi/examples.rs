//! One answer of each main operation, made by the code that makes the real ones.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::outcome::Usage;
use distrack_core::why::Facts;
use distrack_core::{
    Attempt, NewTask, Outcome, Output, StreamOutput, Task, TaskDraft, TaskId, TaskState, TraceContext,
    TraceMode,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::Modify;
use utoipa::openapi::{OpenApi, RefOr};

use super::operations;
use crate::resource::attempt::{AttemptList, AttemptResource};
use crate::resource::output::OutputResource;
use crate::resource::task::{TaskList, TaskPage, TaskResource};
use crate::resource::trace::{Jaeger, TraceResource};
use crate::resource::why::WhyResource;

const ID: &str = "0199d3a5-5b7e-7c31-9f0e-4f6a1c2d3e4f";
const WORKER: &str = "0199d3a0-11c2-7d54-8a6b-0c1d2e3f4a5b";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Puts them into the answers.
pub(super) struct Examples;

impl Modify for Examples {
    fn modify(&self, api: &mut OpenApi) {
        for (_, operation) in operations(api) {
            let Some(example) = operation.operation_id.as_deref().and_then(of) else { continue };
            let good = operation.responses.responses.iter_mut().filter(|(status, _)| status.starts_with('2'));
            for (_, answer) in good {
                let RefOr::T(answer) = answer else { continue };
                if let Some(RefOr::T(content)) = answer.content.get_mut("application/json") {
                    content.example = Some(example.clone());
                }
            }
        }
    }
}

/// The answer to show for an operation.
fn of(operation: &str) -> Option<Value> {
    Some(match operation {
        "create_task" | "schedule" | "retry_task" => json(&TaskResource::from(pending())),
        "get_task" | "status" => json(&TaskResource::from(completed())),
        "cancel_task" => json(&TaskResource::from(cancelled())),
        "create_tasks" => json(&TaskList { tasks: vec![pending().into()] }),
        "list_tasks" => json(&TaskPage { tasks: vec![completed().into()], next_cursor: None }),
        "list_attempts" => json(&AttemptList { attempts: vec![attempt()] }),
        "get_output" => json(&OutputResource::new(completed().id, 1, true, output())),
        "get_why" => json(&WhyResource::from(&late())),
        "get_trace" => json(&TraceResource::new(&late(), Jaeger(Some("http://localhost:16686")))),
        "list_workers" => workers(),
        "list_queues" => json!({"queues": [{
            "queue": "default", "scheduled": 12, "ready": 3, "dispatched": 1, "running": 8, "lag_seconds": 0.25,
        }]}),
        "list_audit" => audit(),
        _ => return None,
    })
}

fn json(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).expect("an answer is strings and numbers")
}

fn accepted_at() -> DateTime<Utc> {
    let id: TaskId = ID.parse().expect("it is a UUID");
    id.made_at_ms().and_then(DateTime::from_timestamp_millis).expect("it was made at a time")
}

fn pending() -> Task {
    let draft = TaskDraft {
        command: Some("echo hello".to_owned()),
        delay_seconds: Some(5.0),
        ..TaskDraft::default()
    };
    let trace = TraceContext::parse(PARENT, None).expect("it is a trace");
    let task =
        NewTask::parse(draft, ID.parse().expect("it is a UUID"), trace).expect("it is within the limits");
    task.accepted(accepted_at(), accepted_at() + TimeDelta::seconds(5))
}

fn completed() -> Task {
    let at = |millis| Some(accepted_at() + TimeDelta::milliseconds(millis));
    Task {
        state: TaskState::Completed,
        epoch: 1,
        attempt: 1,
        worker: Some("worker-1".to_owned()),
        picked_at: at(5002),
        started_at: at(5004),
        finished_at: at(5007),
        outcome: Some(outcome()),
        ..pending()
    }
}

fn cancelled() -> Task {
    let finished_at = Some(accepted_at() + TimeDelta::seconds(2));
    Task { state: TaskState::Cancelled, finished_at, ..pending() }
}

fn outcome() -> Outcome {
    let (cpu_user, cpu_system) = (Duration::from_millis(1), Duration::from_millis(1));
    Outcome {
        usage: Some(Usage { max_rss_bytes: Some(1_540_096), cpu_user, cpu_system }),
        ..Outcome::success()
    }
}

fn attempt() -> AttemptResource {
    AttemptResource::from(attempt_of(completed()))
}

/// The same task, 3 s later.
fn late() -> Facts {
    let after = |at: Option<DateTime<Utc>>| at.map(|at| at + TimeDelta::seconds(3));
    let task = completed();
    let (picked_at, started_at, finished_at) =
        (after(task.picked_at), after(task.started_at), after(task.finished_at));
    let task = Task { picked_at, started_at, finished_at, ..task };
    let now = accepted_at() + TimeDelta::seconds(60);
    Facts {
        now,
        attempts: vec![attempt_of(task.clone())],
        task,
        ahead: 0,
        ahead_requiring: 0,
        sessions: Vec::new(),
    }
}

fn attempt_of(task: Task) -> Attempt {
    let trace = task.trace;
    Attempt {
        epoch: task.epoch,
        attempt: task.attempt,
        worker: task.worker,
        picked_at: task.picked_at,
        started_at: task.started_at,
        finished_at: task.finished_at,
        outcome: task.outcome,
        trace_id: Some(trace.trace_id),
        span_id: Some(trace.span_id),
        trace_mode: Some(TraceMode::Child),
    }
}

fn output() -> Output {
    let stdout = StreamOutput { head: b"hello\n".to_vec(), tail: Vec::new(), bytes: 6 };
    Output { stdout, ..Output::default() }
}

fn audit() -> Value {
    json!({"entries": [{
        "id": 71, "at": "2025-10-11T09:30:00.000Z", "action": "submit", "task_id": ID, "last_task_id": null,
        "retry_of": null, "count": 1, "token": {"id": "k3v9", "name": "ci"}, "address": "10.0.0.7", "queue": "default",
        "command_sha256": "0f1128046248f83dc9b9ab187e16fad0ff596128f1524d05a9a77c4ad932f10a",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }], "next_cursor": null})
}

fn workers() -> Value {
    json!({"workers": [{
        "worker_id": WORKER, "name": "worker-1", "host": "node-1",
        "address": "node-1:8083", "version": env!("CARGO_PKG_VERSION"), "state": "alive", "draining": false,
        "slots": 8, "held": 3, "queues": null, "labels": {"zone": "a"},
        "registered_at": "2025-10-11T09:00:00.000Z", "last_heartbeat_at": "2025-10-11T09:30:00.000Z",
        "lease_expires_at": "2025-10-11T09:30:30.000Z", "same_address": 0,
    }]})
}
