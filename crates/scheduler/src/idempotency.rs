//! The `Idempotency-Key` header and what makes two requests under it the same.

use axum::http::HeaderMap;
use distrack_store::IdempotencyKey;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::{Code, Problem};

const MAX_KEY: usize = 255;

/// The key of a request, if it has one. Requests are the same when their route's `kind` and what they ask
/// for are; white space, the order of fields and the spelling of numbers do not count.
pub(crate) fn of(
    headers: &HeaderMap,
    kind: &str,
    request: &impl Serialize,
) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let plain = (1..=MAX_KEY).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if plain && values.next().is_none() => {
            Ok(Some(IdempotencyKey { key: key.to_owned(), request_hash: hash(kind, request) }))
        }
        _ => Err(Problem::new(Code::BadIdempotencyKey, "send one key of 1 to 255 visible ASCII characters")),
    }
}

/// The key of a batch's item. No client can send it: it has a line feed.
pub(crate) fn of_item(batch: &IdempotencyKey, index: usize) -> IdempotencyKey {
    IdempotencyKey { key: format!("{}\n{index}", batch.key), request_hash: batch.request_hash }
}

/// What a request under a key that another one used gets.
pub(crate) fn reused() -> Problem {
    Problem::new(Code::IdempotencyKeyReused, "the request differs from the first one under this key")
}

fn hash(kind: &str, request: &impl Serialize) -> [u8; 32] {
    let canonical = serde_json::to_vec(request).expect("a request came from JSON and goes back to it");
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update([0]);
    hash.update(canonical);
    hash.finalize().into()
}
