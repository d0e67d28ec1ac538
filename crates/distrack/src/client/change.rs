//! `distrack cancel` and `distrack retry`: change what becomes of tasks.

use clap::Command;
use distrack_core::TaskId;

use super::api::Api;
use super::args::Args;
use super::failure::Failure;
use super::output::{self, Format, cell};
use super::view::task_argument;
use crate::exits;
use crate::say::say;

/// The most tasks that one command names.
const MOST: usize = 10_000;

/// The command lines.
pub(crate) fn commands() -> [Command; 2] {
    [
        Command::new("cancel")
            .about("Cancel tasks: a waiting one at once, a running one by stopping its command")
            .after_help("Examples:\n  distrack cancel 0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00")
            .arg(task_argument(MOST)),
        Command::new("retry")
            .about("Schedule a new task like one that failed, expired or was cancelled; prints the new id")
            .after_help("Examples:\n  distrack retry 0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00")
            .arg(task_argument(MOST)),
    ]
}

/// What to do to tasks.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    tasks: Vec<TaskId>,
    verb: &'static str,
}

/// Reads the flags.
pub(crate) fn read(verb: &'static str, mut args: Args<'_>) -> Option<Change> {
    Some(Change { tasks: args.tasks(), verb })
}

impl Change {
    /// Does it to each task, whatever becomes of the others; returns the worst exit code. Only a scheduler that
    /// does not answer ends it early: each of the others would wait for it as long.
    pub(crate) async fn run(self, api: &Api, format: Format) -> u8 {
        let mut worst = exits::OK;
        for (task, left) in self.tasks.iter().zip((0..self.tasks.len()).rev()) {
            let Err(failure) = self.one(*task, api, format).await else { continue };
            let code = match failure {
                // The tasks matter, not who reads of them.
                Failure::Unread => continue,
                Failure::Said { code, text } => {
                    say(format_args!("distrack: task {task}: {text}"));
                    code
                }
            };
            worst = exits::worse(worst, code);
            if code == exits::UNREACHABLE {
                if left > 0 {
                    say(format_args!("distrack: left as they were: {left}"));
                }
                break;
            }
        }
        worst
    }

    async fn one(&self, task: TaskId, api: &Api, format: Format) -> Result<(), Failure> {
        let answer = api.post(&["v1", "tasks", &task.to_string(), self.verb], None, None).await?;
        if format == Format::Json {
            return output::json(&answer);
        }
        let changed = answer.json()?;
        output::line(&match self.verb {
            "retry" => cell(&changed, "task_id"),
            _ => format!("{task} {}", told(&cell(&changed, "state"))),
        })
    }
}

/// A held task is cancelled once its worker has stopped the command.
fn told(state: &str) -> String {
    match state {
        "dispatched" | "running" => format!("{state}, being stopped"),
        other => other.to_owned(),
    }
}
