//! From what a user asked for to a task that may be stored: the only validation there is.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::id::TaskId;
use crate::retry::{Backoff, OnLost, RetryPolicy};
use crate::secret::Secret;
use crate::spec::{Executor, OnOutputLimit, Program, QueueName, TaskSpec};
use crate::state::TaskState;
use crate::task::Task;
use crate::trace::TraceContext;

/// The longest command line and the largest sum of arguments, in bytes.
pub const MAX_COMMAND: usize = 64 * 1024;
/// The most items of `argv`.
pub const MAX_ARGV: usize = 1024;
/// The most variables of `env`, and of `env_secret`.
pub const MAX_ENV: usize = 128;
/// The largest sum of the names and values of `env`, and of `env_secret`, in bytes.
pub const MAX_ENV_BYTES: usize = 64 * 1024;
/// The most labels, and the most items of `requires`.
pub const MAX_LABELS: usize = 32;
/// The longest label key and label value, in characters.
pub const MAX_LABEL_CHARS: (usize, usize) = (63, 256);
/// The longest delay: 10 years of 365.25 days.
pub const MAX_DELAY: Duration = Duration::from_secs(315_576_000);
/// The longest timeout: 30 days.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);
/// The timeout of a task that names none.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);
/// The largest `max_attempts`.
pub const MAX_ATTEMPTS: u32 = 100;
/// The priorities, low to high; the higher is claimed first.
pub const PRIORITIES: std::ops::RangeInclusive<i32> = -100..=100;

/// What a user asked for, field by field, unchecked. `None` means that the field was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskDraft {
    /// A line for `/bin/sh -c`.
    pub command: Option<String>,
    /// A program and its arguments.
    pub argv: Option<Vec<String>>,
    /// Seconds from now, fractions honoured to the millisecond.
    pub delay_seconds: Option<f64>,
    /// The instant; one that has passed means now.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// The latest instant at which it may start.
    pub expires_at: Option<DateTime<Utc>>,
    /// The stream to wait in.
    pub queue: Option<String>,
    /// Higher first.
    pub priority: Option<i32>,
    /// Variables for the command.
    pub env: BTreeMap<String, String>,
    /// Variables for the command whose values nobody is shown.
    pub env_secret: BTreeMap<String, Secret>,
    /// The directory to run in.
    pub cwd: Option<String>,
    /// How long an attempt may run.
    pub timeout: Option<Duration>,
    /// Attempts that may end by themselves.
    pub max_attempts: Option<u32>,
    /// The upper bound of the first wait between attempts.
    pub backoff_initial: Option<Duration>,
    /// The upper bound of every wait between attempts.
    pub backoff_max: Option<Duration>,
    /// What a lost worker means.
    pub on_lost: Option<OnLost>,
    /// What too much output means.
    pub on_output_limit: Option<OnOutputLimit>,
    /// What runs it.
    pub executor: Option<Executor>,
    /// A user's own marks, to list by.
    pub labels: BTreeMap<String, String>,
    /// Labels that the worker must have.
    pub requires: BTreeMap<String, String>,
    /// The task that this one repeats.
    pub retry_of: Option<TaskId>,
}

/// A field that was refused, and why. Both go to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name in the API.
    pub field: String,
    /// What it must be.
    pub message: String,
}

/// When a task is to run. The database's clock turns it into an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// This long after it was accepted.
    After(Duration),
    /// At this instant.
    At(DateTime<Utc>),
}

/// A task that may be stored: every field is within its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    /// Its identity.
    pub id: TaskId,
    /// What to run and how.
    pub spec: TaskSpec,
    /// The stream to wait in.
    pub queue: QueueName,
    /// Higher first.
    pub priority: i16,
    /// When to run.
    pub due: Due,
    /// The latest instant at which it may start.
    pub expires_at: Option<DateTime<Utc>>,
    /// How often it may be tried.
    pub policy: RetryPolicy,
    /// A user's own marks.
    pub labels: BTreeMap<String, String>,
    /// Labels that the worker must have.
    pub requires: BTreeMap<String, String>,
    /// The submission's position in its trace.
    pub trace: TraceContext,
    /// The task that this one repeats.
    pub retry_of: Option<TaskId>,
}

impl NewTask {
    /// Checks a draft against every limit.
    ///
    /// # Errors
    /// Names every field at fault, not only the first.
    pub fn parse(draft: TaskDraft, id: TaskId, trace: TraceContext) -> Result<Self, Vec<FieldError>> {
        let mut check = Check::default();
        let program = check.program(draft.command, draft.argv);
        let queue = check.queue(draft.queue);
        let priority = check.priority(draft.priority);
        let due = check.due(draft.delay_seconds, draft.scheduled_at, id);
        check.env("env", draft.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let secrets = draft.env_secret.iter().map(|(name, secret)| (name.as_str(), secret.expose()));
        check.env("env_secret", secrets);
        for name in draft.env_secret.keys().filter(|name| draft.env.contains_key(*name)) {
            check.refuse(&format!("env_secret.{}", name.escape_default()), "must not be in env too");
        }
        check.require(!draft.env_secret.contains_key("PATH"), "env_secret.PATH", || {
            "must not be secret: errors name the PATH that a program is not found in; give it in env"
                .to_owned()
        });
        check.cwd(draft.cwd.as_deref());
        let timeout = check.timeout(draft.timeout);
        let max_attempts = draft.max_attempts.unwrap_or(1);
        check.require((1..=MAX_ATTEMPTS).contains(&max_attempts), "max_attempts", || {
            format!("must be 1 to {MAX_ATTEMPTS}")
        });
        let backoff = check.backoff(draft.backoff_initial, draft.backoff_max);
        check.labels("labels", &draft.labels);
        check.labels("requires", &draft.requires);
        let (Some(program), Some(queue), true) = (program, queue, check.errors.is_empty()) else {
            return Err(check.errors);
        };
        Ok(Self {
            id,
            spec: TaskSpec {
                program,
                env: draft.env,
                env_secret: draft.env_secret,
                cwd: draft.cwd,
                timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
                executor: draft.executor.unwrap_or_default(),
                on_output_limit: draft.on_output_limit.unwrap_or_default(),
            },
            queue,
            priority,
            due,
            expires_at: draft.expires_at,
            policy: RetryPolicy { max_attempts, backoff, on_lost: draft.on_lost.unwrap_or_default() },
            labels: draft.labels,
            requires: draft.requires,
            trace,
            retry_of: draft.retry_of,
        })
    }

    /// The task as it stands right after the store accepted it.
    pub fn accepted(self, created_at: DateTime<Utc>, scheduled_at: DateTime<Utc>) -> Task {
        Task {
            id: self.id,
            state: TaskState::Pending,
            spec: self.spec,
            queue: self.queue,
            priority: self.priority,
            policy: self.policy,
            labels: self.labels,
            requires: self.requires,
            created_at,
            scheduled_at,
            due_at: scheduled_at.max(created_at),
            expires_at: self.expires_at,
            epoch: 0,
            attempt: 0,
            failures: 0,
            losses: 0,
            worker: None,
            session: None,
            picked_at: None,
            started_at: None,
            finished_at: None,
            cancel_requested_at: None,
            outcome: None,
            trace: self.trace,
            attempt_trace_id: None,
            attempt_span_id: None,
            retry_of: self.retry_of,
        }
    }
}

#[derive(Default)]
struct Check {
    errors: Vec<FieldError>,
}

impl Check {
    fn refuse(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    fn require(&mut self, good: bool, field: &str, message: impl FnOnce() -> String) {
        if !good {
            self.refuse(field, message());
        }
    }

    fn program(&mut self, command: Option<String>, argv: Option<Vec<String>>) -> Option<Program> {
        match (command, argv) {
            (Some(_), Some(_)) => self.refuse("argv", "give either command or argv, not both"),
            (None, None) => self.refuse("command", "is missing: give command, or argv"),
            (Some(line), None) => {
                self.require(!line.is_empty(), "command", || "must not be empty".to_owned());
                self.require(line.len() <= MAX_COMMAND, "command", || {
                    format!("must be at most {MAX_COMMAND} bytes, not {}", line.len())
                });
                self.require(!line.contains('\0'), "command", || {
                    "must not contain a NUL character".to_owned()
                });
                return Some(Program::Command(line));
            }
            (None, Some(argv)) => {
                let bytes: usize = argv.iter().map(String::len).sum();
                self.require((1..=MAX_ARGV).contains(&argv.len()), "argv", || {
                    format!("must have 1 to {MAX_ARGV} items, not {}", argv.len())
                });
                self.require(bytes <= MAX_COMMAND, "argv", || {
                    format!("must be at most {MAX_COMMAND} bytes in all, not {bytes}")
                });
                self.require(argv.first().is_none_or(|program| !program.is_empty()), "argv[0]", || {
                    "must name a program".to_owned()
                });
                for (index, item) in argv.iter().enumerate().filter(|(_, item)| item.contains('\0')) {
                    let _ = item;
                    self.refuse(&format!("argv[{index}]"), "must not contain a NUL character");
                }
                return Some(Program::Argv(argv));
            }
        }
        None
    }

    fn queue(&mut self, queue: Option<String>) -> Option<QueueName> {
        let Some(queue) = queue else { return Some(QueueName::default()) };
        queue.parse().map_err(|message: String| self.refuse("queue", message)).ok()
    }

    fn priority(&mut self, priority: Option<i32>) -> i16 {
        let priority = priority.unwrap_or(0);
        self.require(PRIORITIES.contains(&priority), "priority", || {
            format!("must be {} to {}", PRIORITIES.start(), PRIORITIES.end())
        });
        i16::try_from(priority).unwrap_or(0)
    }

    fn due(&mut self, delay: Option<f64>, at: Option<DateTime<Utc>>, id: TaskId) -> Due {
        match (delay, at) {
            (Some(_), Some(_)) => {
                self.refuse("scheduled_at", "give either delay_seconds or scheduled_at, not both");
            }
            (Some(seconds), None) => {
                if (0.0..=MAX_DELAY.as_secs_f64()).contains(&seconds) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "0 to 10 years in ms"
                    )]
                    let millis = (seconds * 1000.0).round() as u64;
                    return Due::After(Duration::from_millis(millis));
                }
                self.refuse("delay_seconds", format!("must be 0 to {} (10 years)", MAX_DELAY.as_secs()));
            }
            (None, Some(at)) => {
                // The id's own time is near enough for a bound of ten years.
                let latest = id
                    .made_at_ms()
                    .and_then(DateTime::from_timestamp_millis)
                    .and_then(|now| now.checked_add_signed(TimeDelta::from_std(MAX_DELAY).ok()?));
                self.require(latest.is_none_or(|latest| at <= latest), "scheduled_at", || {
                    "must be at most 10 years from now".to_owned()
                });
                return Due::At(at);
            }
            (None, None) => {}
        }
        Due::After(Duration::ZERO)
    }

    fn env<'a>(&mut self, field: &str, env: impl ExactSizeIterator<Item = (&'a str, &'a str)> + Clone) {
        self.require(env.len() <= MAX_ENV, field, || {
            format!("must have at most {MAX_ENV} entries, not {}", env.len())
        });
        let bytes: usize = env.clone().map(|(name, value)| name.len() + value.len()).sum();
        self.require(bytes <= MAX_ENV_BYTES, field, || {
            format!("must be at most {MAX_ENV_BYTES} bytes in all, not {bytes}")
        });
        for (name, value) in env {
            let good = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
            self.require(good, &format!("{field}.{}", name.escape_default()), || {
                "a name must not be empty or contain '=', and neither may contain a NUL character".to_owned()
            });
        }
    }

    fn cwd(&mut self, cwd: Option<&str>) {
        let good = cwd.is_none_or(|cwd| cwd.starts_with('/') && !cwd.contains('\0') && cwd.len() <= 4096);
        self.require(good, "cwd", || {
            "must be an absolute path of at most 4096 bytes without a NUL character".to_owned()
        });
    }

    fn timeout(&mut self, timeout: Option<Duration>) -> Duration {
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
        let good = (Duration::from_millis(1)..=MAX_TIMEOUT).contains(&timeout);
        self.require(good, "timeout", || "must be 1 ms to 30 days".to_owned());
        timeout
    }

    fn backoff(&mut self, initial: Option<Duration>, max: Option<Duration>) -> Backoff {
        let default = Backoff::default();
        // The bound that was not given makes room for the one that was.
        let initial = initial.unwrap_or(default.initial.min(max.unwrap_or(default.max)));
        let backoff = Backoff { initial, max: max.unwrap_or(default.max.max(initial)) };
        self.require(backoff.initial <= backoff.max && backoff.max <= MAX_TIMEOUT, "backoff", || {
            "initial must be at most max, and max at most 30 days".to_owned()
        });
        backoff
    }

    fn labels(&mut self, field: &str, labels: &BTreeMap<String, String>) {
        let (key_max, value_max) = MAX_LABEL_CHARS;
        self.require(labels.len() <= MAX_LABELS, field, || {
            format!("must have at most {MAX_LABELS} entries, not {}", labels.len())
        });
        for (key, value) in labels {
            self.require(is_label(key, value), &format!("{field}.{}", key.escape_default()), || {
                format!("a key has 1 to {key_max} characters, a value at most {value_max}, none of them NUL")
            });
        }
    }
}

/// Whether a label is within the limits, of a task as of a worker.
pub fn is_label(key: &str, value: &str) -> bool {
    let (key_max, value_max) = MAX_LABEL_CHARS;
    (1..=key_max).contains(&key.chars().count())
        && value.chars().count() <= value_max
        && !key.contains('\0')
        && !value.contains('\0')
}

#[cfg(test)]
#[path = "new_task_tests.rs"]
mod tests;
