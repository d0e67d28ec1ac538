//! Everything that a request can be refused with, as RFC 9457 problems.
//!
//! A handler answers a [`Problem`]; [`crate::edge`] writes it out, because only the edge knows the trace id
//! and the path. Nothing of the database's own words reaches a client.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use distrack_core::FieldError;
use distrack_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::resource::schema;

/// The most fields that one answer names.
const MAX_ERRORS: usize = 32;
/// The longest name of a field that is repeated, in characters: a client may have made it up.
const MAX_FIELD: usize = 128;
/// The longest message about a field, in characters: it may quote what was sent.
const MAX_MESSAGE: usize = 300;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $title:literal;)*) => {
        /// What a request was refused for: a closed set, stable for clients.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($(#[$doc])* $name),* }

        impl Code {
            /// Every code, by status.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in the API, in metrics and in logs.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The status that it is answered with.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// What it means, the same every time.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    /// The request cannot be read as HTTP means it.
    MalformedRequest = "malformed_request", BAD_REQUEST, "The request cannot be read";
    /// The body is not JSON.
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not JSON";
    /// An id is not a UUID.
    BadId = "bad_id", BAD_REQUEST, "The id is not a UUID";
    /// A cursor is not one of ours.
    BadCursor = "bad_cursor", BAD_REQUEST, "The cursor is not one that this API gave";
    /// An idempotency key that is too long or not visible ASCII.
    BadIdempotencyKey = "bad_idempotency_key", BAD_REQUEST, "The Idempotency-Key is not 1 to 255 visible ASCII characters";
    /// No token, or none that is good.
    Unauthorized = "unauthorized", UNAUTHORIZED, "The request needs a token that is good";
    /// The token is not for this.
    Forbidden = "forbidden", FORBIDDEN, "The token does not permit this";
    /// A browser sent it on behalf of another site.
    ForeignOrigin = "foreign_origin", FORBIDDEN, "Another site's page may not use this API";
    /// No such route.
    RouteNotFound = "route_not_found", NOT_FOUND, "There is no such route";
    /// No such task.
    TaskNotFound = "task_not_found", NOT_FOUND, "There is no such task";
    /// No such attempt of a task.
    AttemptNotFound = "attempt_not_found", NOT_FOUND, "The task has no such attempt";
    /// The route exists, the method does not.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The route does not have this method";
    /// The body did not come in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The body did not arrive in time";
    /// The task has ended and cannot be cancelled.
    TaskEnded = "task_ended", CONFLICT, "The task has ended";
    /// The task has not ended without success, so it cannot be retried.
    TaskNotRetryable = "task_not_retryable", CONFLICT, "Only a failed, cancelled or expired task can be retried";
    /// Something else is in the way.
    Conflict = "conflict", CONFLICT, "The request conflicts with what is stored";
    /// The body is over its cap.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body must be sent as application/json";
    /// The host is not a name of ours.
    ForeignHost = "foreign_host", MISDIRECTED_REQUEST, "This API is not known by that host name";
    /// A field is unknown, of the wrong type, or out of range.
    InvalidField = "invalid_field", UNPROCESSABLE_ENTITY, "A field is not what it must be";
    /// Another request was sent under the same key.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key was used for another request";
    /// More requests than a token may make, or too many with a wrong one.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    /// A bug of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong in the scheduler";
    /// The database is away, or too slow.
    DatabaseUnavailable = "database_unavailable", SERVICE_UNAVAILABLE, "The database is unavailable";
    /// The database went away, or was too slow, while a submission was being stored.
    CommitUnknown = "commit_unknown", SERVICE_UNAVAILABLE, "It is unknown whether the submission was stored";
    /// Too many requests are worked on already, or too many connections are open.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too many requests are under way";
    /// Too many submissions wait already.
    IntakeFull = "intake_full", SERVICE_UNAVAILABLE, "Too many submissions are waiting";
}

impl Code {
    /// Whether a submission can be refused with it.
    pub(crate) fn refuses_submissions(self) -> bool {
        !matches!(
            self,
            Self::BadCursor
                | Self::RouteNotFound
                | Self::AttemptNotFound
                | Self::MethodNotAllowed
                | Self::TaskEnded
        )
    }
}

/// A refusal, before it is written out.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) detail: Cow<'static, str>,
    pub(crate) errors: Vec<FieldError>,
    /// What the log says of it, and no client sees.
    pub(crate) cause: Option<Arc<str>>,
}

impl Problem {
    /// A refusal with what is particular about this one.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), cause: None }
    }

    /// A failure of ours; `cause` is for the log alone.
    pub(crate) fn internal(cause: impl Display) -> Self {
        let detail = "the scheduler's log says more, by the trace id";
        Self::new(Code::Internal, detail).because(cause)
    }

    /// The same, and what the log is to say of it.
    pub(crate) fn because(self, cause: impl Display) -> Self {
        Self { cause: Some(cause.to_string().into()), ..self }
    }

    /// Fields at fault, each by name.
    pub(crate) fn invalid(mut errors: Vec<FieldError>) -> Self {
        for error in &mut errors {
            shorten(&mut error.field, MAX_FIELD);
            shorten(&mut error.message, MAX_MESSAGE);
        }
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.field, one.message),
            many => format!("{} fields are not what they must be", many.len()),
        };
        errors.truncate(MAX_ERRORS);
        Self { errors, ..Self::new(Code::InvalidField, detail) }
    }

    /// One field at fault.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// The database is away, or too slow.
    pub(crate) fn unavailable(detail: &'static str) -> Self {
        Self::new(Code::DatabaseUnavailable, detail)
    }

    /// Seconds after which the same request may succeed.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        match self.code.status() {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some(1),
            _ => None,
        }
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Unanswered(_) => {
                Self::unavailable("try again later").because(error)
            }
            StoreError::Conflict(what) => Self::new(Code::Conflict, what.clone()),
            StoreError::Corrupt(_) | StoreError::Refused(_) => Self::internal(error),
        }
    }
}

fn shorten(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A refusal as `application/problem+json` (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument<'a> {
    /// Where the kind of problem is described.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/docs#invalid_field")]
    pub(crate) kind: String,
    /// What the kind of problem means, the same every time.
    pub(crate) title: &'a str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What is particular about this one.
    pub(crate) detail: &'a str,
    /// The kind of problem, stable, in `snake_case`.
    #[schema(schema_with = schema::code)]
    pub(crate) code: &'a str,
    /// Every field at fault, at most 32 of them.
    pub(crate) errors: Vec<ProblemField<'a>>,
    /// The trace of this request.
    pub(crate) trace_id: String,
    /// The path that was asked for.
    pub(crate) instance: &'a str,
}

/// A field that was refused, and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemField<'a> {
    /// Its name, with the path to it: `backoff.max`, `tasks[3].command`.
    pub(crate) field: &'a str,
    /// What it must be.
    pub(crate) message: &'a str,
}

impl<'a> ProblemDocument<'a> {
    /// Writes `problem` out for the request of this trace and path.
    pub(crate) fn new(problem: &'a Problem, status: StatusCode, trace_id: String, instance: &'a str) -> Self {
        let errors = problem.errors.iter();
        Self {
            kind: format!("/docs#{}", problem.code.as_str()),
            title: problem.code.title(),
            status: status.as_u16(),
            detail: &problem.detail,
            code: problem.code.as_str(),
            errors: errors.map(|one| ProblemField { field: &one.field, message: &one.message }).collect(),
            trace_id,
            instance,
        }
    }
}
