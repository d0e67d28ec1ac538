//! What commands did, by their own word, and which of their processes live.

use std::collections::HashMap;
use std::path::Path;

use super::boot::Boot;

/// One run of a command.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// The task.
    pub task: String,
    /// The epoch of the attempt.
    pub epoch: i64,
    /// The process.
    pub pid: i32,
    /// When it said that it starts.
    pub started: Boot,
    /// When it said that it ends, and its exit code; nothing if it was killed.
    pub ended: Option<(Boot, i32)>,
    /// When the process was last seen alive.
    pub seen: Option<Boot>,
    /// When the process was first seen gone.
    pub gone: Option<Boot>,
}

impl Run {
    /// The latest instant at which it is known to have run.
    pub fn known_until(&self) -> Boot {
        self.ended.map(|(at, _)| at).or(self.seen).unwrap_or(self.started).max(self.started)
    }
}

/// All runs, in the order in which they started.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// The runs.
    pub runs: Vec<Run>,
    /// Lines that are none of ours, or that end a run that never started.
    pub malformed: Vec<String>,
    open: HashMap<(String, i64, i32), usize>,
    /// What a line is missing yet.
    rest: String,
}

/// Reads a whole effect log.
pub fn read(text: &str) -> Effects {
    let mut effects = Effects::default();
    effects.add(text);
    effects
}

impl Effects {
    /// Adds what the log has grown by.
    pub fn add(&mut self, text: &str) {
        let text = std::mem::take(&mut self.rest) + text;
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                None => self.rest = line.to_owned(),
                Some(line) if self.line(line).is_some() => {}
                Some(line) => self.malformed.push(line.to_owned()),
            }
        }
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [task, epoch, what, pid, at, code] = fields.try_into().ok()?;
        let (epoch, pid, at) = (epoch.parse().ok()?, pid.parse().ok()?, Boot::parse(at)?);
        uuid::Uuid::parse_str(task).ok()?;
        let key = (task.to_owned(), epoch, pid);
        match what {
            "start" => {
                self.open.insert(key, self.runs.len());
                self.runs.push(Run { task: task.to_owned(), epoch, pid, started: at, ..Run::default() });
            }
            "end" => {
                let run = self.open.remove(&key)?;
                self.runs[run].ended = Some((at, code.parse().ok()?));
            }
            _ => return None,
        }
        Some(())
    }

    /// Looks which of the processes that said no end yet still live.
    pub fn look(&mut self) {
        let now = Boot::now();
        let open: Vec<usize> = self.open.values().copied().collect();
        for run in open {
            let run = &mut self.runs[run];
            if run.gone.is_some() {
                continue;
            }
            if lives(run.pid) {
                run.seen = Some(now);
            } else {
                run.gone = Some(Boot::now());
            }
        }
    }

    /// How many commands run at this moment, as far as they said.
    pub fn running(&self) -> usize {
        self.open.values().filter(|run| self.runs[**run].gone.is_none()).count()
    }
}

/// Whether a process lives and is no zombie.
pub fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').next());
    state.is_some_and(|state| !matches!(state, "Z" | "X"))
}

/// A process that lives although nobody is to run commands any more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leftover {
    /// The process.
    pub pid: i32,
    /// The task that it belongs to, by its environment.
    pub task: String,
    /// The epoch of its attempt.
    pub epoch: i64,
    /// Its command line.
    pub command: String,
}

/// Every living process that belongs to a task, by its environment, below nobody in particular: a process that
/// left its group and session still has it.
pub fn processes_of_tasks(is_ours: impl Fn(&str) -> bool) -> Vec<Leftover> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let found = pids.filter_map(|pid| {
        let folder = format!("/proc/{pid}");
        let environment = read_zeroed(Path::new(&folder).join("environ").as_path());
        let of = |name: &str| environment.iter().find_map(|line| line.strip_prefix(name));
        let task = of("DISTRACK_TASK_ID=").filter(|task| is_ours(task))?.to_owned();
        let epoch = of("DISTRACK_EPOCH=").and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
        let command = read_zeroed(Path::new(&folder).join("cmdline").as_path()).join(" ");
        lives(pid).then_some(Leftover { pid, task, epoch, command })
    });
    found.collect()
}

fn read_zeroed(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;
    use crate::eventually;

    const TASK: &str = "00000000-0000-0000-0000-000000000001";

    #[test]
    fn a_line_that_comes_in_two_parts_is_one() {
        let mut effects = Effects::default();
        effects.add(&format!("{TASK} 1 start 9 7.0"));
        assert!(effects.runs.is_empty() && effects.malformed.is_empty());
        effects.add("0 -\nrubbish\n");
        assert_eq!(effects.runs[0].started, Boot(7_000));
        assert_eq!(effects.malformed, ["rubbish"]);
    }

    #[tokio::test]
    async fn a_process_is_known_by_its_environment_and_its_end_is_seen() {
        let task = uuid::Uuid::new_v4().to_string();
        let mut child = Command::new("sleep")
            .arg("600")
            .envs([("DISTRACK_TASK_ID", task.as_str()), ("DISTRACK_EPOCH", "3")])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // A process that is just being started has no environment yet: `spawn` returns a moment before.
        let found = eventually(Duration::from_secs(10), "the environment of the process", || async {
            Some(processes_of_tasks(|one| one == task)).filter(|found| !found.is_empty())
        });
        let found = found.await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].epoch, 3);
        let mut effects = read(&format!("{task} 3 start {} 7.00 -\n", child.id()));
        effects.look();
        assert!(effects.runs[0].seen.is_some() && effects.running() == 1);
        child.kill().unwrap();
        child.wait().unwrap();
        effects.look();
        assert!(effects.runs[0].gone.is_some() && effects.running() == 0);
        assert!(processes_of_tasks(|one| one == task).is_empty());
    }
}
