//! What each operation may be refused with, by status, each with the codes that it may have.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use utoipa::Modify;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use super::{asks_by, needs, operations};
use crate::load;
use crate::problem::Code;

/// Lists them. A route that does not exist and a method that it does not have belong to no operation.
pub(super) struct Refusals;

impl Modify for Refusals {
    fn modify(&self, api: &mut OpenApi) {
        for (path, operation) in operations(api) {
            let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
            for code in codes(&path, operation) {
                by_status.entry(code.status().as_u16()).or_default().push(code);
            }
            for (status, codes) in by_status {
                let answer = RefOr::T(answer(status, &codes));
                operation.responses.responses.entry(status.to_string()).or_insert(answer);
            }
        }
    }
}

/// The codes that an operation may be refused with.
fn codes(path: &str, operation: &Operation) -> Vec<Code> {
    // Whoever asks, and whatever for.
    let mut codes = vec![Code::ForeignOrigin, Code::ForeignHost, Code::Internal];
    if load::is_work(path) {
        codes.extend([Code::InvalidField, Code::DatabaseUnavailable, Code::Overloaded]);
    }
    if needs(path, operation).scope().is_some() {
        codes.extend([Code::Unauthorized, Code::Forbidden, Code::RateLimited]);
    }
    if operation.request_body.is_some() {
        codes.extend([
            Code::MalformedRequest,
            Code::MalformedJson,
            Code::RequestTimeout,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
        ]);
    }
    if path.contains("{id}") || path == "/status" {
        codes.extend([Code::BadId, Code::TaskNotFound]);
    }
    if asks_by(operation, "Idempotency-Key") {
        codes.extend([
            Code::BadIdempotencyKey,
            Code::Conflict,
            Code::IdempotencyKeyReused,
            Code::CommitUnknown,
            Code::IntakeFull,
        ]);
    }
    codes.extend(match operation.operation_id.as_deref() {
        Some("list_tasks" | "list_audit") => Some(Code::BadCursor),
        Some("cancel_task") => Some(Code::TaskEnded),
        Some("retry_task") => Some(Code::TaskNotRetryable),
        Some("get_output") => Some(Code::AttemptNotFound),
        _ => None,
    });
    codes
}

fn answer(status: u16, codes: &[Code]) -> Response {
    let meanings = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title()));
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let answer = ResponseBuilder::new()
        .description(meanings.collect::<Vec<_>>().join("; "))
        .content("application/problem+json", problem);
    if status == StatusCode::UNAUTHORIZED.as_u16() {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let header = HeaderBuilder::new().schema(Some(text)).description(Some("`Bearer`"));
        return answer.header("WWW-Authenticate", header.build()).build();
    }
    if ![StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].iter().any(|later| *later == status)
    {
        return answer.build();
    }
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds until it may succeed"));
    answer.header("Retry-After", header.build()).build()
}
