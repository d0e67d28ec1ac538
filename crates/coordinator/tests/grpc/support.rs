//! A coordinator over a real SQLite file, and a worker that does as the test says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use distrack_coordinator::{ServeError, Settings};
use distrack_core::{NewTask, Task, TaskDraft, TaskId, TraceContext};
use distrack_proto::convert;
use distrack_proto::v1::coordinator_service_client::CoordinatorServiceClient;
use distrack_proto::v1::worker_service_server::{WorkerService, WorkerServiceServer};
use distrack_proto::v1::{self, Acceptance};
use distrack_store::{Store, Submission, SubmitMode};
use distrack_store_sqlite::SqliteStore;
use distrack_telemetry::{Metrics, Readiness, Traces};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub(crate) const LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Served {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) client: CoordinatorServiceClient<Channel>,
    pub(crate) address: SocketAddr,
    serving: Option<JoinHandle<Result<(), ServeError>>>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A coordinator on a free port.
pub(crate) async fn coordinator() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("distrack.db")).unwrap());
    store.migrate().await.unwrap();
    let asked = Arc::clone(&store) as Arc<dyn Store>;
    coordinator_over(store, asked, folder).await
}

/// A coordinator that asks `asked`, which stands before `store`.
pub(crate) async fn coordinator_over(
    store: Arc<SqliteStore>,
    asked: Arc<dyn Store>,
    folder: tempfile::TempDir,
) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let readiness = Readiness::waiting("starting");
    let served = distrack_coordinator::serve(
        listener,
        asked,
        Settings::default(),
        Metrics::new("coordinator"),
        Traces::off(),
        readiness.clone(),
        stop.clone(),
    );
    let serving = tokio::spawn(served);
    let ready = async {
        while readiness.get().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, ready).await.expect("the coordinator is ready in time");
    let client = CoordinatorServiceClient::connect(format!("http://{address}")).await.unwrap();
    Served { store, client, address, serving: Some(serving), stop, _folder: folder }
}

impl Served {
    /// Tells the coordinator to stop and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        let serving = self.serving.take().expect("it is stopped once");
        tokio::time::timeout(LIMIT * 3, serving).await.expect("it stops in time").unwrap().unwrap();
    }

    /// Stores a task that is due now.
    pub(crate) async fn submit(&self, command: &str) -> TaskId {
        let draft = TaskDraft { command: Some(command.to_owned()), ..TaskDraft::default() };
        let task = NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap();
        let id = task.id;
        self.store.submit(vec![Submission { task, key: None }], SubmitMode::Each).await.unwrap();
        id
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        self.store.get(vec![id]).await.unwrap().remove(0)
    }

    /// Waits until a task is as `wanted`.
    pub(crate) async fn until(&self, id: TaskId, wanted: impl Fn(&Task) -> bool) -> Task {
        let seen = async {
            loop {
                let task = self.task(id).await;
                if wanted(&task) {
                    return task;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(LIMIT, seen).await {
            Ok(task) => task,
            Err(_) => panic!("in vain; last seen: {:?}", self.task(id).await),
        }
    }

    pub(crate) async fn register(&mut self, address: SocketAddr) -> v1::RegisterWorkerResponse {
        self.client.register_worker(registration(address)).await.unwrap().into_inner()
    }
}

/// A registration that is right in every field.
pub(crate) fn registration(address: SocketAddr) -> v1::RegisterWorkerRequest {
    v1::RegisterWorkerRequest {
        worker_id: convert::id_bytes(Uuid::now_v7()),
        instance_id: convert::id_bytes(Uuid::now_v7()),
        name: "w1".to_owned(),
        host_id: "host".to_owned(),
        address: address.to_string(),
        slots: 4,
        queues: Vec::new(),
        labels: Default::default(),
        version: "test".to_owned(),
        held: Vec::new(),
        sequence: 1,
        isolation: "plain".to_owned(),
    }
}

/// What a scripted worker answers to the next Dispatch calls; the last one is repeated.
pub(crate) type Script = VecDeque<Result<Acceptance, Status>>;

pub(crate) struct Scripted {
    /// A command that it cannot read.
    unreadable: Option<&'static str>,
    script: Mutex<Script>,
    dispatched: mpsc::UnboundedSender<v1::DispatchRequest>,
    cancelled: mpsc::UnboundedSender<v1::CancelAttemptsRequest>,
}

pub(crate) struct ScriptedWorker {
    pub(crate) address: SocketAddr,
    pub(crate) dispatched: mpsc::UnboundedReceiver<v1::DispatchRequest>,
    pub(crate) cancelled: mpsc::UnboundedReceiver<v1::CancelAttemptsRequest>,
}

/// Serves a worker that answers by the script.
pub(crate) async fn worker(script: impl IntoIterator<Item = Result<Acceptance, Status>>) -> ScriptedWorker {
    serve_worker(script, None).await
}

/// Serves a worker that accepts all but a batch with this command, which it cannot read.
pub(crate) async fn worker_that_cannot_read(command: &'static str) -> ScriptedWorker {
    serve_worker([Ok(Acceptance::Accepted)], Some(command)).await
}

async fn serve_worker(
    script: impl IntoIterator<Item = Result<Acceptance, Status>>,
    unreadable: Option<&'static str>,
) -> ScriptedWorker {
    let (dispatched_to, dispatched) = mpsc::unbounded_channel();
    let (cancelled_to, cancelled) = mpsc::unbounded_channel();
    let scripted = Scripted {
        unreadable,
        script: Mutex::new(script.into_iter().collect()),
        dispatched: dispatched_to,
        cancelled: cancelled_to,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(WorkerServiceServer::new(scripted))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);
    ScriptedWorker { address, dispatched, cancelled }
}

impl ScriptedWorker {
    pub(crate) async fn next_dispatch(&mut self) -> v1::DispatchRequest {
        tokio::time::timeout(LIMIT, self.dispatched.recv()).await.expect("a dispatch in time").unwrap()
    }
}

#[tonic::async_trait]
impl WorkerService for Scripted {
    async fn dispatch(
        &self,
        request: Request<v1::DispatchRequest>,
    ) -> Result<Response<v1::DispatchResponse>, Status> {
        let request = request.into_inner();
        let count = request.assignments.len();
        let bad = |assignment: &v1::Assignment| {
            let program = assignment.command.as_ref().and_then(|command| command.program.as_ref());
            matches!(program, Some(v1::command::Program::Line(line)) if Some(line.as_str()) == self.unreadable)
        };
        if request.assignments.iter().any(bad) {
            return Err(Status::invalid_argument("command.program: is unknown"));
        }
        let _ = self.dispatched.send(request);
        let answer = {
            let mut script = self.script.lock().unwrap();
            if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() }
        };
        let acceptances = vec![i32::from(answer?); count];
        Ok(Response::new(v1::DispatchResponse { acceptances }))
    }

    async fn cancel_attempts(
        &self,
        request: Request<v1::CancelAttemptsRequest>,
    ) -> Result<Response<v1::CancelAttemptsResponse>, Status> {
        let _ = self.cancelled.send(request.into_inner());
        Ok(Response::new(v1::CancelAttemptsResponse {}))
    }
}
