//! A collector of spans, and the subscriber that makes them of what runs on a test's thread.

use std::time::{Duration, Instant};

use distrack_telemetry::traces::Process;
use distrack_telemetry::{Metrics, Traces};
use fake_opentelemetry_collector::{ExportedSpan, FakeCollectorServer};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

/// Takes the spans of one test.
pub(crate) struct Collector {
    pub(crate) traces: Traces,
    server: FakeCollectorServer,
    seen: Vec<ExportedSpan>,
    _subscriber: DefaultGuard,
}

impl Collector {
    /// Takes spans from now on. The test's runtime must have one thread, as it has unless it asks for more.
    pub(crate) async fn start() -> Self {
        let server = FakeCollectorServer::start().await.unwrap();
        let process = Process::new("test", None, true);
        let traces =
            Traces::start_at(&server.endpoint(), "scheduler", &process, &Metrics::new("collector")).unwrap();
        let subscriber = tracing_subscriber::registry().with(traces.layer());
        let subscriber = tracing::subscriber::set_default(subscriber);
        Self { traces, server, seen: Vec::new(), _subscriber: subscriber }
    }

    /// Every span so far, once there are so many that are such.
    pub(crate) async fn wait(
        &mut self,
        count: usize,
        such: impl Fn(&ExportedSpan) -> bool,
    ) -> Vec<ExportedSpan> {
        let limit = Instant::now() + Duration::from_secs(20);
        while self.seen.iter().filter(|span| such(span)).count() < count {
            assert!(Instant::now() < limit, "the spans did not come, but {:#?}", self.seen);
            self.seen.extend(self.server.exported_spans(1, Duration::from_millis(50)).await);
        }
        self.seen.iter().filter(|span| such(span)).cloned().collect()
    }

    /// The one span of this name.
    pub(crate) async fn one(&mut self, name: &str) -> ExportedSpan {
        let mut found = self.wait(1, |span| span.name == name).await;
        assert_eq!(found.len(), 1, "{found:#?}");
        found.remove(0)
    }

    /// Every span there will be.
    pub(crate) async fn rest(mut self) -> Vec<ExportedSpan> {
        let stop = self.traces.stop(Duration::from_secs(20));
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                more = self.server.exported_spans(1, Duration::from_millis(50)) => self.seen.extend(more),
            }
        }
        self.seen.extend(self.server.exported_spans(0, Duration::ZERO).await);
        self.seen
    }
}
