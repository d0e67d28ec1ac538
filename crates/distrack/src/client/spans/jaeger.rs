//! Asks a Jaeger for a trace. What it has is an extra: it may take neither long nor much room.

use reqwest::{StatusCode, Url};

use crate::client::Trusted;
use crate::client::api;
use crate::client::failure::reason;

/// What the Jaeger whose pages are below `base` answers about a trace, at most `most` bytes; nothing where it has no
/// such trace. The error says why there is no answer.
pub(super) async fn ask(base: &str, trace: &str, most: usize) -> Result<Option<Vec<u8>>, String> {
    let cannot = |error: reqwest::Error| reason(&error);
    let url = Url::parse(&format!("{base}/api/v3/traces/{trace}")).map_err(|error| error.to_string())?;
    let trusted = Trusted::system(&url);
    let mut response = api::http(&url, &trusted).get(url).send().await.map_err(cannot)?;
    match response.status() {
        StatusCode::NOT_FOUND => return Ok(None),
        status if !status.is_success() => return Err(format!("it answered {status}")),
        _ => {}
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(cannot)? {
        if body.len() + part.len() > most {
            return Err(format!("its answer is larger than {} MiB", most / (1024 * 1024)));
        }
        body.extend_from_slice(&part);
    }
    Ok(Some(body))
}
