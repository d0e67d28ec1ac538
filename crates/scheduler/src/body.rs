//! Reads a JSON body: declared as such, within its cap and its time, and every complaint names its field.

use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use crate::app::App;
use crate::object::Object;
use crate::problem::{Code, Problem};

/// The largest body of a request about one task.
pub(crate) const MAX_BODY: usize = 1 << 20;
/// The largest body of a batch.
pub(crate) const MAX_BATCH_BODY: usize = 8 << 20;

/// A body of at most `LIMIT` bytes, read as `T`.
pub(crate) struct JsonBody<T, const LIMIT: usize>(pub(crate) T);

impl<T: DeserializeOwned, const LIMIT: usize> FromRequest<App> for JsonBody<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_headers(&parts.headers, LIMIT)?;
        let bytes = tokio::time::timeout(app.settings.request_timeout, collect(body, LIMIT)).await;
        let bytes = bytes.unwrap_or_else(|_| {
            Err(Problem::new(Code::RequestTimeout, "send the body faster, or in smaller parts"))
        })?;
        parse(&bytes).map(Self)
    }
}

fn check_headers(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !declared.is_some_and(is_json) {
        return Err(Problem::new(Code::UnsupportedMediaType, "send Content-Type: application/json"));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Problem::new(Code::UnsupportedMediaType, "send the body without Content-Encoding"));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) { Err(too_large(limit)) } else { Ok(()) }
}

fn is_json(declared: &str) -> bool {
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body must be at most {limit} bytes"))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut all = BytesMut::new();
    while let Some(chunk) = next(&mut stream).await? {
        // Most bodies are one chunk, which needs no copy.
        if all.is_empty() && chunk.len() <= limit && stream.size_hint() == (0, Some(0)) {
            return Ok(chunk);
        }
        if all.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

async fn next(stream: &mut BodyDataStream) -> Result<Option<Bytes>, Problem> {
    let chunk = stream.next().await.transpose();
    chunk.map_err(|_| Problem::new(Code::MalformedRequest, "the body broke off"))
}

/// Reads `bytes` as an object that is a `T`.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if let Ok(Object(value)) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    // What is no JSON is said first, whichever field comes before the place.
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(&error))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| malformed(&error))?;
    // Keeping track of the path costs time, so only a body at fault is read with it.
    let mut reader = serde_json::Deserializer::from_str(text);
    let error = match serde_path_to_error::deserialize::<_, Object<T>>(&mut reader) {
        Ok(Object(value)) => return Ok(value),
        Err(error) => error,
    };
    let path = error.path().to_string();
    let error = error.into_inner();
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    match error.classify() {
        Category::Data => Err(at_fault(&path, message)),
        // Good JSON, but more than a number of ours can be.
        Category::Syntax if message == "number out of range" => Err(at_fault(&path, message)),
        Category::Syntax | Category::Eof | Category::Io => Err(malformed(&error)),
    }
}

fn malformed(error: &dyn std::error::Error) -> Problem {
    Problem::new(Code::MalformedJson, error.to_string())
}

/// Complaints about a name come with the path of what holds it; the name is only in the message.
fn at_fault(path: &str, message: &str) -> Problem {
    let named = ["unknown field `", "missing field `", "duplicate field `"]
        .into_iter()
        .find_map(|start| message.strip_prefix(start))
        .map(|rest| rest.rsplit_once("`, expected").map_or(rest, |(name, _)| name).trim_end_matches('`'));
    // The tracker puts a name that it could not read as `?`.
    let holder = path.trim_end_matches('?').trim_end_matches('.');
    let field = match named {
        Some(name) if holder.is_empty() => name.to_owned(),
        Some(name) if holder == name || holder.ends_with(&format!(".{name}")) => holder.to_owned(),
        Some(name) => format!("{holder}.{name}"),
        None if holder.is_empty() => "body".to_owned(),
        None => holder.to_owned(),
    };
    Problem::field(field, message)
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "body_fuzz.rs"]
mod fuzz;
