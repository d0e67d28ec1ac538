//! Many workers' reports, recorded in few transactions.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use distrack_core::{AttemptRef, TraceContext};
use distrack_store::{AttemptEvent, AttemptReport, Progress, Receipt, Reported, Store, StoreError};
use distrack_telemetry::Traces;
use distrack_telemetry::traces::now;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Instruments;
use crate::told;

/// The most report items of one transaction.
const BATCH: usize = 1024;
/// The most output of one transaction, in bytes; a single call may have more.
const BATCH_OUTPUT: usize = 16 * 1024 * 1024;
/// The most calls that wait for the transaction before theirs.
const WAITING: usize = 1024;

type Answer = Result<Vec<Receipt>, Arc<StoreError>>;

struct Call {
    reports: Vec<AttemptReport>,
    /// Where the worker's own spans of attempts are that ended.
    executed: HashMap<AttemptRef, TraceContext>,
    arrived: SystemTime,
    answer: oneshot::Sender<Answer>,
}

/// Takes reports to the loop that records them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    calls: mpsc::Sender<Call>,
}

impl Recorder {
    /// A recorder, and the loop that must run for it. The loop ends with the last recorder.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        metrics: Instruments,
        traces: Traces,
        database: &'static str,
    ) -> (Self, impl Future<Output = ()>) {
        let (calls, waiting) = mpsc::channel(WAITING);
        (Self { calls }, run(Recording { store, metrics, traces, database }, waiting))
    }

    /// Records reports; one receipt for each, in order.
    ///
    /// # Errors
    /// When the store could not take them, or did not say so; nothing of the call is known to be recorded then.
    pub(crate) async fn record(
        &self,
        reports: Vec<AttemptReport>,
        executed: HashMap<AttemptRef, TraceContext>,
    ) -> Answer {
        let arrived = now();
        let (answer, receipts) = oneshot::channel();
        let stopped = || Arc::new(StoreError::unavailable("the coordinator is stopping"));
        self.calls.send(Call { reports, executed, arrived, answer }).await.map_err(|_| stopped())?;
        receipts.await.map_err(|_| stopped())?
    }
}

struct Recording {
    store: Arc<dyn Store>,
    metrics: Instruments,
    traces: Traces,
    database: &'static str,
}

async fn run(recording: Recording, mut waiting: mpsc::Receiver<Call>) {
    let mut next = None;
    loop {
        let Some(first) = (match next.take() {
            Some(call) => Some(call),
            None => waiting.recv().await,
        }) else {
            return;
        };
        // What queued up during the last transaction goes into the next one.
        let (mut items, mut bytes) = (first.reports.len(), output_of(&first));
        let mut calls = vec![first];
        while items < BATCH {
            let Ok(call) = waiting.try_recv() else { break };
            items += call.reports.len();
            bytes += output_of(&call);
            if bytes > BATCH_OUTPUT {
                next = Some(call);
                break;
            }
            calls.push(call);
        }
        recording.record(calls).await;
    }
}

fn output_of(call: &Call) -> usize {
    let of = |report: &AttemptReport| match &report.event {
        AttemptEvent::Started { .. } => 0,
        AttemptEvent::Finished { output, .. } => {
            let streams = [&output.stdout, &output.stderr];
            streams.iter().map(|stream| stream.head.len() + stream.tail.len()).sum()
        }
    };
    call.reports.iter().map(of).sum()
}

impl Recording {
    async fn record(&self, calls: Vec<Call>) {
        let reports: Vec<_> = calls.iter().flat_map(|call| call.reports.iter().cloned()).collect();
        let alone = calls.len() == 1;
        match self.store.report(reports).await {
            Ok(Reported { receipts, progress }) => {
                let recorded = now();
                let mut receipts = receipts.into_iter();
                let mut executed = HashMap::new();
                for call in calls {
                    let own: Vec<Receipt> = receipts.by_ref().take(call.reports.len()).collect();
                    own.iter().for_each(|receipt| self.metrics.received(*receipt));
                    // A caller that went away sends its reports again and gets duplicates.
                    let _ = call.answer.send(Ok(own));
                    let arrived = call.arrived;
                    executed.extend(call.executed.into_iter().map(|(attempt, at)| (attempt, (at, arrived))));
                }
                // Last, since nobody waits for it.
                self.tell(&executed, &progress, recorded);
            }
            // One call that the database cannot take must not hold up the others.
            Err(error) if !error.is_retryable() && !alone => {
                for call in calls {
                    Box::pin(self.record(vec![call])).await;
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for call in calls {
                    let _ = call.answer.send(Err(Arc::clone(&error)));
                }
            }
        }
    }

    fn tell(
        &self,
        executed: &HashMap<AttemptRef, (TraceContext, SystemTime)>,
        progress: &[Progress],
        recorded: SystemTime,
    ) {
        for progress in progress {
            let told = executed.get(&progress.attempt);
            let between = (told.map_or(recorded, |(_, arrived)| *arrived), recorded);
            let execute = told.map(|(execute, _)| execute);
            told::recorded(&self.metrics, &self.traces, self.database, progress, execute, between);
        }
    }
}
