//! Keeps results on disk from the end of an attempt until a coordinator has acknowledged them, so that they
//! outlive this process and any absence of coordinators.
//!
//! A thread of its own writes: results are handed on to delivery only once they are synced, many at a time.
//! When the disk refuses, they are handed on all the same, and kept for when it takes them again. No new work is
//! taken meanwhile, nor while so much waits that nobody acknowledges: what is kept here is kept in memory, too.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use distrack_core::{AttemptRef, TraceContext};
use distrack_proto::{convert, v1};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::clock::Moment;
use crate::held::Counts;
use crate::identity::boot_id;
use crate::journal::{self, Journal, MOST_BYTES, Opened};
use crate::metrics::Instruments;
use crate::outbox::Item;

/// How many requests one sync serves.
const BATCH: usize = 1024;
/// How long a result waits for those of other attempts that run, to share a sync and a report with them.
const GATHER_FOR: Duration = Duration::from_millis(3);
/// How long a disk that refused is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is told of an attempt whose result no coordinator reads.
const UNREAD: &str = "the coordinator cannot read the attempt's result; the worker's log says why";

/// A result that waits for its acknowledgement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spooled {
    /// Whose.
    pub(crate) attempt: AttemptRef,
    /// When it ended.
    pub(crate) ended: Moment,
    /// The result; how long ago it ended is filled in when it is sent.
    pub(crate) finished: v1::Finished,
    /// Where the worker's own span of the attempt is.
    pub(crate) trace: Option<TraceContext>,
}

impl Spooled {
    /// The result as it is reported, `ago` after its end.
    pub(crate) fn report(&self, ago: Duration) -> v1::AttemptReport {
        let finished = v1::Finished { ago_us: convert::micros(ago), ..self.finished.clone() };
        v1::AttemptReport {
            attempt: Some(self.attempt.into()),
            event: Some(v1::attempt_report::Event::Finished(finished)),
            trace: self.trace.clone().map(Into::into),
        }
    }
}

impl Spooled {
    /// The same end in words that every coordinator reads: a failure, without what the command printed and used. Of a
    /// command that succeeded too, and then for good: it has done what it does, and nobody shall run it again unasked.
    pub(crate) fn plain(&self) -> Self {
        let told = &self.finished;
        let (cause, final_failure) = match v1::Cause::try_from(told.cause) {
            Err(_) | Ok(v1::Cause::Unspecified | v1::Cause::WorkerLost) => (v1::Cause::ExitCode, true),
            Ok(cause) => (cause, told.final_failure),
        };
        let finished = v1::Finished {
            ago_us: told.ago_us,
            ran_us: told.ran_us,
            cause: cause.into(),
            error: UNREAD.to_owned(),
            final_failure,
            ..v1::Finished::default()
        };
        Self { finished, trace: None, ..self.clone() }
    }
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most are of the large kind, and a box would cost each of them"
)]
enum Request {
    Keep(Spooled),
    Acknowledge(Vec<AttemptRef>),
    Close,
}

/// The way to the spool. Its methods never wait.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    way: Way,
    /// Whether the disk took what it was given last.
    healthy: Arc<AtomicBool>,
    /// Whether so much waits that no more is to come.
    full: Arc<AtomicBool>,
}

/// How requests reach the keeper.
#[derive(Clone, Debug)]
enum Way {
    /// It has a thread of its own.
    Thread(mpsc::Sender<Request>),
    /// Whoever asks waits for it.
    Here(Arc<Mutex<Keeper>>),
}

/// The spool's thread, if it has one.
#[derive(Debug)]
pub(crate) struct SpoolThread {
    spool: Spool,
    thread: Option<JoinHandle<()>>,
}

impl Spool {
    /// Opens the spool in `dir`. Results that are safe go to `deliver`, those of an earlier process first;
    /// their attempts are told.
    pub(crate) fn open(
        dir: &Path,
        threaded: bool,
        running: watch::Receiver<Counts>,
        deliver: UnboundedSender<Item>,
        instruments: Instruments,
    ) -> io::Result<(Self, SpoolThread, Vec<AttemptRef>)> {
        let boot = boot_id();
        let opened = Journal::open(dir, &boot)?;
        Self::start(opened, boot, MOST_BYTES, threaded, running, deliver, instruments)
    }

    fn start(
        opened: Opened,
        boot: String,
        most_bytes: u64,
        threaded: bool,
        running: watch::Receiver<Counts>,
        deliver: UnboundedSender<Item>,
        instruments: Instruments,
    ) -> io::Result<(Self, SpoolThread, Vec<AttemptRef>)> {
        let Opened { journal, contents, unwritable } = opened;
        if contents.rubbish > 0 {
            warn!(bytes = contents.rubbish, "the spool held bytes that are no record, they are skipped");
        }
        if !contents.results.is_empty() {
            info!(results = contents.results.len(), "results of an earlier run are to be delivered");
        }
        if let Some(error) = &unwritable {
            error!(%error, "the spool cannot be written, no new work is taken");
        }
        let attempts = contents.results.iter().map(|spooled| spooled.attempt).collect();
        let healthy = Arc::new(AtomicBool::new(unwritable.is_none()));
        let full = Arc::<AtomicBool>::default();
        let mut keeper = Keeper {
            journal,
            running,
            boot,
            unwritten: Vec::new(),
            most_bytes,
            deliver,
            healthy: Arc::clone(&healthy),
            full: Arc::clone(&full),
            instruments,
        };
        keeper.measure();
        keeper.hand_on(contents.results);
        let (way, thread) = if threaded {
            // Bounded by the slots, whose attempts have one result each, and by the receipts of what was in it.
            let (requests, inbox) = mpsc::channel();
            let thread = std::thread::Builder::new().name("spool".to_owned());
            (Way::Thread(requests), Some(thread.spawn(move || keeper.run(&inbox))?))
        } else {
            (Way::Here(Arc::new(Mutex::new(keeper))), None)
        };
        let spool = Self { way, healthy, full };
        Ok((spool.clone(), SpoolThread { spool, thread }, attempts))
    }

    /// Keeps a result, then hands it on to delivery.
    pub(crate) fn keep(&self, spooled: Spooled) {
        self.request(Request::Keep(spooled));
    }

    /// Forgets results.
    pub(crate) fn acknowledge(&self, attempts: Vec<AttemptRef>) {
        self.request(Request::Acknowledge(attempts));
    }

    /// Whether results can be kept safe now.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed) && !self.full.load(Ordering::Relaxed)
    }

    fn request(&self, request: Request) {
        match &self.way {
            // The thread ends last of all; a result that comes later still is one of a crash.
            Way::Thread(requests) => _ = requests.send(request),
            Way::Here(keeper) => _ = keeper.lock().unwrap_or_else(PoisonError::into_inner).serve([request]),
        }
    }
}

impl SpoolThread {
    /// Writes what is left and ends. Blocks.
    pub(crate) fn close(self) {
        self.spool.request(Request::Close);
        if self.thread.is_some_and(|thread| thread.join().is_err()) {
            error!("the spool's thread failed");
        }
    }
}

#[derive(Debug)]
struct Keeper {
    journal: Journal,
    running: watch::Receiver<Counts>,
    boot: String,
    /// What the disk refused.
    unwritten: Vec<(AttemptRef, Vec<u8>)>,
    /// From how much on it is full.
    most_bytes: u64,
    deliver: UnboundedSender<Item>,
    healthy: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
    instruments: Instruments,
}

impl Keeper {
    fn run(mut self, inbox: &mpsc::Receiver<Request>) {
        let mut open = true;
        while open {
            let first = match self.next(inbox) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            open = self.serve(gather(first, inbox, &self.running, GATHER_FOR));
        }
    }

    /// Does what was asked with one sync; false when it was asked to end.
    fn serve(&mut self, requests: impl IntoIterator<Item = Request>) -> bool {
        let (mut kept, mut acknowledged, mut open) = (Vec::new(), Vec::new(), true);
        for request in requests {
            match request {
                Request::Keep(spooled) => kept.push(spooled),
                Request::Acknowledge(attempts) => acknowledged.extend(attempts),
                Request::Close => open = false,
            }
        }
        self.write(&kept, &acknowledged);
        self.hand_on(kept);
        self.tidy(!open);
        open
    }

    /// The next request; while the disk refuses, none for no longer than it is left alone: an idle worker
    /// must find out by itself when it can take work again.
    fn next(&self, inbox: &mpsc::Receiver<Request>) -> Result<Request, RecvTimeoutError> {
        if self.healthy.load(Ordering::Relaxed) {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            inbox.recv_timeout(RETRY_AFTER)
        }
    }

    fn write(&mut self, kept: &[Spooled], acknowledged: &[AttemptRef]) {
        self.unwritten.retain(|(attempt, _)| !acknowledged.contains(attempt));
        self.unwritten.extend(kept.iter().map(|spooled| journal::record(spooled, &self.boot)));
        let was_healthy = self.healthy.load(Ordering::Relaxed);
        let result = self.append(acknowledged, was_healthy);
        self.healthy.store(result.is_ok(), Ordering::Relaxed);
        match result {
            Ok(()) if !was_healthy => info!("the spool can be written again"),
            Err(error) if was_healthy => {
                error!(%error, "the spool cannot be written, no new work is taken");
            }
            Ok(()) | Err(_) => {}
        }
        self.measure();
    }

    /// Says how much there is, and whether it is too much.
    fn measure(&mut self) {
        let unwritten: usize = self.unwritten.iter().map(|(_, record)| record.len()).sum();
        let waiting = self.journal.live_bytes() + unwritten as u64;
        let was_full = self.full.load(Ordering::Relaxed);
        // Room for some first, or it would be full again with the next result.
        let full = waiting >= if was_full { self.most_bytes / 4 * 3 } else { self.most_bytes };
        self.full.store(full, Ordering::Relaxed);
        match (was_full, full) {
            (false, true) => {
                error!(bytes = waiting, "too many results wait to be received, no new work is taken")
            }
            (true, false) => info!("there is room for results again"),
            (true, true) | (false, false) => {}
        }
        let records = self.journal.len() + self.unwritten.len();
        self.instruments.spooled.set(i64::try_from(records).unwrap_or(i64::MAX));
        self.instruments.spool_bytes.set(i64::try_from(self.journal.bytes()).unwrap_or(i64::MAX));
    }

    fn append(&mut self, acknowledged: &[AttemptRef], was_healthy: bool) -> io::Result<()> {
        self.journal.append(&self.unwritten, acknowledged)?;
        self.unwritten.clear();
        // That there was nothing to write, or little, proves nothing about a disk that refused.
        if was_healthy { Ok(()) } else { self.journal.probe() }
    }

    fn hand_on(&self, results: Vec<Spooled>) {
        for spooled in results {
            // Nobody delivers any more: the next process of this worker will.
            let _ = self.deliver.send(Item::Finished(spooled));
        }
    }

    fn tidy(&mut self, at_end: bool) {
        if let Err(error) = self.journal.tidy(at_end) {
            warn!(%error, "the spool cannot be made smaller");
        }
    }
}

/// What one sync serves: the request that came first, and whatever comes while others run, for as long as a result has
/// the `patience`.
fn gather(
    first: Option<Request>,
    inbox: &mpsc::Receiver<Request>,
    running: &watch::Receiver<Counts>,
    patience: Duration,
) -> Vec<Request> {
    let until = Instant::now() + patience;
    let mut requests = Vec::from_iter(first);
    loop {
        requests.extend(inbox.try_iter().take(BATCH.saturating_sub(requests.len())));
        let results = requests.iter().filter(|request| matches!(request, Request::Keep(_))).count();
        // An attempt whose result is here may still be counted among those that run.
        let expected = results > 0 && requests.len() < BATCH && running.borrow().running > results;
        let left = until.saturating_duration_since(Instant::now());
        if !expected || left.is_zero() {
            return requests;
        }
        match inbox.recv_timeout(left) {
            Ok(request) => requests.push(request),
            Err(_) => return requests,
        }
    }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
