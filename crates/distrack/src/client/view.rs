//! `distrack status`, `workers` and `queues`: one look at something, and waiting for a task's end.

use std::time::{Duration, Instant};

use clap::{Arg, Command};
use distrack_core::{TaskId, TaskState};
use serde_json::Value;

use super::api::{Answer, Api};
use super::args::Args;
use super::failure::Failure;
use super::output::{self, Format, cell};
use crate::exits;
use crate::say::say;

/// The fields of a task that people read, in the order in which they are told.
const TASK: [&str; 29] = [
    "task_id",
    "state",
    "command",
    "argv",
    "queue",
    "priority",
    "labels",
    "requires",
    "env_names",
    "env_secret",
    "attempt",
    "max_attempts",
    "exit_code",
    "signal",
    "cause",
    "error",
    "worker",
    "created_at",
    "scheduled_at",
    "due_at",
    "expires_at",
    "picked_at",
    "started_at",
    "completed_at",
    "failed_at",
    "cancelled_at",
    "expired_at",
    "retry_of",
    "trace_id",
];

/// The command lines.
pub(crate) fn commands() -> [Command; 3] {
    [
        Command::new("status")
            .about("Show a task: its state, its times, how it ended")
            .after_help("Examples:\n  distrack status 0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00\n  distrack status -o json ID")
            .arg(task_argument(1)),
        Command::new("workers").about("Show the workers and how their heartbeats stand"),
        Command::new("queues").about("Show how many tasks wait and run in each queue, and the oldest one's lag"),
    ]
}

/// The task ids that a command takes.
pub(crate) fn task_argument(most: usize) -> Arg {
    Arg::new("task_id")
        .value_name("TASK_ID")
        .num_args(0..=most)
        .help("The task, as distrack submit printed it")
}

/// A look at something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View {
    /// A task.
    Task(TaskId),
    /// The workers.
    Workers,
    /// The queues.
    Queues,
}

/// Reads the flags of `status`.
pub(crate) fn read_status(mut args: Args<'_>) -> Option<View> {
    args.task().map(View::Task)
}

impl View {
    /// Looks and shows.
    pub(crate) async fn run(self, api: &Api, format: Format) -> Result<(), Failure> {
        let answer = match self {
            Self::Task(id) => task(api, &id.to_string()).await?,
            Self::Workers => api.get(&["v1", "workers"], &[]).await?,
            Self::Queues => api.get(&["v1", "queues"], &[]).await?,
        };
        if format == Format::Json {
            return output::json(&answer);
        }
        let value = answer.json()?;
        output::line(&match self {
            Self::Task(_) => output::fields(&value, &TASK),
            Self::Workers => rows(&value, "workers", &WORKERS),
            Self::Queues => rows(&value, "queues", &QUEUES),
        })
    }
}

/// Column heads and the fields below them.
type Columns = [(&'static str, &'static str)];

const WORKERS: [(&str, &str); 9] = [
    ("NAME", "name"),
    ("STATE", "state"),
    ("DRAINING", "draining"),
    ("ADDRESS", "address"),
    ("BUSY", "held"),
    ("SLOTS", "slots"),
    ("QUEUES", "queues"),
    ("LABELS", "labels"),
    ("LAST HEARTBEAT", "last_heartbeat_at"),
];

const QUEUES: [(&str, &str); 6] = [
    ("QUEUE", "queue"),
    ("SCHEDULED", "scheduled"),
    ("READY", "ready"),
    ("DISPATCHED", "dispatched"),
    ("RUNNING", "running"),
    ("LAG S", "lag_seconds"),
];

fn rows(value: &Value, list: &str, columns: &Columns) -> String {
    let items = value.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        return format!("no {list}");
    }
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let row = |item| columns.iter().map(|(_, name)| cell_of(item, name)).collect();
    output::table(&heads, &items.iter().map(row).collect::<Vec<_>>())
}

fn cell_of(item: &Value, name: &str) -> String {
    let text = cell(item, name);
    match item.get("same_address").and_then(Value::as_u64) {
        Some(others) if others > 0 && name == "address" => format!("{text} (and {others} more workers!)"),
        _ => text,
    }
}

/// A task, as the API gives it.
pub(crate) async fn task(api: &Api, id: &str) -> Result<Answer, Failure> {
    api.get(&["v1", "tasks", id], &[]).await
}

/// Whether a task has ended.
pub(crate) fn has_ended(task: &Value) -> bool {
    let state: Option<TaskState> =
        task.get("state").and_then(Value::as_str).and_then(|state| state.parse().ok());
    state.is_some_and(TaskState::is_terminal)
}

/// Waits until a task has ended; `None` when it has not by `deadline`. A scheduler that does not answer is asked
/// again: what becomes of the task does not hang on it.
pub(crate) async fn ended(api: &Api, id: &str, deadline: Option<Instant>) -> Result<Option<Answer>, Failure> {
    let mut pause = Pause::default();
    let mut away = false;
    loop {
        match task(api, id).await {
            Ok(answer) if has_ended(&answer.json()?) => return Ok(Some(answer)),
            Ok(_) => away = false,
            Err(failure) if failure.code() == exits::UNREACHABLE => {
                if !away {
                    failure.say();
                    say(format_args!("distrack: still waiting for task {id}"));
                }
                away = true;
            }
            Err(failure) => return Err(failure),
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(None);
        }
        pause.wait(left).await;
    }
}

/// The pauses between looks: short at first, so that a short command is answered at once.
pub(crate) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(5))
    }
}

impl Pause {
    /// Waits for one, at most as long as `left`.
    pub(crate) async fn wait(&mut self, left: Option<Duration>) {
        tokio::time::sleep(left.map_or(self.0, |left| left.min(self.0))).await;
        self.0 = (self.0 * 3 / 2).min(Duration::from_millis(500));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_names_its_variables_also_the_secret_ones() {
        let task = json!({"task_id": "t", "env_names": ["A"], "env_secret": ["B", "C"]});
        assert_eq!(output::fields(&task, &TASK), "task_id     t\nenv_names   A\nenv_secret  B C");
    }

    #[test]
    fn workers_that_advertise_one_address_are_told_apart_from_those_that_do_not() {
        let worker = |same_address| json!({"name": "w", "address": "h:1", "same_address": same_address});
        let shown = rows(&json!({"workers": [worker(0), worker(2)]}), "workers", &WORKERS);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[1].contains("h:1  "), "{shown}");
        assert!(lines[2].contains("h:1 (and 2 more workers!)"), "{shown}");
    }
}
