//! Many workers' reports, recorded in few transactions.

use std::future::Future;
use std::sync::Arc;

use distrack_store::{AttemptReport, Receipt, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Instruments;

/// The most report items of one transaction.
const BATCH: usize = 1024;
/// The most calls that wait for the transaction before theirs.
const WAITING: usize = 1024;

struct Call {
    reports: Vec<AttemptReport>,
    answer: oneshot::Sender<Result<Vec<Receipt>, String>>,
}

/// Takes reports to the loop that records them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    calls: mpsc::Sender<Call>,
}

impl Recorder {
    /// A recorder, and the loop that must run for it. The loop ends with the last recorder.
    pub(crate) fn new(store: Arc<dyn Store>, metrics: Instruments) -> (Self, impl Future<Output = ()>) {
        let (calls, waiting) = mpsc::channel(WAITING);
        (Self { calls }, run(store, metrics, waiting))
    }

    /// Records reports; one receipt for each, in order.
    ///
    /// # Errors
    /// When the store could not take them; nothing of the call is recorded then.
    pub(crate) async fn record(&self, reports: Vec<AttemptReport>) -> Result<Vec<Receipt>, StoreError> {
        let (answer, receipts) = oneshot::channel();
        let stopped = || StoreError::unavailable("the coordinator is stopping");
        self.calls.send(Call { reports, answer }).await.map_err(|_| stopped())?;
        receipts.await.map_err(|_| stopped())?.map_err(StoreError::unavailable)
    }
}

async fn run(store: Arc<dyn Store>, metrics: Instruments, mut waiting: mpsc::Receiver<Call>) {
    while let Some(first) = waiting.recv().await {
        // What queued up during the last transaction goes into the next one.
        let mut items = first.reports.len();
        let mut calls = vec![first];
        while items < BATCH {
            let Ok(call) = waiting.try_recv() else { break };
            items += call.reports.len();
            calls.push(call);
        }
        record(&*store, &metrics, calls).await;
    }
}

async fn record(store: &dyn Store, metrics: &Instruments, calls: Vec<Call>) {
    let mut reports = Vec::new();
    let mut answers = Vec::new();
    for call in calls {
        answers.push((call.reports.len(), call.answer));
        reports.extend(call.reports);
    }
    let recorded = store.report(reports, rand::random()).await;
    let mut receipts = match recorded {
        Ok(receipts) => receipts.into_iter(),
        Err(error) => {
            for (_, answer) in answers {
                let _ = answer.send(Err(error.to_string()));
            }
            return;
        }
    };
    for (count, answer) in answers {
        let own: Vec<Receipt> = receipts.by_ref().take(count).collect();
        own.iter().for_each(|receipt| metrics.received(*receipt));
        // A caller that went away sends its reports again and gets duplicates.
        let _ = answer.send(Ok(own));
    }
}
