//! The services of one process: started together, stopped in the order in which they need each other.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use distrack_telemetry::Readiness;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A kind of service, in the order in which they stop: a worker's last reports need its coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Worker,
    Coordinator,
    Scheduler,
}

impl Part {
    const STOP_ORDER: [Self; 3] = [Self::Worker, Self::Coordinator, Self::Scheduler];

    fn name(self) -> &'static str {
        match self {
            Self::Worker => "the worker",
            Self::Coordinator => "the coordinator",
            Self::Scheduler => "the scheduler",
        }
    }
}

struct Started {
    part: Part,
    readiness: Readiness,
    stop: CancellationToken,
    service: JoinHandle<anyhow::Result<()>>,
}

/// Services that run.
#[derive(Default)]
pub(crate) struct Parts {
    started: Vec<Started>,
    ended: CancellationToken,
}

impl Parts {
    /// Starts one.
    pub(crate) fn start<F>(&mut self, part: Part, begin: impl FnOnce(Readiness, CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let readiness = Readiness::waiting("starting");
        let stop = CancellationToken::new();
        let service = begin(readiness.clone(), stop.clone());
        let ended = self.ended.clone().drop_guard();
        let service = tokio::spawn(async move {
            // Told even when the service panics.
            let _ended = ended;
            service.await
        });
        self.started.push(Started { part, readiness, stop, service });
    }

    /// Returns once all are ready, or `limit` has passed.
    pub(crate) async fn ready(&self, limit: Duration) {
        let poll = async {
            while self.started.iter().any(|started| started.readiness.get().is_err()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(limit, poll).await;
    }

    /// Returns once any of them has ended.
    pub(crate) async fn one_ended(&self) {
        self.ended.cancelled().await;
    }

    /// Stops all, kind by kind, and tells the first failure.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let mut result = Ok(());
        let mut left = self.started;
        for part in Part::STOP_ORDER {
            let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|one| one.part == part);
            now.iter().for_each(|one| one.stop.cancel());
            for one in now {
                let ended = one.service.await.map_err(anyhow::Error::from).and_then(|ended| ended);
                result = result.and(ended.with_context(|| format!("{} failed", part.name())));
            }
            left = later;
        }
        result
    }
}
