//! Holds every answer that a test gets against the OpenAPI document: an operation names each status it gives.

use std::sync::OnceLock;

use reqwest::Method;
use serde_json::Value;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

/// Checks the status that `path` answered `method` with. What is no operation is not judged.
pub(super) fn check(method: &Method, path: &str, status: u16) {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let found = paths
        .get(path)
        .or_else(|| paths.iter().find(|(template, _)| fits(template, path)).map(|(_, item)| item));
    let Some(operation) = found.and_then(|item| item.get(method.as_str().to_lowercase())) else { return };
    let answer = &operation["responses"][status.to_string()];
    assert!(answer.is_object(), "the OpenAPI document does not name {status} for {method} {path}");
    assert!(status != 503 || path == "/readyz" || answer["headers"]["Retry-After"].is_object(), "{answer}");
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(part, given)| part == given || (part == "{id}" && !given.is_empty()))
}

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let text = std::fs::read_to_string(COMMITTED).unwrap();
        serde_json::from_str(&text).unwrap()
    })
}
