//! A bare HTTP server: reads JSON of a submission's size and answers JSON of its answer's size, and does nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::State;
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::hammer::{Kept, hammer};
use crate::http::Call;
use crate::settings::Server;

const LASTS: Duration = Duration::from_secs(1);

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Submitted {
    command: String,
    delay_seconds: f64,
    queue: String,
    labels: BTreeMap<String, String>,
}

/// Requests a second over so many connections, each answered with `answer`, from the client that measures submissions.
pub(super) async fn rate(connections: usize, call: &Call, answer: Value) -> Result<f64> {
    let routes = Router::new().route("/schedule", post(schedule)).with_state(Arc::new(answer));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let server =
        Server { uri: format!("http://{}/", listener.local_addr()?).parse()?, token: None, tls: None };
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let serving = tokio::spawn(axum::serve(listener, routes).into_future());
    let hammered = hammer(&Arc::new(server), call, connections, LASTS, Kept::Nothing).await;
    serving.abort();
    Ok(hammered?.rate())
}

async fn schedule(
    State(answer): State<Arc<Value>>,
    Json(task): Json<Submitted>,
) -> (StatusCode, Json<Value>) {
    // What was read must be used, or the optimiser may leave the reading out.
    let good = task.delay_seconds >= 0.0
        && !task.command.is_empty()
        && !task.queue.is_empty()
        && !task.labels.is_empty();
    let status = if good { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
    (status, Json(Value::clone(&answer)))
}
