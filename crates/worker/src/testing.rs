//! What the tests of this crate share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::AttemptRef;
use distrack_core::{Executor, OnOutputLimit, Program, QueueName, TaskId, TaskSpec, TraceContext};
use distrack_proto::v1;
use distrack_telemetry::Metrics;

use crate::assignment::Assignment;
use crate::metrics::Instruments;
use crate::oom::OomWatch;
use crate::output_file::OutputDir;
use crate::own_peak::OwnPeak;
use crate::process::Spawner;
use crate::run::Runner;

/// An attempt of a new task that runs `line`.
pub(crate) fn assignment(line: &str) -> Assignment {
    Assignment {
        attempt: AttemptRef { task: TaskId::new(), epoch: 1 },
        number: 1,
        queue: QueueName::default(),
        spec: spec(Program::Command(line.to_owned())),
        trace: Some(TraceContext::root()),
    }
}

/// An attempt that runs a program without a shell.
pub(crate) fn program(argv: &[&str]) -> Assignment {
    let argv = argv.iter().map(ToString::to_string).collect();
    Assignment { spec: spec(Program::Argv(argv)), ..assignment("") }
}

fn spec(program: Program) -> TaskSpec {
    TaskSpec {
        program,
        env: [].into(),
        env_secret: [].into(),
        cwd: None,
        timeout_ms: 20_000,
        executor: Executor::Process,
        on_output_limit: OnOutputLimit::Truncate,
    }
}

/// An assignment as a coordinator sends it.
pub(crate) fn wire(assignment: &Assignment) -> v1::Assignment {
    v1::Assignment {
        attempt: Some(assignment.attempt.into()),
        number: assignment.number,
        queue: assignment.queue.to_string(),
        command: Some(assignment.spec.clone().into()),
        trace: assignment.trace.clone().map(Into::into),
    }
}

/// Instruments that nobody reads.
pub(crate) fn instruments() -> Instruments {
    Instruments::new(&Metrics::new("test"))
}

/// A runner that keeps output in `dir`.
pub(crate) fn runner(dir: &Path) -> Runner {
    Runner {
        spawner: Spawner::new(4),
        output_dir: OutputDir::open(dir).unwrap(),
        output_cap: 64 * 1024 * 1024,
        kill_grace: Duration::from_millis(500),
        drain_for: Duration::from_secs(2),
        mark: "a worker of the tests".to_owned(),
        child_env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
        isolation: Arc::default(),
        oom: OomWatch::open(),
        own_peak: OwnPeak::default(),
        instruments: instruments(),
    }
}
