//! The worker's instruments. Labels are closed sets, filled with zeros at the start.

use distrack_core::{Cause, Outcome};
use distrack_telemetry::Metrics;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

/// What a worker counts. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Instruments {
    slots: IntGaugeVec,
    attempts: IntCounterVec,
    duration: Histogram,
    /// Commands that run.
    pub(crate) processes: IntGauge,
    output: IntCounterVec,
    /// Results that no coordinator has acknowledged.
    pub(crate) spooled: IntGauge,
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

const SECONDS: [f64; 14] =
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];
const VALID: &str = "the options are constant and valid";

impl Instruments {
    /// Registers all of them.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counters = |name, help, label| {
            metrics.register(IntCounterVec::new(Opts::new(name, help), &[label]).expect(VALID))
        };
        let gauge = |name, help| metrics.register(IntGauge::new(name, help).expect(VALID));
        let slots = Opts::new("distrack_worker_slots", "Slots of this worker, by state (used, free).");
        let duration = HistogramOpts::new(
            "distrack_attempt_duration_seconds",
            "Time from the start of a command to its end.",
        );
        let instruments = Self {
            slots: metrics.register(IntGaugeVec::new(slots, &["state"]).expect(VALID)),
            attempts: counters(
                "distrack_attempts_total",
                "Attempts that ended on this worker, by outcome (success or the cause of the failure).",
                "outcome",
            ),
            duration: metrics
                .register(Histogram::with_opts(duration.buckets(SECONDS.to_vec())).expect(VALID)),
            processes: gauge("distrack_processes_running", "Commands that run now."),
            output: counters(
                "distrack_process_output_bytes_total",
                "Bytes that commands wrote, by stream (stdout, stderr).",
                "stream",
            ),
            spooled: gauge(
                "distrack_spool_records",
                "Results that are kept until a coordinator acknowledges them.",
            ),
            report_retries: metrics.register(
                IntCounter::new(
                    "distrack_report_retries_total",
                    "Batches of reports that had to be sent again because no answer came.",
                )
                .expect(VALID),
            ),
            refused: counters(
                "distrack_dispatch_refused_total",
                "Assignments (or whole calls that could not be read) refused, by reason.",
                "reason",
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

    /// Counts an attempt that ended, and how long its command ran if it did.
    pub(crate) fn ended(&self, outcome: &Outcome, ran: Option<std::time::Duration>) {
        self.attempts.with_label_values(&[outcome.cause.map_or("success", Cause::as_str)]).inc();
        if let Some(ran) = ran {
            self.duration.observe(ran.as_secs_f64());
        }
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
