//! Whether every task ran, and ran once: by what the API says of each, by what it printed, and by the effects of the
//! commands themselves.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::api::{Api, Task, each};

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Checks {
    /// Tasks that were accepted.
    pub(crate) tasks: usize,
    /// Those that ended as they should.
    pub(crate) ended: usize,
    /// Accepted, and not ended as they should, or without a trace of what they did.
    pub(crate) lost: usize,
    /// Ran more than once.
    pub(crate) doubled: usize,
    /// Outputs that were read and are right.
    pub(crate) outputs: usize,
    /// Effects of commands that were found in their file.
    pub(crate) effects: usize,
    /// Attempts that the workers count, where they could be asked.
    pub(crate) attempts_of_workers: Option<u64>,
    /// What went wrong, the first few.
    pub(crate) problems: Vec<String>,
}

const MOST_PROBLEMS: usize = 10;

impl Checks {
    /// Whether nothing was lost or doubled.
    pub(crate) fn is_good(&self) -> bool {
        self.lost == 0 && self.doubled == 0
    }

    /// Adds those of another round.
    pub(crate) fn add(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.ended += other.ended;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.outputs += other.outputs;
        self.effects += other.effects;
        self.attempts_of_workers = match (self.attempts_of_workers, other.attempts_of_workers) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
        other.problems.into_iter().for_each(|problem| self.note(problem));
    }

    fn note(&mut self, problem: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }

    fn lose(&mut self, problem: String) {
        self.lost += 1;
        self.note(problem);
    }

    fn double(&mut self, problem: String) {
        self.doubled += 1;
        self.note(problem);
    }

    /// Checks that each accepted task is there and ended in one of these states, after one attempt at most.
    pub(crate) fn of(accepted: &[String], found: &[Task], states: &[&str]) -> Self {
        let mut checks = Self { tasks: accepted.len(), ..Self::default() };
        let by_id: HashMap<&str, &Task> = found.iter().map(|task| (task.task_id.as_str(), task)).collect();
        for id in accepted {
            match by_id.get(id.as_str()) {
                None => checks.lose(format!("{id} was accepted and is not there")),
                Some(task) if !states.contains(&task.state.as_str()) => {
                    checks.lose(format!("{id} is {}", task.state))
                }
                Some(task) if task.attempt > 1 => {
                    checks.double(format!("{id} had {} attempts", task.attempt))
                }
                Some(_) => checks.ended += 1,
            }
        }
        checks
    }

    /// Checks that each task printed its text.
    pub(crate) async fn outputs(&mut self, api: &Api, expected: &[(String, String)]) -> Result<()> {
        let right = each(expected, |(id, text)| api.printed(id, text)).await?;
        for ((id, _), right) in expected.iter().zip(right) {
            if right {
                self.outputs += 1;
            } else {
                self.lose(format!("{id} has not the output that it must have printed"));
            }
        }
        Ok(())
    }

    /// Checks what the commands wrote to `file`, a line `ID ATTEMPT` each: one of each completed task, none twice.
    pub(crate) fn effects(&mut self, file: &Path, tasks: &[Task]) -> Result<()> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for line in text.lines() {
            *seen.entry(line.split(' ').next().unwrap_or_default()).or_default() += 1;
        }
        self.effects += text.lines().count();
        let known: HashSet<&str> = tasks.iter().map(|task| task.task_id.as_str()).collect();
        for task in tasks {
            let id = &task.task_id;
            match seen.get(id.as_str()).copied().unwrap_or(0) {
                0 if task.state == "completed" => {
                    self.lose(format!("{id} completed, and its command left nothing"))
                }
                0 | 1 => {}
                times => self.double(format!("the command of {id} ran {times} times")),
            }
        }
        seen.keys()
            .filter(|id| !known.contains(*id))
            .for_each(|id| self.double(format!("{id} ran and is not known")));
        Ok(())
    }

    /// Checks that the workers count as many attempts as there were tasks.
    pub(crate) fn attempts(&mut self, counted: u64, expected: usize) {
        self.attempts_of_workers = Some(counted);
        let expected = u64::try_from(expected).unwrap_or(u64::MAX);
        if counted > expected {
            self.double(format!("the workers count {counted} attempts of {expected} tasks"));
        }
        if counted < expected {
            self.lose(format!("the workers count {counted} attempts of {expected} tasks"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, state: &str, attempt: u32) -> Task {
        let at = "2030-01-01T00:00:00Z";
        let task = serde_json::json!({"task_id": id, "state": state, "attempt": attempt, "trace_id": "", "created_at": at, "due_at": at});
        serde_json::from_value(task).unwrap()
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_task_that_is_missing_unfinished_or_tried_twice_is_found() {
        let found = [task("a", "completed", 1), task("b", "running", 1), task("c", "completed", 2)];
        let checks = Checks::of(&ids(&["a", "b", "c", "d"]), &found, &["completed"]);
        assert_eq!((checks.tasks, checks.ended, checks.lost, checks.doubled), (4, 1, 2, 1), "{checks:?}");
        assert!(!checks.is_good());
        assert!(Checks::of(&ids(&["a"]), &found, &["completed"]).is_good());
    }

    #[test]
    fn an_effect_that_is_missing_doubled_or_nobodys_is_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a 1\nb 1\nb 1\nx 1\n").unwrap();
        let tasks = [
            task("a", "completed", 1),
            task("b", "completed", 1),
            task("c", "completed", 1),
            task("d", "cancelled", 0),
        ];
        let mut checks = Checks::default();
        checks.effects(file.path(), &tasks).unwrap();
        assert_eq!((checks.effects, checks.lost, checks.doubled), (4, 1, 2), "{checks:?}");
        let mut checks = Checks::default();
        std::fs::write(file.path(), "a 1\n").unwrap();
        checks.effects(file.path(), &[task("a", "completed", 1), task("d", "cancelled", 0)]).unwrap();
        assert!(checks.is_good(), "{checks:?}");
    }

    #[test]
    fn workers_that_count_other_attempts_than_there_were_tasks_are_heard() {
        let counted = |counted| {
            let mut checks = Checks::default();
            checks.attempts(counted, 10);
            (checks.lost, checks.doubled)
        };
        assert_eq!([9, 10, 11].map(counted), [(1, 0), (0, 0), (0, 1)]);
    }
}
