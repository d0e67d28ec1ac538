//! The worker's instruments. Labels are closed sets, filled with zeros at the start.

use std::time::Duration;

use distrack_core::{Cause, Outcome, TraceId};
use distrack_telemetry::{Histogram, Metrics, buckets};
use prometheus::{CounterVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

/// What a worker counts. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Instruments {
    slots: IntGaugeVec,
    attempts: IntCounterVec,
    /// Whether this worker is registered.
    pub(crate) attached: IntGauge,
    /// Commands that run.
    pub(crate) processes: IntGauge,
    spawn: Histogram,
    cpu: CounterVec,
    max_rss: Histogram,
    output: IntCounterVec,
    kills: IntCounterVec,
    /// Processes that had left their command's group and were killed after it.
    pub(crate) escaped: IntCounter,
    /// Results that no coordinator has acknowledged.
    pub(crate) spooled: IntGauge,
    /// What they take on disk.
    pub(crate) spool_bytes: IntGauge,
    /// Batches of reports that had to be sent again.
    pub(crate) report_retries: IntCounter,
    refused: IntCounterVec,
}

/// Why assignments were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Every slot is taken.
    NoSlot,
    /// The worker takes no new work.
    Draining,
    /// Results cannot be kept safe now.
    Spool,
    /// The call names another session or registration.
    WrongSession,
    /// The worker registers just now.
    Registering,
    /// The call cannot be read.
    Invalid,
}

impl Refused {
    const ALL: [Self; 6] =
        [Self::NoSlot, Self::Draining, Self::Spool, Self::WrongSession, Self::Registering, Self::Invalid];

    fn as_str(self) -> &'static str {
        match self {
            Self::NoSlot => "no_slot",
            Self::Draining => "draining",
            Self::Spool => "spool",
            Self::WrongSession => "wrong_session",
            Self::Registering => "registering",
            Self::Invalid => "invalid",
        }
    }
}

impl Instruments {
    /// Registers all of them.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let instruments = Self {
            slots: metrics.int_gauge_vec(
                "distrack_worker_slots",
                "Slots of this worker, by state (used, free).",
                &["state"],
            ),
            attached: metrics
                .int_gauge("distrack_worker_attached", "1 while registered with a coordinator that answers."),
            attempts: metrics.counter_vec(
                "distrack_attempts_total",
                "Attempts that ended on this worker, by outcome (success or the cause of the failure).",
                &["outcome"],
            ),
            processes: metrics.int_gauge("distrack_processes_running", "Commands that run now."),
            spawn: metrics.histogram(
                "distrack_process_spawn_duration_seconds",
                "From an accepted assignment to its running command.",
                &buckets::DB,
            ),
            cpu: metrics.float_counter_vec(
                "distrack_process_cpu_seconds_total",
                "Processor time of commands that ended, by mode (user, system).",
                &["mode"],
            ),
            max_rss: metrics.histogram(
                "distrack_process_max_rss_bytes",
                "Largest resident set of commands that ended, where it can be told.",
                &buckets::BYTES,
            ),
            output: metrics.counter_vec(
                "distrack_process_output_bytes_total",
                "Bytes that commands wrote, by stream (stdout, stderr).",
                &["stream"],
            ),
            kills: metrics.counter_vec(
                "distrack_process_kills_total",
                "Signals sent to process groups to end them, by signal (term, kill).",
                &["signal"],
            ),
            escaped: metrics.counter(
                "distrack_processes_escaped_total",
                "Processes that left their command's group and were killed after its end.",
            ),
            spooled: metrics.int_gauge(
                "distrack_spool_records",
                "Results that are kept until a coordinator acknowledges them.",
            ),
            spool_bytes: metrics.int_gauge("distrack_spool_bytes", "What the spool takes on disk."),
            report_retries: metrics.counter(
                "distrack_report_retries_total",
                "Batches of reports that had to be sent again because no answer came.",
            ),
            refused: metrics.counter_vec(
                "distrack_dispatch_refused_total",
                "Assignments (or whole calls that could not be read) refused, by reason.",
                &["reason"],
            ),
        };
        instruments.start_at_zero();
        instruments
    }

    fn start_at_zero(&self) {
        let outcomes = Cause::ALL.map(Cause::as_str);
        for outcome in outcomes.into_iter().chain(["success"]) {
            self.attempts.with_label_values(&[outcome]);
        }
        for stream in ["stdout", "stderr"] {
            self.output.with_label_values(&[stream]);
        }
        for mode in ["user", "system"] {
            self.cpu.with_label_values(&[mode]);
        }
        for signal in ["term", "kill"] {
            self.kills.with_label_values(&[signal]);
        }
        for reason in Refused::ALL {
            self.refused.with_label_values(&[reason.as_str()]);
        }
    }

    /// Shows how many slots are used of how many.
    pub(crate) fn slots(&self, used: usize, of: usize) {
        let set = |state, slots: usize| {
            self.slots.with_label_values(&[state]).set(i64::try_from(slots).unwrap_or(i64::MAX));
        };
        set("used", used);
        set("free", of.saturating_sub(used));
    }

    /// Counts an attempt that ended, and what its command used.
    pub(crate) fn ended(&self, outcome: &Outcome) {
        self.attempts.with_label_values(&[outcome.cause.map_or("success", Cause::as_str)]).inc();
        let Some(usage) = outcome.usage else { return };
        self.cpu.with_label_values(&["user"]).inc_by(usage.cpu_user.as_secs_f64());
        self.cpu.with_label_values(&["system"]).inc_by(usage.cpu_system.as_secs_f64());
        if let Some(bytes) = usage.max_rss_bytes {
            self.max_rss.observe(bytes as f64);
        }
    }

    /// Measures how long a command took to start.
    pub(crate) fn spawned(&self, took: Duration, trace: Option<TraceId>) {
        self.spawn.observe_traced(took.as_secs_f64(), trace);
    }

    /// Counts a signal that ends a command.
    pub(crate) fn killed(&self, signal: &str) {
        self.kills.with_label_values(&[signal]).inc();
    }

    /// Counts what a command wrote.
    pub(crate) fn wrote(&self, stdout: u64, stderr: u64) {
        self.output.with_label_values(&["stdout"]).inc_by(stdout);
        self.output.with_label_values(&["stderr"]).inc_by(stderr);
    }

    /// Counts refused assignments.
    pub(crate) fn refused(&self, reason: Refused, assignments: usize) {
        self.refused.with_label_values(&[reason.as_str()]).inc_by(assignments as u64);
    }
}
