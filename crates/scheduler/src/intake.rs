//! Group commit: submissions that arrive while another commit is under way share the next one.
//!
//! One loop stores what has queued up, at most [`GROUP`] rows at a time, and answers each after the commit.
//! An idle intake commits at once; a busy one fills its groups by itself, without a timer. What nobody waits
//! for any more when its turn comes is not stored.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use distrack_core::NewTask;
use distrack_store::{AuditNote, Store, StoreError, Submission, SubmitMode, Submitted};
use distrack_telemetry::{Traces, spans};
use futures::FutureExt;
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::metrics::{Instruments, Source};
use crate::problem::{Code, Problem};
use crate::request::MAX_BATCH;
use crate::request_trace::{self, RequestTrace};
use crate::settings::Settings;

/// What the log says of a commit that has no answer.
const LATE: &str = "the database did not answer in time";
/// The most rows of one commit, batches aside.
const GROUP: usize = 256;

/// Batches that may be read and stored at once: their bodies and their tasks lie in memory.
const BATCHES: usize = 16;

/// A task that was sent in, and what became of it.
pub(crate) type Stored = (NewTask, Submitted);

/// Where submissions come from: what they are counted as, what their spans are below, and who is noted.
pub(crate) struct Origin {
    pub(crate) source: Source,
    pub(crate) trace: RequestTrace,
    /// None for what nobody asked for.
    pub(crate) note: Option<AuditNote>,
}

/// Takes submissions in. Dropping it lets the loop end after it has flushed.
pub(crate) struct Intake {
    /// Bounded by the places of `singles`.
    sender: mpsc::UnboundedSender<Waiting>,
    singles: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    committer: Committer,
}

/// Leave to send a batch in; given back when dropped.
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

struct Waiting {
    submission: Submission,
    origin: Origin,
    answer: oneshot::Sender<Result<Stored, Problem>>,
    place: Place,
}

/// A place among the rows that may wait; given back when dropped.
struct Place {
    _permit: OwnedSemaphorePermit,
    rows: i64,
    gauge: IntGauge,
}

impl Intake {
    /// Starts the loop.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        settings: &Settings,
        instruments: Instruments,
        traces: Traces,
    ) -> (Self, JoinHandle<()>) {
        // Bounded by the places.
        let (sender, receiver) = mpsc::unbounded_channel();
        let committer = Committer { store, limit: settings.store_timeout, instruments, traces };
        let intake = Self {
            sender,
            singles: Arc::new(Semaphore::new(settings.intake_limit)),
            turns: Arc::new(Semaphore::new(BATCHES)),
            batches: Arc::new(Semaphore::new(settings.intake_limit.max(MAX_BATCH))),
            committer: committer.clone(),
        };
        (intake, tokio::spawn(committer.run(receiver)))
    }

    /// Stores one task, together with others; returns after its commit.
    pub(crate) async fn submit(&self, submission: Submission, origin: Origin) -> Result<Stored, Problem> {
        let permit = Arc::clone(&self.singles).try_acquire_owned().map_err(|_| full())?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { submission, origin, answer, place: self.place(permit) };
        self.sender.send(waiting).map_err(|_| broken())?;
        // A row may have to wait for the group before its own.
        match tokio::time::timeout(self.committer.limit * 2, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(broken())),
            Err(_) => Err(unknown(LATE)),
        }
    }

    /// Leave to read a batch and send it in, unless too many have it.
    pub(crate) fn turn(&self) -> Result<Turn, Problem> {
        let permit = Arc::clone(&self.turns).try_acquire_owned().map_err(|_| full())?;
        Ok(Turn { _permit: permit })
    }

    /// Stores at most [`MAX_BATCH`] tasks in a commit of their own, all or none; returns after it.
    pub(crate) async fn submit_all(
        &self,
        batch: Vec<Submission>,
        origin: Origin,
        turn: Turn,
    ) -> Result<Vec<Stored>, Problem> {
        let rows = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let places = Arc::clone(&self.batches).acquire_many_owned(rows);
        let permit = tokio::time::timeout(self.committer.limit, places).await;
        let place = self.place(permit.map_err(|_| full())?.map_err(|_| broken())?);
        let committer = self.committer.clone();
        // In a task of its own: place and turn are held until the commit, whether or not the client stays.
        let commit = tokio::spawn(async move {
            let notes = origin.note.iter().cloned().collect();
            let stored = committer.commit(batch.clone(), SubmitMode::AllOrNone, notes).await;
            drop((place, turn));
            if let Err(failure) = &stored {
                batch.iter().for_each(|one| committer.note_unknown(&one.task, failure, &origin));
            }
            let stored: Vec<Stored> = batch.into_iter().map(|one| one.task).zip(stored?).collect();
            let at = request_trace::now();
            stored.iter().for_each(|(task, submitted)| committer.note(task, submitted, &origin, at));
            Ok(stored)
        });
        commit.await.map_err(|_| broken())?.map_err(|failure: Failure| failure.said())
    }

    fn place(&self, permit: OwnedSemaphorePermit) -> Place {
        let gauge = self.committer.instruments.waiting.clone();
        let rows = i64::try_from(permit.num_permits()).unwrap_or(i64::MAX);
        gauge.add(rows);
        Place { _permit: permit, rows, gauge }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.sub(self.rows);
    }
}

/// Why a commit has no answer.
enum Failure {
    /// The store says so.
    Store(StoreError),
    /// The store did not answer in time, so nobody knows.
    Unknown,
}

impl Failure {
    fn said(&self) -> Problem {
        match self {
            Self::Store(StoreError::Unanswered(reason)) => unknown(reason),
            Self::Store(error) => Problem::from(error),
            Self::Unknown => unknown(LATE),
        }
    }
}

#[derive(Clone)]
struct Committer {
    store: Arc<dyn Store>,
    limit: Duration,
    instruments: Instruments,
    traces: Traces,
}

impl Committer {
    async fn run(self, mut receiver: mpsc::UnboundedReceiver<Waiting>) {
        let mut queued = Vec::with_capacity(GROUP);
        while receiver.recv_many(&mut queued, GROUP).await > 0 {
            let group = queued.drain(..).filter(|waiting| !waiting.answer.is_closed());
            // A panic in the store costs its group an answer, not everybody the intake.
            if AssertUnwindSafe(self.flush(group.collect())).catch_unwind().await.is_err() {
                tracing::error!("a commit panicked");
            }
        }
    }

    async fn flush(&self, group: Vec<Waiting>) {
        if group.is_empty() {
            return;
        }
        let rows = group.iter().map(|waiting| waiting.submission.clone()).collect();
        let notes = group.iter().filter_map(|waiting| waiting.origin.note.clone()).collect();
        match self.commit(rows, SubmitMode::Each, notes).await {
            Ok(stored) => {
                let at = request_trace::now();
                for (waiting, stored) in group.into_iter().zip(stored) {
                    // Here, and not where it is answered: a client that hung up has its task all the same.
                    self.note(&waiting.submission.task, &stored, &waiting.origin, at);
                    waiting.stored(stored);
                }
            }
            // One row that the database cannot take must not refuse the others.
            Err(Failure::Store(error)) if !error.is_retryable() && group.len() > 1 => {
                for waiting in group {
                    Box::pin(self.flush(vec![waiting])).await;
                }
            }
            Err(failure) => {
                let problem = failure.said();
                for waiting in group {
                    self.note_unknown(&waiting.submission.task, &failure, &waiting.origin);
                    waiting.refused(problem.clone());
                }
            }
        }
    }

    async fn commit(
        &self,
        rows: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>, Failure> {
        let size = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        self.instruments.batch.observe(f64::from(size));
        let stored = tokio::time::timeout(self.limit, self.store.submit_by(rows, mode, notes)).await;
        stored.map_err(|_| Failure::Unknown)?.map_err(Failure::Store)
    }

    /// Counts and traces a task that is stored since `at`. One that was stored before was then.
    fn note(&self, task: &NewTask, submitted: &Submitted, origin: &Origin, at: SystemTime) {
        let Submitted::Created { scheduled_at, .. } = submitted else { return };
        let Origin { source, trace, note: _ } = origin;
        self.instruments.accepted(task.queue.as_str(), *source);
        let about = (task.id, task.queue.as_str());
        let between = (trace.since, at);
        spans::schedule(&self.traces, &task.trace, &trace.context, about, Some(*scheduled_at), between);
    }

    /// Traces a task that may be stored: if it is, what happens to it is below this.
    fn note_unknown(&self, task: &NewTask, failure: &Failure, origin: &Origin) {
        if matches!(failure, Failure::Unknown | Failure::Store(StoreError::Unanswered(_))) {
            let (trace, about) = (&origin.trace, (task.id, task.queue.as_str()));
            let between = (trace.since, request_trace::now());
            spans::schedule_unknown(&self.traces, &task.trace, &trace.context, about, between);
        }
    }
}

impl Waiting {
    fn stored(self, stored: Submitted) {
        // The place is free before the client knows, so that its next submission finds it.
        drop(self.place);
        let _ = self.answer.send(Ok((self.submission.task, stored)));
    }

    fn refused(self, problem: Problem) {
        drop(self.place);
        let _ = self.answer.send(Err(problem));
    }
}

fn full() -> Problem {
    Problem::new(Code::IntakeFull, "nothing was stored; try again later")
}

fn broken() -> Problem {
    Problem::internal("the commit broke off")
}

fn unknown(reason: impl Display) -> Problem {
    let detail = "the database went away or was too slow, so whether this was stored is unknown; \
                  with an Idempotency-Key the request can be repeated safely";
    Problem::new(Code::CommitUnknown, detail).because(reason)
}
