//! All that is known of a run when it is judged.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::boot::{Boot, STEP};
use super::dump::{Dump, TaskRow};
use super::effects::{Leftover, Run};
use super::load::{ClientLog, Submission};

/// A time in which a worker could not be reached, or was dead or stopped. What it runs may be run elsewhere
/// as well, from `lost_after` on, until it is heard of again.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// The name of the worker.
    pub worker: String,
    /// When it began.
    pub from: Boot,
    /// When it ended; `None` for a worker that never came back.
    pub until: Option<Boot>,
}

/// Something that had to come back, and how long that took.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    /// What it is.
    pub what: String,
    /// How long it took.
    pub took: Duration,
    /// How long it may take.
    pub budget: Duration,
}

/// A file that a worker keeps of what an attempt printed on standard output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputFile {
    /// The task, by the name of its folder.
    pub task: String,
    /// Where it is.
    pub path: String,
    /// What is in it, at most the first 64 KiB.
    pub bytes: Vec<u8>,
    /// Whether it lies inside of the folder that the worker was given, links followed.
    pub inside: bool,
}

/// What a service used before the load and after it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Its name.
    pub service: String,
    /// Open file descriptors when it was idle at first.
    pub descriptors_before: usize,
    /// And at the end.
    pub descriptors_after: usize,
    /// Results that it has kept and not delivered; of workers.
    pub spooled: f64,
}

/// A connection that did nothing inside of a transaction, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct IdleTransaction {
    /// The last statement of it.
    pub statement: String,
    /// How long.
    pub lasted: Duration,
}

/// What a counter of all instances of a service says, and the truth of the database.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// Its name and labels.
    pub name: String,
    /// What they say together.
    pub counted: f64,
    /// What is in the database.
    pub truth: f64,
    /// Whether an instance was killed or an answer of the database lost, so that less may be counted.
    pub may_lack: bool,
}

/// What holds for the run.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How often workers say that they live: a lease is as much older than its cut, at most.
    pub heartbeat: Duration,
    /// After how long a silent worker is lost.
    pub lost_after: Duration,
    /// The time between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// The slots of a worker.
    pub slots: usize,
    /// What a slow machine may add to each time that is judged.
    pub slack: Duration,
    /// The most connections to the database that all services may hold.
    pub connections: i64,
    /// Whether a command that leaves its process group is what this run is about.
    pub may_escape: bool,
}

impl Default for Rules {
    fn default() -> Self {
        let secs = Duration::from_secs;
        let (lost_after, kill_grace, slack) = (secs(3), secs(1), secs(2));
        let heartbeat = Duration::from_millis(500);
        Self { heartbeat, lost_after, kill_grace, slots: 8, slack, connections: 200, may_escape: false }
    }
}

/// All that is known.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What clients remember.
    pub clients: ClientLog,
    /// What commands did.
    pub runs: Vec<Run>,
    /// Lines of the effect log that nobody can read.
    pub malformed: Vec<String>,
    /// What the database says.
    pub database: Dump,
    /// Processes of tasks that live although all tasks ended.
    pub leftovers: Vec<Leftover>,
    /// Files of output.
    pub files: Vec<OutputFile>,
    /// What services use.
    pub usage: Vec<Usage>,
    /// Transactions that were seen idle.
    pub idle: Vec<IdleTransaction>,
    /// Counters.
    pub counts: Vec<Count>,
    /// When workers were away.
    pub cuts: Vec<Cut>,
    /// What came back.
    pub recoveries: Vec<Recovery>,
    /// What holds.
    pub rules: Rules,
}

impl History {
    /// The runs of each task, by epoch.
    pub fn runs_of(&self) -> BTreeMap<&str, Vec<&Run>> {
        let mut all: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        self.runs.iter().for_each(|run| all.entry(&run.task).or_default().push(run));
        all.values_mut().for_each(|runs| runs.sort_by_key(|run| run.epoch));
        all
    }

    /// The worker of each attempt, as the database remembers it.
    pub fn workers_of(&self) -> HashMap<(&str, i64), &str> {
        let mut all = HashMap::new();
        for step in &self.database.steps {
            if let Some(worker) = &step.worker {
                all.insert((step.task.as_str(), step.new_epoch), worker.as_str());
            }
        }
        for attempt in &self.database.attempts {
            if let Some(worker) = &attempt.worker {
                all.insert((attempt.task.as_str(), attempt.epoch), worker.as_str());
            }
        }
        for task in self.database.tasks.values() {
            if let Some(worker) = &task.worker {
                all.insert((task.id.as_str(), task.epoch), worker.as_str());
            }
        }
        all
    }

    /// What was submitted as this task.
    pub fn submission_of(&self, task: &TaskRow) -> Option<&Submission> {
        let n: usize = task.n.as_ref()?.parse().ok()?;
        self.clients.submissions.iter().find(|one| one.item.n == n)
    }

    /// Whether the worker was away at an instant, or has come back so shortly before that what it ran meanwhile
    /// may not have ended yet.
    pub fn was_cut(&self, worker: Option<&str>, at: Boot) -> bool {
        self.cuts.iter().any(|cut| {
            let until = cut.until.map(|until| until.plus(self.rules.after_contact()));
            worker == Some(cut.worker.as_str()) && at >= cut.from && until.is_none_or(|until| at <= until)
        })
    }
}

impl Rules {
    /// How long after contact a superseded run may still live: it is told at once and killed within a second.
    pub fn after_contact(&self) -> Duration {
        Duration::from_secs(1) + self.slack
    }

    /// How far apart two instants of the same moment may be: the step of the clock, and the time from a process's
    /// last line to the look at it.
    pub fn blur(&self) -> Duration {
        STEP + Duration::from_millis(5)
    }
}
