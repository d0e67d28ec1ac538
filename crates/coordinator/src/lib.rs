//! The coordinator: knows the workers, claims due tasks for their free slots, dispatches them, and records
//! how they ended.
//!
//! Any number of equal coordinators may run beside one database; nobody is a leader. All state that must
//! survive is in the store; what is in memory here ([`fleet`]) is rebuilt when workers register.
//! Start reading at [`dispatch`].

mod clock;
mod deliver;
mod dispatch;
mod fleet;
mod gauges;
mod keeper;
mod metrics;
mod pause;
mod recorder;
mod register;
mod renewals;
mod schema;
mod service;
mod snapshot;
mod status;
mod sweeper;
mod told;
mod unreadable;
mod vacancy;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use distrack_core::{CoordinatorId, TracePolicy};
use distrack_proto::v1::coordinator_service_server::CoordinatorServiceServer;
use distrack_store::{Hint, Retention, Store, StoreError};
use distrack_telemetry::rpc::{ClientCalls, ServerLayer};
use distrack_telemetry::{Metrics, QueueLabel, Readiness, Traces};
use distrack_transport::{Dialer, Transport};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tracing::{info, warn};

use crate::clock::DatabaseClock;
use crate::fleet::Fleet;
use crate::gauges::Gauges;
use crate::metrics::Instruments;
use crate::recorder::Recorder;
use crate::renewals::Renewals;
use crate::service::Service;

/// How a coordinator works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often workers send a heartbeat, before jitter.
    pub heartbeat_interval: Duration,
    /// How long a session lives without one.
    pub lost_after: Duration,
    /// How long ended things are kept.
    pub retention: Retention,
    /// How often to look for due tasks when no hint comes.
    pub poll_interval: Duration,
    /// The most tasks of one claim.
    pub claim_limit: usize,
    /// Which traces attempts get.
    pub trace_policy: TracePolicy,
    /// What spans call the database: `postgresql` or `sqlite`.
    pub database: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(5),
            lost_after: Duration::from_secs(30),
            retention: Retention::default(),
            poll_interval: Duration::from_secs(2),
            claim_limit: 500,
            trace_policy: TracePolicy::Auto,
            database: "postgresql",
        }
    }
}

/// Why a coordinator could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The gRPC server failed.
    #[error("the gRPC server failed: {0}")]
    Server(#[from] tonic::transport::Error),
    /// The protocol's description could not be read: a broken build.
    #[error("the reflection service failed: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A loop ended before its time: a bug, which the log tells more of.
    #[error("the {0} loop ended by itself")]
    Loop(String),
}

/// What every loop of a coordinator shares.
pub(crate) struct Coordinator {
    pub(crate) id: CoordinatorId,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: Settings,
    pub(crate) fleet: Fleet,
    pub(crate) renewals: Renewals,
    pub(crate) metrics: Instruments,
    pub(crate) gauges: Gauges,
    pub(crate) clock: DatabaseClock,
    pub(crate) calls: ClientCalls,
    pub(crate) dialer: Dialer,
    pub(crate) traces: Traces,
    pub(crate) recorder: Recorder,
    /// Who may open or end a session now. A fleet that comes back all at once takes its turn: each of them is a
    /// transaction, and renewals of those that are attached need room beside them.
    pub(crate) admission: Arc<Semaphore>,
    /// Deliveries under way.
    pub(crate) deliveries: TaskTracker,
    /// Fires when the database was first seen with a current schema.
    pub(crate) current: CancellationToken,
    pub(crate) shutdown: CancellationToken,
}

impl Coordinator {
    /// Takes a step that opens or ends a session, with leave from `admission`. The leave is the step's and not the call's: a
    /// worker that hangs up leaves the step behind, and the connection that it holds.
    pub(crate) async fn with_leave<T: Send + 'static>(
        leave: OwnedSemaphorePermit,
        step: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, Status> {
        let step = tokio::spawn(async move {
            let answer = step.await;
            drop(leave);
            answer
        });
        let answer = step.await.map_err(|error| Status::internal(format!("the step failed: {error}")))?;
        answer.map_err(|error| status::of_store(&error))
    }

    /// How long after its last heartbeat a worker is late: it gets no work until it is heard again.
    pub(crate) fn late_after(&self) -> Duration {
        self.settings.heartbeat_interval * 3
    }

    /// For how long heartbeats are taken that cannot be stored: less than leaves no time to go elsewhere.
    pub(crate) fn overdue_after(&self) -> Duration {
        self.settings.lost_after / 4
    }
}

/// The calls that are measured under their own name.
const METHODS: [&str; 4] = [
    "distrack.v1.CoordinatorService/RegisterWorker",
    "distrack.v1.CoordinatorService/Heartbeat",
    "distrack.v1.CoordinatorService/ReportAttempts",
    "distrack.v1.CoordinatorService/DeregisterWorker",
];

/// The most sessions that are opened or ended at once.
const ADMITTED: usize = 2;
/// How many connections are open at once; a worker has two.
const CONNECTIONS: usize = 16_384;
/// How long a coordinator that stops waits for calls, and then for its deliveries.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long it then waits for reports that are being recorded.
const RECORDED_WITHIN: Duration = Duration::from_secs(2);

/// Serves until `shutdown`: then stops claiming, finishes what is on its way, and returns.
///
/// Dispatches nothing and registers nobody until the database has this build's schema.
///
/// # Errors
/// When the gRPC server cannot run, or a loop ends by itself. A database that is away is no error: it is waited
/// for.
pub async fn serve(
    transport: impl Into<Transport>,
    store: Arc<dyn Store>,
    settings: Settings,
    metrics: Metrics,
    traces: Traces,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let transport = transport.into();
    let queue = QueueLabel::new();
    let (gauges, calls) = (Gauges::new(&metrics, queue.clone()), ClientCalls::new(&metrics));
    let served = ServerLayer::new(&metrics, &METHODS);
    let metrics = Instruments::new(&metrics, queue);
    let (recorder, recording) =
        Recorder::new(Arc::clone(&store), metrics.clone(), traces.clone(), settings.database);
    let coordinator = Arc::new(Coordinator {
        id: CoordinatorId::new(),
        store,
        settings,
        fleet: Fleet::default(),
        renewals: Renewals::default(),
        metrics,
        gauges,
        clock: DatabaseClock::default(),
        calls,
        dialer: transport.dialer(),
        traces,
        recorder,
        admission: Arc::new(Semaphore::new(ADMITTED)),
        deliveries: TaskTracker::new(),
        current: CancellationToken::new(),
        shutdown: shutdown.child_token(),
    });
    info!(coordinator = %coordinator.id, "coordinator started");

    let recording = tokio::spawn(recording);
    let health = HealthReporter::new();
    let mut loops = start_loops(&coordinator, readiness, &health);
    let served = serve_until_stopped(transport, &coordinator, health, served, &mut loops).await;

    coordinator.shutdown.cancel();
    let _ = tokio::time::timeout(STOP_LIMIT, async { while loops.join_next().await.is_some() {} }).await;
    coordinator.deliveries.close();
    if tokio::time::timeout(STOP_LIMIT, coordinator.deliveries.wait()).await.is_err() {
        warn!(
            "stopped while deliveries were unanswered; their workers will be asked at the next registration"
        );
    }
    drop(coordinator);
    // What is cut off here, its worker reports again elsewhere.
    let _ = tokio::time::timeout(RECORDED_WITHIN, recording).await;
    info!("coordinator stopped");
    served
}

/// The loops, each of which says its name when it ends.
type Loops = JoinSet<&'static str>;

fn start_loops(coordinator: &Arc<Coordinator>, readiness: Readiness, health: &HealthReporter) -> Loops {
    let shared = || Arc::clone(coordinator);
    let mut loops = JoinSet::new();
    let mut start = |name, work: Pin<Box<dyn Future<Output = ()> + Send>>| {
        let coordinator = shared();
        loops.spawn(async move {
            tokio::select! {
                () = coordinator.current.cancelled() => work.await,
                () = coordinator.shutdown.cancelled() => {}
            }
            name
        });
    };
    start("dispatch", Box::pin(dispatch::run(shared())));
    start("keeper", Box::pin(keeper::run(shared(), coordinator.store.wakeup(Hint::Cancel))));
    start("sweep", Box::pin(sweeper::sweep(shared())));
    start("prune", Box::pin(sweeper::prune(shared())));
    start("snapshot", Box::pin(snapshot::run(shared())));
    let watch = schema::watch(shared(), readiness, health.clone());
    loops.spawn(async move {
        watch.await;
        "schema"
    });
    loops
}

/// Serves until the shutdown, and a little longer for calls under way; or until a loop ends before it.
async fn serve_until_stopped(
    transport: Transport,
    coordinator: &Arc<Coordinator>,
    health: HealthReporter,
    measure: ServerLayer,
    loops: &mut Loops,
) -> Result<(), ServeError> {
    let stop = coordinator.shutdown.clone();
    let served = serve_grpc(transport, Arc::clone(coordinator), health, measure);
    let cut_off = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_LIMIT).await;
    };
    let (mut served, mut cut_off) = (pin!(served), pin!(cut_off));
    loop {
        tokio::select! {
            served = &mut served => return served,
            () = &mut cut_off => {
                warn!("calls are cut off");
                return Ok(());
            }
            Some(ended) = loops.join_next() => {
                if !stop.is_cancelled() {
                    let name = ended.map_or_else(|error| error.to_string(), str::to_owned);
                    return Err(ServeError::Loop(name));
                }
            }
        }
    }
}

async fn serve_grpc(
    transport: Transport,
    coordinator: Arc<Coordinator>,
    health: HealthReporter,
    measure: ServerLayer,
) -> Result<(), ServeError> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(distrack_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let stop = coordinator.shutdown.clone();
    let service = CoordinatorServiceServer::new(Service::new(coordinator))
        .max_decoding_message_size(distrack_proto::MAX_MESSAGE)
        .max_encoding_message_size(distrack_proto::MAX_MESSAGE);
    // The guard first after the measure: what it refuses is counted, and seen by nobody else.
    Transport::server()
        .layer(measure)
        .layer(transport.guard())
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)))
        .add_service(reflection)
        .add_service(service)
        .serve_with_incoming_shutdown(transport.accept(CONNECTIONS), stop.cancelled_owned())
        .await?;
    Ok(())
}
