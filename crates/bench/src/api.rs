//! The part of the HTTP API that is needed here, typed as far as it is read.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::Value;

use crate::http::{Answer, Call, Connection};
use crate::settings::Server;
use crate::stamp::Stamp;
use crate::whole::micros;

/// Tasks of one batch, and of one page.
pub(crate) const PAGE: usize = 1_000;
/// Requests at once where many are sent to read or to clean up.
const AT_ONCE: usize = 16;
/// How long a submission is tried again that the scheduler cannot take now.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// A task that was accepted.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) task_id: String,
    pub(crate) created_at: Stamp,
    pub(crate) scheduled_at: Stamp,
}

/// A task as it stands.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) task_id: String,
    pub(crate) state: String,
    pub(crate) attempt: u32,
    pub(crate) trace_id: String,
    pub(crate) created_at: Stamp,
    pub(crate) due_at: Stamp,
    pub(crate) picked_at: Option<Stamp>,
    pub(crate) started_at: Option<Stamp>,
    pub(crate) completed_at: Option<Stamp>,
    pub(crate) failed_at: Option<Stamp>,
    pub(crate) cancelled_at: Option<Stamp>,
    pub(crate) expired_at: Option<Stamp>,
}

impl Task {
    /// When it ended.
    pub(crate) fn ended_at(&self) -> Option<Stamp> {
        self.completed_at.or(self.failed_at).or(self.cancelled_at).or(self.expired_at)
    }

    /// From when it could have run.
    pub(crate) fn ready_at(&self) -> Stamp {
        self.due_at.max(self.created_at)
    }
}

/// The phases of a task in microseconds, finer than its instants are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phases(HashMap<String, i64>);

impl Phases {
    /// How long a phase lasted; nothing if there was none.
    pub(crate) fn of(&self, phase: &str) -> i64 {
        self.0.get(phase).copied().unwrap_or(0)
    }
}

#[derive(Deserialize)]
struct Many<T> {
    tasks: Vec<T>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Told {
    submission: Traced,
    attempts: Vec<Traced>,
    timeline: Vec<Step>,
}

#[derive(Deserialize)]
struct Traced {
    url: Option<String>,
}

#[derive(Deserialize)]
struct Step {
    phase: String,
    duration_seconds: f64,
}

/// A scheduler's API, over as many connections as are used at once.
pub(crate) struct Api {
    server: Arc<Server>,
    idle: Mutex<Vec<Connection>>,
}

impl Api {
    /// The API of `server`.
    pub(crate) fn new(server: Server) -> Self {
        Self { server: Arc::new(server), idle: Mutex::new(Vec::new()) }
    }

    /// Whose API it is.
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Sends a request over a connection that nobody uses now.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = idle.unwrap_or_else(|| Connection::new(&self.server));
        let answer = connection.call(call).await;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        answer
    }

    async fn read<T: for<'a> Deserialize<'a>>(&self, path: String) -> Result<T> {
        let body = self.call(&Call::get(path)).await?.good()?;
        serde_json::from_slice(&body).context("the answer is not one of a distrack scheduler")
    }

    /// Submits until the scheduler can take it: a batch is large, and a fleet under load may have no room at once.
    async fn submit<T: for<'a> Deserialize<'a>>(&self, call: &Call) -> Result<T> {
        let began = Instant::now();
        loop {
            let answer = self.call(call).await?;
            if answer.status == 503 && began.elapsed() < PATIENCE {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let body = answer.good()?;
            return serde_json::from_slice(&body).context("the answer is not one of a distrack scheduler");
        }
    }

    /// Submits one task.
    pub(crate) async fn submit_one(&self, task: &Value) -> Result<Accepted> {
        self.submit(&Call::post("/v1/tasks", task.to_string())).await
    }

    /// Submits tasks, all or none.
    pub(crate) async fn submit_batch(&self, tasks: &[Value]) -> Result<Vec<Accepted>> {
        let body = serde_json::json!({"tasks": tasks}).to_string();
        let accepted: Many<Accepted> = self.submit(&Call::post("/v1/tasks/batch", body)).await?;
        Ok(accepted.tasks)
    }

    /// How a task stands.
    pub(crate) async fn task(&self, id: &str) -> Result<Task> {
        self.read(format!("/v1/tasks/{id}")).await
    }

    /// Every task with the label `bench=<mark>` that was accepted since.
    pub(crate) async fn marked(&self, mark: &str, since: Stamp) -> Result<Vec<Task>> {
        // An instant is written without its microseconds.
        let since = since.plus(-2_000);
        let first = format!("/v1/tasks?label=bench%3D{mark}&created_after={since}&limit={PAGE}");
        let (mut tasks, mut path) = (Vec::new(), first.clone());
        loop {
            let page: Many<Task> = self.read(path).await?;
            tasks.extend(page.tasks);
            match page.next_cursor {
                Some(cursor) => path = format!("{first}&cursor={cursor}"),
                None => return Ok(tasks),
            }
        }
    }

    /// The phases of a task.
    pub(crate) async fn phases(&self, id: &str) -> Result<Phases> {
        let told: Told = self.read(format!("/v1/tasks/{id}/trace")).await?;
        let lasted = |step: Step| (step.phase, micros(step.duration_seconds));
        Ok(Phases(told.timeline.into_iter().map(lasted).collect()))
    }

    /// Where a task's last trace is shown, if the scheduler knows a Jaeger.
    pub(crate) async fn trace_url(&self, id: &str) -> Result<Option<String>> {
        let told: Told = self.read(format!("/v1/tasks/{id}/trace")).await?;
        Ok(told.attempts.into_iter().rev().find_map(|traced| traced.url).or(told.submission.url))
    }

    /// Whether the task printed exactly this.
    pub(crate) async fn printed(&self, id: &str, text: &str) -> Result<bool> {
        let output: Value = self.read(format!("/v1/tasks/{id}/output")).await?;
        Ok(output["stdout"]["head"] == text)
    }

    /// Cancels a task; one that has ended stays as it is.
    pub(crate) async fn cancel(&self, id: &str) -> Result<()> {
        let answer = self.call(&Call::post(format!("/v1/tasks/{id}/cancel"), "")).await?;
        if answer.status == 409 { Ok(()) } else { answer.good().map(drop) }
    }

    /// The workers that are alive, and their slots.
    pub(crate) async fn fleet(&self) -> Result<(usize, u64)> {
        let fleet: Value = self.read("/v1/workers".to_owned()).await?;
        let workers = fleet["workers"].as_array().context("the answer has no workers")?;
        let alive = workers.iter().filter(|worker| worker["state"] == "alive");
        let slots: Vec<u64> = alive.map(|worker| worker["slots"].as_u64().unwrap_or(0)).collect();
        Ok((slots.len(), slots.iter().sum()))
    }
}

/// Asks `what` of each, a few at a time, and returns the answers in the order of the questions.
pub(crate) async fn each<'a, T, R, F>(of: &'a [T], what: impl Fn(&'a T) -> F) -> Result<Vec<R>>
where
    F: Future<Output = Result<R>>,
{
    stream::iter(of).map(what).buffered(AT_ONCE).try_collect().await
}
