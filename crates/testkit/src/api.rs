//! A small client of the HTTP API, as a user's program would be: JSON in, JSON out, no types of ours.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

use crate::eventually::eventually;

const REQUEST_LIMIT: Duration = Duration::from_secs(90);
const IMPATIENT_LIMIT: Duration = Duration::from_secs(5);
const TERMINAL: [&str; 4] = ["completed", "failed", "cancelled", "expired"];

/// What a scheduler answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as bytes.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Returns the body as JSON, or null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Returns the JSON of a 2xx answer.
    ///
    /// # Errors
    /// If the status is another one, or the body is no JSON.
    pub fn accepted(&self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("{}: {}", self.status, self.text());
        }
        serde_json::from_slice(&self.bytes).with_context(|| format!("no JSON: {}", self.text()))
    }
}

/// What a client is made with that speaks plain HTTP: otherwise it would look for a system's authorities.
fn trusting_nobody() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("the provider knows TLS 1.2 and 1.3");
    builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}

/// A client of one scheduler.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    http: reqwest::Client,
}

impl Api {
    /// Makes a client of the scheduler at `base`, such as `http://127.0.0.1:8081`.
    pub fn new(base: impl Into<String>) -> Self {
        Self::with_limit(base.into(), REQUEST_LIMIT)
    }

    /// Makes a client that gives a request up after five seconds, as programs do.
    pub(crate) fn impatient(base: String) -> Self {
        Self::with_limit(base, IMPATIENT_LIMIT)
    }

    fn with_limit(base: String, limit: Duration) -> Self {
        let http = reqwest::Client::builder()
            .timeout(limit)
            .no_proxy()
            .tls_backend_preconfigured(trusting_nobody())
            .build()
            .expect("a client that trusts nobody needs nothing from the system");
        Self { base, http }
    }

    /// Returns the scheduler's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns a request to `path`, to be filled in by the caller and given to [`Api::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and reads its whole answer, whatever its status.
    ///
    /// # Errors
    /// If no whole answer comes.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, bytes: response.bytes().await?.to_vec() })
    }

    /// Gets a path.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Posts JSON to a path.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Schedules a command by `POST /schedule` and returns the answer.
    ///
    /// # Errors
    /// If it is not accepted; this holds for all methods below.
    pub async fn schedule(&self, command: &str, delay_seconds: f64) -> Result<Value> {
        self.post("/schedule", &json!({"command": command, "delay_seconds": delay_seconds})).await?.accepted()
    }

    /// Submits a task by `POST /v1/tasks` and returns it.
    ///
    /// # Errors
    /// If it is not accepted.
    pub async fn submit(&self, task: &Value) -> Result<Value> {
        self.post("/v1/tasks", task).await?.accepted()
    }

    /// Submits tasks by `POST /v1/tasks/batch` and returns them in the same order.
    ///
    /// # Errors
    /// If they are not accepted.
    pub async fn submit_batch(&self, tasks: &[Value]) -> Result<Vec<Value>> {
        let answer = self.post("/v1/tasks/batch", &json!({"tasks": tasks})).await?.accepted()?;
        answer["tasks"].as_array().cloned().with_context(|| format!("no tasks in {answer}"))
    }

    /// Returns what `GET /status` says of a task.
    ///
    /// # Errors
    /// If there is none.
    pub async fn status(&self, task_id: &str) -> Result<Value> {
        self.get(&format!("/status?task_id={task_id}")).await?.accepted()
    }

    /// Returns a task.
    ///
    /// # Errors
    /// If there is none.
    pub async fn task(&self, task_id: &str) -> Result<Value> {
        self.get(&format!("/v1/tasks/{task_id}")).await?.accepted()
    }

    /// Returns one page of tasks; `query` is what follows the question mark.
    ///
    /// # Errors
    /// If the query is refused.
    pub async fn tasks(&self, query: &str) -> Result<Value> {
        self.get(&format!("/v1/tasks?{query}")).await?.accepted()
    }

    /// Returns what a task has printed.
    ///
    /// # Errors
    /// If there is no such task.
    pub async fn output(&self, task_id: &str) -> Result<Value> {
        self.get(&format!("/v1/tasks/{task_id}/output")).await?.accepted()
    }

    /// Returns the attempts of a task.
    ///
    /// # Errors
    /// If there is no such task.
    pub async fn attempts(&self, task_id: &str) -> Result<Value> {
        self.get(&format!("/v1/tasks/{task_id}/attempts")).await?.accepted()
    }

    /// Cancels a task.
    ///
    /// # Errors
    /// If its state forbids it.
    pub async fn cancel(&self, task_id: &str) -> Result<Value> {
        self.post(&format!("/v1/tasks/{task_id}/cancel"), &json!({})).await?.accepted()
    }

    /// Submits a task again.
    ///
    /// # Errors
    /// If its state forbids it.
    pub async fn retry(&self, task_id: &str) -> Result<Value> {
        self.post(&format!("/v1/tasks/{task_id}/retry"), &json!({})).await?.accepted()
    }

    /// Returns the workers.
    ///
    /// # Errors
    /// If the scheduler cannot tell.
    pub async fn workers(&self) -> Result<Value> {
        self.get("/v1/workers").await?.accepted()
    }

    /// Returns the queues.
    ///
    /// # Errors
    /// If the scheduler cannot tell.
    pub async fn queues(&self) -> Result<Value> {
        self.get("/v1/queues").await?.accepted()
    }

    /// Waits until a task is terminal and returns it.
    ///
    /// # Panics
    /// If `limit` passes first.
    pub async fn wait_terminal(&self, task_id: &str, limit: Duration) -> Value {
        eventually(limit, format_args!("the end of task {task_id}"), || self.terminal(task_id)).await
    }

    async fn terminal(&self, task_id: &str) -> Result<Value> {
        let task = self.task(task_id).await?;
        match task["state"].as_str() {
            Some(state) if TERMINAL.contains(&state) => Ok(task),
            Some(_) | None => bail!("{task}"),
        }
    }

    /// Waits until `/readyz` says yes.
    ///
    /// # Panics
    /// If `limit` passes first.
    pub async fn wait_ready(&self, limit: Duration) {
        eventually(limit, format_args!("{}/readyz", self.base), || self.is_ready()).await;
    }

    pub(crate) async fn is_ready(&self) -> Result<()> {
        let answer = self.get("/readyz").await?;
        if answer.status != 200 {
            bail!("{}: {}", answer.status, answer.text());
        }
        Ok(())
    }
}
