//! One attempt, from its assignment to its outcome. Knows no slots, no session and no reports.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::{Cause, Executor, OnOutputLimit, Outcome, Output, StreamOutput};
use rustix::process::Signal;
use tokio::sync::Notify;
use tracing::debug;
use wait4::ResUse;

use crate::assignment::Assignment;
use crate::clock::Moment;
use crate::isolation::Isolation;
use crate::leftovers::MARK;
use crate::metrics::Instruments;
use crate::oom::OomWatch;
use crate::orphans::Running;
use crate::output::{Captured, Stream};
use crate::output_file::{OutputDir, OutputFile};
use crate::own_peak::OwnPeak;
use crate::process::{NotStarted, Process, Spawner};
use crate::spawn::Launch;
use crate::stop::StopSignal;
use crate::verdict::{self, End};

/// What every attempt of this worker shares.
#[derive(Debug)]
pub(crate) struct Runner {
    /// Starts processes.
    pub(crate) spawner: Spawner,
    /// Where output goes.
    pub(crate) output_dir: OutputDir,
    /// How much of each stream.
    pub(crate) output_cap: u64,
    /// The time between SIGTERM and SIGKILL.
    pub(crate) kill_grace: Duration,
    /// How long after its end a command's children may keep its outputs open.
    pub(crate) drain_for: Duration,
    /// What each command and all that it starts carry in [`MARK`], so that they can be told.
    pub(crate) mark: String,
    /// The clean environment.
    pub(crate) child_env: BTreeMap<String, String>,
    /// What commands may do.
    pub(crate) isolation: Arc<Isolation>,
    /// Tells who died for memory.
    pub(crate) oom: OomWatch,
    /// What of a command's memory is ours.
    pub(crate) own_peak: OwnPeak,
    /// Counts.
    pub(crate) instruments: Instruments,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Its outcome.
    pub(crate) outcome: Outcome,
    /// What it printed.
    pub(crate) output: Output,
    /// When its command started; `None` when it never did.
    pub(crate) started: Option<Moment>,
    /// When it ended.
    pub(crate) ended: Moment,
    /// The id of its process.
    pub(crate) pid: Option<u32>,
}

impl Ending {
    /// An attempt of which no command ever ran.
    pub(crate) fn unstarted(outcome: Outcome) -> Self {
        Self { outcome, output: Output::default(), started: None, ended: Moment::now(), pid: None }
    }

    /// An attempt that needs no process.
    pub(crate) fn noop() -> Self {
        let now = Moment::now();
        Self {
            outcome: Outcome::success(),
            output: Output::default(),
            started: Some(now),
            ended: now,
            pid: None,
        }
    }

    /// All but what it printed.
    pub(crate) fn told(&self) -> Self {
        let bytes = |stream: &StreamOutput| StreamOutput { bytes: stream.bytes, ..StreamOutput::default() };
        let output = Output { stdout: bytes(&self.output.stdout), stderr: bytes(&self.output.stderr) };
        Self { outcome: self.outcome.clone(), output, ..*self }
    }

    /// How long its command ran.
    pub(crate) fn ran(&self) -> Option<Duration> {
        self.started.map(|started| self.ended.since(started))
    }
}

impl Runner {
    /// Runs an attempt to its end. `started` hears when its command runs.
    ///
    /// When this returns, the command's process group is gone.
    pub(crate) async fn run(
        &self,
        assignment: &Assignment,
        mut stop: StopSignal,
        started: impl FnOnce(Moment),
    ) -> Ending {
        if assignment.spec.executor == Executor::Noop {
            return Ending::noop();
        }
        let _running = Running::new(assignment.attempt);
        let oom_before = self.oom.kills();
        let mut launch = Launch::new(assignment, &self.child_env, &self.isolation);
        // Last: nobody takes it off by naming it.
        launch.env.insert(MARK.to_owned(), self.mark.clone());
        let (process, start) = match self.spawner.spawn(launch, &mut stop).await {
            Ok(spawned) => spawned,
            Err(NotStarted::Stopped(why)) => return Ending::unstarted(verdict::of_unstarted(why)),
            Err(NotStarted::Failed(error)) => return Ending::unstarted(verdict::of_spawn(error)),
        };
        debug!(task_id = %assignment.attempt.task, pid = process.pid(), "command started");
        started(start);
        self.instruments.processes.inc();
        let pid = u32::try_from(process.pid()).ok();
        let ending = self.supervise(assignment, process, start, &mut stop, oom_before).await;
        self.instruments.processes.dec();
        Ending { pid, ..ending }
    }

    async fn supervise(
        &self,
        assignment: &Assignment,
        mut process: Process,
        start: Moment,
        stop: &mut StopSignal,
        oom_before: u64,
    ) -> Ending {
        let limit = Arc::new(Notify::new());
        let (mut stdout, mut stderr) = match self.streams(assignment, &mut process, &limit) {
            Ok(streams) => streams,
            Err(error) => return abandon(process, start, &error).await,
        };
        let exited = Notify::new();
        let mut wish = stop.clone();
        let control = async {
            let end = self.until_ended(assignment, &process, stop, &limit).await;
            let ended = Moment::now();
            exited.notify_one();
            (end, ended)
        };
        let pumping = async {
            let late = async {
                exited.notified().await;
                tokio::select! {
                    () = tokio::time::sleep(self.drain_for) => {}
                    () = wish.at_once() => {}
                }
            };
            tokio::select! {
                _ = async { tokio::join!(stdout.pump(), stderr.pump()) } => {}
                () = late => {}
            }
        };
        let ((end, ended), ()) = tokio::join!(control, pumping);
        let own_oom = process.ran_out_of_memory();
        let used = process.reap().await;
        let (stdout, stderr) = tokio::join!(stdout.finish(), stderr.finish());
        self.instruments.wrote(stdout.output.bytes, stderr.output.bytes);
        let oom = own_oom.unwrap_or_else(|| self.oom.kills() > oom_before);
        let outcome = self.outcome(assignment, end, used, oom, [&stdout, &stderr]);
        let output = Output { stdout: stdout.output, stderr: stderr.output };
        Ending { outcome, output, started: Some(start), ended, pid: None }
    }

    fn streams(
        &self,
        assignment: &Assignment,
        process: &mut Process,
        limit: &Arc<Notify>,
    ) -> io::Result<(Stream, Stream)> {
        let (stdout, stderr) = process.pipes().ok_or_else(|| io::Error::other("there are no pipes"))?;
        let stream = |pipe, name| {
            let file = OutputFile::new(&self.output_dir, assignment.attempt, assignment.number, name);
            Stream::new(pipe, file, self.output_cap, Arc::clone(limit))
        };
        Ok((stream(stdout, "stdout")?, stream(stderr, "stderr")?))
    }

    /// Waits until the leader has ended by itself, or the whole group by our doing: a shell that dies at once
    /// must not cost the program that it ran its time to end well.
    async fn until_ended(
        &self,
        assignment: &Assignment,
        process: &Process,
        stop: &mut StopSignal,
        limit: &Notify,
    ) -> End {
        let timeout = assignment.spec.timeout();
        let limited = assignment.spec.on_output_limit == OnOutputLimit::Fail;
        let end = tokio::select! {
            biased;
            () = process.exited() => return End::Itself,
            why = stop.requested() => End::Stopped(why),
            () = limit.notified(), if limited => End::OverLimit(self.output_cap),
            () = tokio::time::sleep(timeout) => End::TimedOut(timeout),
        };
        if !matches!(end, End::Stopped(why) if why.bears_no_grace()) {
            process.signal(Signal::TERM);
            self.instruments.killed("term");
            tokio::select! {
                biased;
                () = process.ended() => return end,
                () = stop.at_once() => {}
                () = tokio::time::sleep(self.kill_grace) => {}
            }
        }
        process.signal(Signal::KILL);
        self.instruments.killed("kill");
        process.exited().await;
        end
    }

    fn outcome(
        &self,
        assignment: &Assignment,
        end: End,
        used: io::Result<ResUse>,
        oom: bool,
        streams: [&Captured; 2],
    ) -> Outcome {
        let spec = &assignment.spec;
        let over = spec.on_output_limit == OnOutputLimit::Fail && streams.iter().any(|s| s.over_limit);
        let end = if over && end == End::Itself { End::OverLimit(self.output_cap) } else { end };
        let mut outcome = match used {
            Ok(used) => {
                let oom = oom && !used.status.success();
                let outcome = verdict::of_command(end, used.status, &spec.program, oom);
                Outcome {
                    usage: Some(verdict::usage(&used, self.own_peak.beyond(used.rusage.maxrss))),
                    ..outcome
                }
            }
            Err(error) => Outcome::failure(Cause::Signal, format!("its exit status cannot be read: {error}")),
        };
        let failures = || streams.iter().filter_map(|stream| stream.failure.as_deref());
        if let Some(failure) = failures().next().filter(|_| spec.on_output_limit == OnOutputLimit::Fail) {
            verdict::unkept(&mut outcome, failure);
        }
        for failure in failures() {
            verdict::remark(&mut outcome, &format!("its output file is not whole: {failure}"));
        }
        outcome
    }
}

/// Ends a command whose outputs cannot be read.
async fn abandon(process: Process, start: Moment, error: &io::Error) -> Ending {
    process.signal(Signal::KILL);
    process.exited().await;
    // Its status tells nothing: we killed it.
    let _ = process.reap().await;
    let outcome = Outcome::failure(Cause::SpawnFailed, format!("its outputs cannot be read: {error}"));
    Ending { started: Some(start), ..Ending::unstarted(outcome) }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
