//! The OpenAPI 3.1 document, made from the routes and the types that they use.

mod examples;
mod headers;
mod refusals;
mod security;

use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::auth::Needs;
use crate::problem::{ProblemDocument, ProblemField};
use crate::router;
use crate::routes::{audit, batch, change, fleet, list, output, read, submit, why};
use examples::Examples;
use headers::{Headers, Parameters};
use refusals::Refusals;
use security::Security;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "distrack",
        description = "Runs shell commands at a given time, on a fleet, and shows what happened to each of them.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "tasks", description = "Schedule commands and see what became of them."),
        (name = "fleet", description = "Who runs them, and what waits."),
        (name = "service", description = "This scheduler itself."),
    ),
    paths(
        submit::create, batch::create, list::tasks, read::task, change::cancel, change::retry, output::output,
        read::attempts, why::why, why::trace, submit::schedule, read::status, fleet::workers, fleet::queues,
        audit::audit, livez, readyz, metrics, openapi_json, docs,
    ),
    components(schemas(ProblemDocument<'_>, ProblemField<'_>)),
    modifiers(&Refusals, &Headers, &Parameters, &Examples, &Problems, &Security),
)]
struct Api;

/// The document as it is served and committed.
pub(crate) fn document() -> Bytes {
    let mut text = Api::openapi().to_pretty_json().expect("the document is made of strings and numbers");
    text.push('\n');
    text.into()
}

/// Answers with the document.
pub(crate) fn answer(document: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}

/// Each operation with its path.
fn operations(api: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = (String, &mut Operation)> {
    api.paths.paths.iter_mut().flat_map(|(path, item)| {
        let operations = [&mut item.get, &mut item.post].into_iter().flatten();
        operations.map(move |operation| (path.clone(), operation))
    })
}

/// What an operation asks of its caller. Only those that change something have a body, or make tasks, or cancel.
fn needs(path: &str, operation: &Operation) -> Needs {
    let posts = operation.request_body.is_some() || path.ends_with("/cancel") || path.ends_with("/retry");
    router::needs(if posts { &Method::POST } else { &Method::GET }, path)
}

/// Whether an operation takes this header.
fn asks_by(operation: &Operation, header: &str) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == header))
}

/// Gives each operation the answer of what it does not name: a problem.
struct Problems;

impl Modify for Problems {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let answer = ResponseBuilder::new()
            .description("The request was refused, or failed; `code` says why")
            .content("application/problem+json", problem)
            .build();
        let components = api.components.get_or_insert_default();
        components.responses.insert("Problem".to_owned(), RefOr::T(answer));
        for (_, operation) in operations(api) {
            let reference = RefOr::Ref(Ref::from_response_name("Problem"));
            operation.responses.responses.insert("default".to_owned(), reference);
        }
    }
}

macro_rules! described {
    ($($(#[$path:meta])* fn $name:ident;)*) => {
        $($(#[$path])* #[expect(dead_code, reason = "describes a route that is served elsewhere")] fn $name() {})*
    };
}

described! {
    /// Says that the process lives.
    #[utoipa::path(get, path = "/livez", tag = "service", responses((status = 200, description = "It does", body = String)))]
    fn livez;
    /// Says whether tasks can be accepted now, and if not, why.
    #[utoipa::path(get, path = "/readyz", tag = "service", responses(
        (status = 200, description = "They can", body = String),
        (status = 503, description = "They cannot, because of this", body = String),
    ))]
    fn readyz;
    /// Shows metrics in Prometheus' text format.
    #[utoipa::path(get, path = "/metrics", tag = "service", responses((status = 200, description = "The metrics", body = String)))]
    fn metrics;
    /// Shows this document.
    #[utoipa::path(get, path = "/openapi.json", tag = "service", responses((status = 200, description = "The document", body = Object)))]
    fn openapi_json;
    /// Shows this document as a page for people.
    #[utoipa::path(get, path = "/docs", tag = "service", responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
    fn docs;
}
