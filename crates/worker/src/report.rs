//! Delivers starts and results to whichever coordinator the worker is attached to, for as long as it takes.
//!
//! One call at a time: what comes meanwhile makes the next batch. A result is forgotten when a receipt has
//! come for it, whatever the receipt says. One that a coordinator cannot read is told in the plainest words.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::AttemptRef;
use distrack_core::protocol::holding::must_register_anew;
use distrack_proto::v1::{Receipt, ReportAttemptsResponse};
use distrack_telemetry::rpc::{self, ClientCalls};
use distrack_telemetry::traces::now;
use distrack_telemetry::{Traces, spans};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tracing::{debug, error, warn};

use crate::attachment::Attachment;
use crate::backoff::Backoff;
use crate::clock::Moment;
use crate::held::{Held, Registration};
use crate::metrics::Instruments;
use crate::outbox::{Batch, Item, Outbox};
use crate::spool::{Spool, Spooled};
use crate::stop::Stop;

const REPORT: &str = "distrack.v1.CoordinatorService/ReportAttempts";
/// How long one call may take.
const CALL_FOR: Duration = Duration::from_secs(15);

/// Takes what is to be reported. Its methods never wait.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    /// To the delivery.
    pub(crate) items: UnboundedSender<Item>,
    /// Where results go first.
    pub(crate) spool: Spool,
}

impl Reporter {
    /// A command runs.
    pub(crate) fn started(&self, attempt: AttemptRef, since: Moment) {
        // Without a delivery the worker is about to end, and a start is only news.
        let _ = self.items.send(Item::Started(attempt, since));
    }

    /// An attempt ended.
    pub(crate) fn finished(&self, spooled: Spooled) {
        self.spool.keep(spooled);
    }
}

/// The loop that delivers.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// What is to be delivered.
    pub(crate) items: UnboundedReceiver<Item>,
    /// To whom.
    pub(crate) attachment: Attachment,
    /// Forgets what was received.
    pub(crate) held: Arc<Held>,
    /// Forgets it too.
    pub(crate) spool: Spool,
    /// Records what is sent.
    pub(crate) traces: Traces,
    /// Measures the calls.
    pub(crate) calls: ClientCalls,
    /// Counts.
    pub(crate) instruments: Instruments,
}

/// What came of a call, and the registration under which it was made.
type Answer = Result<(Registration, Vec<Receipt>), Failure>;

type InFlight = Pin<Box<dyn Future<Output = (Batch, Answer)> + Send>>;

#[derive(Debug)]
enum Failure {
    /// The worker belongs to another coordinator now.
    Moved,
    /// An answer came that refuses the call, or none.
    Refused(Status),
}

impl Delivery {
    /// Delivers until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut outbox = Outbox::default();
        let mut fresh = Vec::new();
        let mut in_flight: Option<InFlight> = None;
        let mut backoff = Backoff::default();
        loop {
            let due = outbox.due().filter(|_| in_flight.is_none()).map(|due| due.max(backoff.until));
            tokio::select! {
                () = stop.cancelled() => return,
                count = self.items.recv_many(&mut fresh, 1024) => {
                    if count == 0 {
                        return;
                    }
                    fresh.drain(..).for_each(|item| outbox.put(item));
                }
                (batch, result) = wait(&mut in_flight) => {
                    in_flight = None;
                    self.settle(batch, result, &mut outbox, &mut backoff);
                }
                () = sleep_until(due) => {
                    let batch = outbox.batch(|attempt| self.held.runs(attempt));
                    if batch.len() > 0 {
                        in_flight = Some(Box::pin(self.send(batch)));
                    }
                }
            }
        }
    }

    fn send(&self, batch: Batch) -> impl Future<Output = (Batch, Answer)> + use<> {
        send(self.attachment.clone(), batch, self.calls.clone(), self.traces.clone())
    }

    fn settle(&self, batch: Batch, result: Answer, outbox: &mut Outbox, backoff: &mut Backoff) {
        let refused = match result {
            Ok((registration, receipts)) => {
                self.received(batch, &receipts, outbox, backoff);
                if must_register_anew(registration, self.attachment.registration()) {
                    self.attachment.renew();
                }
                return;
            }
            Err(Failure::Moved) => return outbox.put_back(batch),
            Err(Failure::Refused(status)) => status,
        };
        self.instruments.report_retries.inc();
        if refused.code() == Code::InvalidArgument {
            if batch.len() > 1 {
                return outbox.put_back_alone(batch);
            }
            return tell_plainly(batch, refused.message(), outbox);
        }
        if matches!(refused.code(), Code::NotFound | Code::FailedPrecondition) {
            self.attachment.doubt();
        }
        if backoff.failed(refused.code()) {
            warn!(error = refused.message(), code = ?refused.code(), items = batch.len(),
                "reports cannot be delivered, they are kept and tried again");
        }
        match (backoff.blames_the_batch(), batch.len()) {
            (false, _) => outbox.put_back(batch),
            (true, 1) => {
                let attempt = batch.attempts().next();
                error!(task_id = attempt.map(|attempt| display(attempt.task)),
                    epoch = attempt.map(|attempt| attempt.epoch), error = refused.message(), code = ?refused.code(),
                    "a report cannot be delivered, it is kept and others go first");
                outbox.put_aside(batch);
            }
            (true, _) => outbox.put_back_alone(batch),
        }
    }

    fn received(&self, mut batch: Batch, receipts: &[Receipt], outbox: &mut Outbox, backoff: &mut Backoff) {
        let (started, finished) = receipts.split_at(batch.started.len());
        for ((attempt, _), receipt) in batch.started.drain(..).zip(started) {
            if *receipt == Receipt::Stale {
                debug!(task_id = %attempt.task, epoch = attempt.epoch, "attempt was superseded");
                self.held.stop([attempt], Stop::Superseded);
            }
        }
        let mut known = Vec::with_capacity(finished.len());
        let mut again = Batch::default();
        for (spooled, receipt) in batch.finished.into_iter().zip(finished) {
            match receipt {
                Receipt::Recorded | Receipt::Duplicate => known.push(spooled.attempt),
                Receipt::Stale => {
                    let attempt = spooled.attempt;
                    debug!(task_id = %attempt.task, epoch = attempt.epoch, "report came too late");
                    known.push(attempt);
                }
                Receipt::Unspecified => again.finished.push(spooled),
            }
        }
        self.forget(known);
        if again.len() == 0 {
            return backoff.succeeded();
        }
        backoff.failed(Code::Unavailable);
        outbox.put_back(again);
    }

    fn forget(&self, attempts: Vec<AttemptRef>) {
        self.held.forget(attempts.iter().copied());
        self.spool.acknowledge(attempts);
    }
}

/// Says of a result that was refused for good only that and why it failed. Forgotten it may not be: an attempt that the
/// worker holds no more and never reported would run again.
fn tell_plainly(mut batch: Batch, refusal: &str, outbox: &mut Outbox) {
    // A start is only news.
    batch.started.clear();
    let Some(spooled) = batch.finished.first_mut() else {
        return warn!(error = refusal, "a report of a start was refused for good");
    };
    let attempt = spooled.attempt;
    let plain = spooled.plain();
    if *spooled == plain {
        error!(task_id = %attempt.task, epoch = attempt.epoch, error = refusal,
            "not even that an attempt failed is taken, its result is kept");
        return outbox.put_aside(batch);
    }
    error!(task_id = %attempt.task, epoch = attempt.epoch, error = refusal,
        "a result was refused for good, it is reported as a plain failure");
    *spooled = plain;
    outbox.put_back_alone(batch);
}

async fn send(attachment: Attachment, batch: Batch, calls: ClientCalls, traces: Traces) -> (Batch, Answer) {
    let mut attached = attachment.wait().await;
    let began = now();
    let request = batch.request(attached.registration.session);
    let executed: Vec<_> = batch.finished.iter().filter_map(|spooled| spooled.trace.as_ref()).collect();
    let first = executed.iter().copied().find(|context| traces.records(context));
    let call = attached.client.report_attempts(rpc::within(request, first));
    let call = calls.observe_traced(REPORT, first.map(|context| context.trace_id), call);
    let result = tokio::select! {
        answer = tokio::time::timeout(CALL_FOR, call) => match answer {
            Err(_) => Err(Failure::Refused(Status::deadline_exceeded("no answer"))),
            Ok(Err(status)) => Err(Failure::Refused(status)),
            Ok(Ok(answer)) => receipts(answer.into_inner(), &batch),
        },
        () = attachment.replaced(attached.registration) => Err(Failure::Moved),
    };
    let status = match &result {
        Ok(_) => Code::Ok,
        Err(Failure::Moved) => Code::Cancelled,
        Err(Failure::Refused(status)) => status.code(),
    };
    let between = (began, now());
    spans::report(&traces, &attached.coordinator, &executed, rpc::status_name(status), between);
    (batch, result.map(|receipts| (attached.registration, receipts)))
}

fn receipts(answer: ReportAttemptsResponse, batch: &Batch) -> Result<Vec<Receipt>, Failure> {
    if answer.receipts.len() != batch.len() {
        return Err(Failure::Refused(Status::internal("the number of receipts is wrong")));
    }
    Ok(answer.receipts().collect())
}

async fn wait(in_flight: &mut Option<InFlight>) -> (Batch, Answer) {
    match in_flight {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
