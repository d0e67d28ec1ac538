//! Headers that many operations take or give, and the closed sets of their parameters.

use utoipa::Modify;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{OpenApi, RefOr, Required};

use super::{asks_by, operations};

/// Describes them.
pub(super) struct Headers;

impl Modify for Headers {
    fn modify(&self, api: &mut OpenApi) {
        for (path, operation) in operations(api) {
            // An operation that makes tasks has a key.
            if asks_by(operation, "Idempotency-Key") {
                take(operation, "traceparent", "The trace to join (W3C Trace Context)");
                take(operation, "tracestate", "What goes with `traceparent`");
                give(
                    operation,
                    &["200"],
                    "Idempotent-Replayed",
                    "`true` for the answer to an earlier request",
                );
                if path != "/v1/tasks/batch" {
                    give(operation, &["200", "201"], "Location", "The task's path");
                }
            }
            take(operation, "X-Request-Id", "1 to 128 visible ASCII characters, given back in every answer");
            give(operation, &["200", "201", "202"], "X-Request-Id", "The one that was sent");
        }
    }
}

fn take(operation: &mut Operation, name: &str, about: &str) {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(text()));
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter.build()));
}

fn give(operation: &mut Operation, statuses: &[&str], name: &str, about: &str) {
    for status in statuses {
        if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut(*status) {
            answer.headers.insert(name.to_owned(), RefOr::T(header(about)));
        }
    }
}

fn header(about: &str) -> Header {
    HeaderBuilder::new().schema(Some(text())).description(Some(about)).build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Gives parameters the form that their type in the route does not tell.
pub(super) struct Parameters;

impl Modify for Parameters {
    fn modify(&self, api: &mut OpenApi) {
        for (_, operation) in operations(api) {
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    shape(parameter);
                }
            }
        }
    }
}

fn shape(parameter: &mut Parameter) {
    let schema = match parameter.name.as_str() {
        "state" => crate::resource::schema::state().into(),
        "stream" => text().enum_values(Some(["stdout", "stderr"])).into(),
        "created_after" | "created_before" | "since" => {
            text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
        }
        // Left out or a text, never null.
        "Idempotency-Key" => text().min_length(Some(1)).max_length(Some(255)).into(),
        _ => return,
    };
    parameter.schema = Some(schema);
}
