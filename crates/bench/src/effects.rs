//! Commands that leave a trace of each time they run, where their files can be read; elsewhere they print it.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use crate::api::Task;
use crate::bench::Bench;
use crate::check::Checks;

/// The trace of the commands of one round.
pub(crate) struct Effects {
    /// `None` where the workers may be on another machine.
    file: Option<PathBuf>,
    queue: String,
    mark: String,
}

impl Effects {
    /// For the tasks of this mark.
    pub(crate) fn of(bench: &Bench, mark: &str) -> Self {
        let file = bench.system.is_own.then(|| bench.system.folder.join(format!("effects-{mark}")));
        Self { file, queue: bench.load.queue.clone(), mark: mark.to_owned() }
    }

    /// A task whose command leaves its id and attempt. `>>` is one append of a short line, which is never torn.
    pub(crate) fn task(&self) -> Value {
        let line = r#"echo "$DISTRACK_TASK_ID $DISTRACK_ATTEMPT""#;
        let command = match &self.file {
            Some(file) => format!("{line} >>'{}'", file.display()),
            None => line.to_owned(),
        };
        json!({"command": command, "queue": self.queue, "labels": {"bench": self.mark}})
    }

    /// Checks what they left.
    pub(crate) async fn check(&self, bench: &Bench, tasks: &[Task], checks: &mut Checks) -> Result<()> {
        match &self.file {
            Some(file) => checks.effects(file, tasks),
            None => {
                let completed = tasks.iter().filter(|task| task.state == "completed");
                let expected: Vec<_> =
                    completed.map(|task| (task.task_id.clone(), format!("{} 1\n", task.task_id))).collect();
                checks.outputs(&bench.system.api, &expected).await
            }
        }
    }
}
