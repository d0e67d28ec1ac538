//! A coordinator of the tests' own making, and a worker that talks to it.

use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use distrack_proto::v1::worker_service_client::WorkerServiceClient;
use distrack_proto::v1::{self, Acceptance, DispatchRequest};
use distrack_proto::{MAX_MESSAGE, convert};
use distrack_telemetry::{Metrics, Readiness, Traces};
use distrack_worker::{ServeError, Settings};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::coordinator::Fake;

/// A worker that runs, with directories of its own.
pub(crate) struct Worker {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<Result<(), ServeError>>,
    pub(crate) settings: Settings,
}

/// Settings for a worker in `dir` that attaches to `coordinators`.
pub(crate) fn settings(dir: &TempDir, coordinators: &[&Fake]) -> Settings {
    Settings {
        name: Some("test".to_owned()),
        coordinators: coordinators.iter().map(|fake| fake.address.to_string()).collect(),
        slots: 4,
        output_dir: dir.path().join("output"),
        state_dir: dir.path().join("state"),
        drain_timeout: Duration::from_millis(300),
        kill_grace: Duration::from_millis(300),
        ..Settings::default()
    }
}

/// Starts a worker.
pub(crate) async fn start(settings: Settings) -> Worker {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (metrics, readiness) = (Metrics::new("worker"), Readiness::waiting("starting"));
    let shutdown = CancellationToken::new();
    let serve = distrack_worker::serve(
        listener,
        settings.clone(),
        metrics.clone(),
        Traces::off(),
        readiness.clone(),
        shutdown.clone(),
    );
    let served = tokio::spawn(serve);
    Worker { address, metrics, readiness, shutdown, served, settings }
}

impl Worker {
    /// Waits until it is registered with `fake` for the n-th time, and knows it.
    pub(crate) async fn attached(&self, fake: &Fake, times: usize) {
        until("heartbeats under that registration", || {
            let state = fake.state();
            let answered = usize::try_from(state.attach).unwrap();
            let last = state.heartbeats.last();
            answered >= times && last.is_some_and(|heartbeat| heartbeat.attach == state.attach)
        })
        .await;
        until("ready", || self.readiness.get() == Ok(())).await;
    }

    /// A way to call it.
    pub(crate) async fn client(&self) -> WorkerServiceClient<Channel> {
        let client = WorkerServiceClient::connect(format!("http://{}", self.address)).await.unwrap();
        client.max_encoding_message_size(2 * MAX_MESSAGE)
    }

    /// Hands over assignments under the registration that `fake` gave last.
    pub(crate) async fn dispatch(
        &self,
        fake: &Fake,
        assignments: Vec<v1::Assignment>,
    ) -> Result<Vec<Acceptance>, Status> {
        self.dispatch_as(fake.registration(), assignments).await
    }

    /// Hands them over under a registration.
    pub(crate) async fn dispatch_as(
        &self,
        (session, attach): (Uuid, i64),
        assignments: Vec<v1::Assignment>,
    ) -> Result<Vec<Acceptance>, Status> {
        let session_id = convert::id_bytes(session);
        let request = DispatchRequest { session_id, attach, assignments };
        let answer = self.client().await.dispatch(request).await?.into_inner();
        Ok(answer.acceptances().collect())
    }

    /// Hands over one command and expects it to be taken.
    pub(crate) async fn run(&self, fake: &Fake, line: &str) -> v1::AttemptRef {
        let assignment = assignment(line);
        let attempt = assignment.attempt.clone().unwrap();
        assert_eq!(self.dispatch(fake, vec![assignment]).await.unwrap(), [Acceptance::Accepted]);
        attempt
    }

    /// Whether the metrics have this line.
    pub(crate) fn shows(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|shown| shown == line)
    }

    /// Drains and waits for the end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(20), self.served).await.unwrap().unwrap().unwrap();
    }

    /// Ends it in the middle of whatever it does; what it was set to is for the next one.
    pub(crate) async fn crash(self) -> Settings {
        self.served.abort();
        assert!(self.served.await.unwrap_err().is_cancelled());
        // The kernel takes everything from a killed process at once; here the last of its threads must have gone.
        let lock = self.settings.state_dir.join("lock");
        until("its folder is free", || File::open(&lock).is_ok_and(|file| file.try_lock().is_ok())).await;
        self.settings
    }
}

/// An assignment of a new task.
pub(crate) fn assignment(line: &str) -> v1::Assignment {
    v1::Assignment {
        attempt: Some(v1::AttemptRef { task_id: convert::id_bytes(Uuid::now_v7()), epoch: 1 }),
        number: 1,
        queue: "default".to_owned(),
        command: Some(v1::Command {
            program: Some(v1::command::Program::Line(line.to_owned())),
            timeout_ms: 60_000,
            ..v1::Command::default()
        }),
        trace: None,
    }
}

/// Waits until something has come about.
pub(crate) async fn until(what: &str, mut good: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !good() {
        assert!(Instant::now() < limit, "not within 60 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
