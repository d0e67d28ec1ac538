//! The coordinator: knows the workers, claims due tasks for their free slots, dispatches them, and records
//! how they ended.
//!
//! Any number of equal coordinators may run beside one database; nobody is a leader. All state that must
//! survive is in the store; what is in memory here ([`fleet`]) is rebuilt when workers register.
//! Start reading at [`dispatch`].

mod deliver;
mod dispatch;
mod fleet;
mod keeper;
mod metrics;
mod pause;
mod recorder;
mod register;
mod service;
mod snapshot;
mod status;
mod sweeper;

use std::sync::Arc;
use std::time::Duration;

use distrack_core::CoordinatorId;
use distrack_proto::v1::coordinator_service_server::CoordinatorServiceServer;
use distrack_store::{Hint, Retention, Schema, Store};
use distrack_telemetry::{Metrics, Readiness};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tracing::{info, warn};

use crate::fleet::Fleet;
use crate::metrics::Instruments;
use crate::recorder::Recorder;
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(5),
            lost_after: Duration::from_secs(30),
            retention: Retention::default(),
            poll_interval: Duration::from_secs(2),
            claim_limit: 500,
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
}

/// What every loop of a coordinator shares.
pub(crate) struct Coordinator {
    pub(crate) id: CoordinatorId,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: Settings,
    pub(crate) fleet: Fleet,
    pub(crate) metrics: Instruments,
    pub(crate) recorder: Recorder,
    /// Deliveries under way.
    pub(crate) deliveries: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

/// How long a coordinator that stops waits for its deliveries and reports.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Serves until `shutdown`: then stops claiming, finishes what is on its way, and returns.
///
/// # Errors
/// When the gRPC server cannot run. A database that is away is no error: it is waited for.
pub async fn serve(
    listener: TcpListener,
    store: Arc<dyn Store>,
    settings: Settings,
    metrics: Metrics,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let metrics = Instruments::new(&metrics);
    let (recorder, recording) = Recorder::new(Arc::clone(&store), metrics.clone());
    let coordinator = Arc::new(Coordinator {
        id: CoordinatorId::new(),
        store,
        settings,
        fleet: Fleet::default(),
        metrics,
        recorder,
        deliveries: TaskTracker::new(),
        shutdown: shutdown.clone(),
    });
    info!(coordinator = %coordinator.id, "coordinator started");

    let recording = tokio::spawn(recording);
    let loops = TaskTracker::new();
    loops.spawn(dispatch::run(Arc::clone(&coordinator)));
    loops.spawn(keeper::run(Arc::clone(&coordinator), coordinator.store.wakeup(Hint::Cancel)));
    loops.spawn(sweeper::sweep(Arc::clone(&coordinator)));
    loops.spawn(sweeper::prune(Arc::clone(&coordinator)));
    loops.spawn(snapshot::run(Arc::clone(&coordinator)));
    loops.spawn(watch_schema(Arc::clone(&coordinator), readiness.clone()));
    loops.close();

    serve_grpc(listener, Arc::clone(&coordinator), shutdown).await?;

    readiness.set(Err("the coordinator is stopping".to_owned()));
    loops.wait().await;
    coordinator.deliveries.close();
    if tokio::time::timeout(STOP_LIMIT, coordinator.deliveries.wait()).await.is_err() {
        warn!(
            "stopped while deliveries were unanswered; their workers will be asked at the next registration"
        );
    }
    drop(coordinator);
    let _ = tokio::time::timeout(STOP_LIMIT, recording).await;
    info!("coordinator stopped");
    Ok(())
}

async fn serve_grpc(
    listener: TcpListener,
    coordinator: Arc<Coordinator>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<CoordinatorServiceServer<Service>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(distrack_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let service = CoordinatorServiceServer::new(Service::new(coordinator))
        .max_decoding_message_size(distrack_proto::MAX_MESSAGE)
        .max_encoding_message_size(distrack_proto::MAX_MESSAGE);
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .add_service(health)
        .add_service(reflection)
        .add_service(service)
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), async move {
            shutdown.cancelled().await;
            health_reporter.set_not_serving::<CoordinatorServiceServer<Service>>().await;
        })
        .await?;
    Ok(())
}

/// Says whether the database is there and new enough, once for each change.
async fn watch_schema(coordinator: Arc<Coordinator>, readiness: Readiness) {
    let mut said = None;
    loop {
        let state = match coordinator.store.schema().await {
            Ok(Schema::Current) => Ok(()),
            Ok(Schema::Older { found, needed }) => Err(format!(
                "the schema is at migration {found}, this build needs {needed}: run `distrack migrate`"
            )),
            Err(error) => Err(error.to_string()),
        };
        if said.as_ref() != Some(&state) {
            match &state {
                Ok(()) => info!("database ready"),
                Err(reason) => warn!(%reason, "waiting for the database"),
            }
        }
        readiness.set(state.clone());
        let pause = if state.is_ok() { 5 } else { 1 };
        said = Some(state);
        if coordinator.wait(Duration::from_secs(pause)).await.is_stopping() {
            return;
        }
    }
}
