//! What a service is observed by: its metrics and its traces.

use std::sync::Arc;
use std::time::Duration;

use distrack_store::Store;
use distrack_telemetry::logs::SpanLayer;
use distrack_telemetry::traces::Process;
use distrack_telemetry::{Metrics, Traces};
use uuid::Uuid;

use crate::measured::Measured;

/// How long the last spans may take at the end.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// One service's.
pub(crate) struct Telemetry {
    pub(crate) metrics: Metrics,
    pub(crate) traces: Traces,
    problem: Option<String>,
}

/// This process, which runs one service alone or all of them.
pub(crate) fn process(alone: bool) -> Process {
    let host = hostname::get().ok().and_then(|name| name.into_string().ok());
    Process::new(Uuid::now_v7().to_string(), host, alone)
}

impl Telemetry {
    /// Starts it, within the runtime. `role` is `scheduler`, `coordinator` or `worker`.
    pub(crate) fn start(role: &'static str, process: &Process) -> Self {
        let metrics = Metrics::new(role);
        let (traces, problem) = match Traces::start(role, process, &metrics) {
            Ok(traces) => (traces, None),
            Err(problem) => (Traces::off(), Some(problem)),
        };
        Self { metrics, traces, problem }
    }

    /// The part of the log's subscriber that makes spans of this service's own.
    pub(crate) fn layer(&self) -> Option<SpanLayer> {
        self.traces.layer().map(|layer| Box::new(layer) as SpanLayer)
    }

    /// Logs what this service's traces come to.
    pub(crate) fn say(&self, role: &str) {
        match &self.problem {
            Some(problem) => tracing::warn!(role, problem, "spans are not exported"),
            None if self.traces.is_on() => tracing::info!(role, "spans are exported"),
            None => {}
        }
        if let Some(complaint) = self.traces.complaint() {
            tracing::warn!(role, complaint, "a variable of tracing cannot be read");
        }
    }

    /// The store as this service sees it.
    pub(crate) fn measured(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Measured::new(store, &self.metrics))
    }

    /// Sends the last spans, after the service has stopped.
    pub(crate) async fn stop(&self) {
        self.traces.stop(LAST_SPANS).await;
    }
}
