//! Schemas of core's closed sets, which do not know of OpenAPI.

use distrack_core::timeline::Phase;
use distrack_core::{Cause, TaskState, TraceMode, why};
use distrack_store::AuditAction;
use serde_json::Value;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use crate::problem::Code;

fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names))
}

/// States of a task.
pub(crate) fn state() -> Object {
    one_of(TaskState::ALL.map(TaskState::as_str)).description(Some("Where the task stands.")).build()
}

/// The one state that a cancel gives.
pub(crate) fn cancelled() -> Object {
    one_of([TaskState::Cancelled.as_str()])
        .description(Some("Absent when a worker holds the task and will stop it."))
        .build()
}

/// Causes of a task's last failure, or null.
pub(crate) fn cause() -> Object {
    cause_of("Why the last attempt did not succeed.")
}

/// Causes of one attempt's failure, or null.
pub(crate) fn attempt_cause() -> Object {
    cause_of("Why the attempt did not succeed; null while it is held and when it did.")
}

fn cause_of(about: &str) -> Object {
    or_null(one_of(Cause::ALL.map(Cause::as_str)).description(Some(about)).build())
}

/// The same, and null for not given.
fn or_null(mut object: Object) -> Object {
    object.schema_type = SchemaType::from_iter([Type::String, Type::Null]);
    object.enum_values.get_or_insert_default().push(Value::Null);
    object
}

/// What a lost worker means.
pub(crate) fn on_lost() -> Object {
    one_of(["retry", "fail"])
        .description(Some(
            "What becomes of the task when its worker is lost: `retry` runs it at least once, `fail` at most once.",
        ))
        .default(Some("retry".into()))
        .build()
}

/// What too much output means.
pub(crate) fn on_output_limit() -> Object {
    one_of(["truncate", "fail"])
        .description(Some("What becomes of a command that prints more than the worker keeps."))
        .default(Some("truncate".into()))
        .build()
}

/// What runs a task.
pub(crate) fn executor() -> Object {
    one_of(["process", "noop"])
        .description(Some("What runs it; `noop` completes at once and measures the engine alone."))
        .default(Some("process".into()))
        .build()
}

/// How a worker's heartbeat stands.
pub(crate) fn worker_state() -> Object {
    one_of(["alive", "late", "lost"]).description(Some("How its heartbeat stands.")).build()
}

/// The same as [`on_lost`] in a request.
pub(crate) fn asked_on_lost() -> Object {
    or_null(on_lost())
}

/// The same as [`on_output_limit`] in a request.
pub(crate) fn asked_on_output_limit() -> Object {
    or_null(on_output_limit())
}

/// The same as [`executor`] in a request.
pub(crate) fn asked_executor() -> Object {
    or_null(executor())
}

/// What somebody did.
pub(crate) fn audit_action() -> Object {
    one_of(AuditAction::ALL.map(AuditAction::as_str)).description(Some("What was done.")).build()
}

/// Kinds of reasons.
pub(crate) fn reason() -> Object {
    one_of(why::Code::ALL.iter().map(|code| code.as_str())).description(Some("The kind of reason.")).build()
}

/// Phases of a task.
pub(crate) fn phase() -> Object {
    let about = "What the task was in: `scheduled` waits for its time, `ready` for a slot, `dispatched` for its worker \
                 to start it; `backoff` for the time of the next attempt; `waiting` is backoff and ready together, \
                 where it is no longer stored when one became the other.";
    one_of(Phase::ALL.map(Phase::as_str)).description(Some(about)).build()
}

/// How an attempt's trace belongs to that of the submission, or null.
pub(crate) fn trace_mode() -> Object {
    let about = "`child`: in the trace of the submission; `link`: in a trace of its own that links to it.";
    or_null(
        one_of([TraceMode::Child, TraceMode::Link].map(TraceMode::as_str)).description(Some(about)).build(),
    )
}

/// How a stream is written.
pub(crate) fn encoding() -> Object {
    let about = "How head and tail are written: `utf-8` as they are, or `base64`.";
    one_of(["utf-8", "base64"]).description(Some(about)).build()
}

/// Codes of problems.
pub(crate) fn code() -> Object {
    one_of(Code::ALL.iter().map(|code| code.as_str()))
        .description(Some("The kind of problem, stable, in `snake_case`."))
        .examples(["invalid_field"])
        .build()
}
