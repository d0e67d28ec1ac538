//! Schemas of core's closed sets, which do not know of OpenAPI.

use distrack_core::{Cause, TaskState};
use serde_json::Value;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names))
}

/// States of a task.
pub(crate) fn state() -> Object {
    one_of(TaskState::ALL.map(TaskState::as_str)).description(Some("Where the task stands.")).build()
}

/// Causes of a failure, or null.
pub(crate) fn cause() -> Object {
    let causes = Cause::ALL.into_iter().map(|cause| Value::from(cause.as_str()));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(causes.chain([Value::Null])))
        .description(Some("Why the last attempt did not succeed."))
        .build()
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
