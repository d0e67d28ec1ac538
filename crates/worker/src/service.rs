//! What coordinators call: `WorkerService`, with health and reflection beside it.
//!
//! Reads and checks messages; decides nothing.

use std::sync::Arc;

use distrack_core::SessionId;
use distrack_proto::v1::worker_service_server::{WorkerService, WorkerServiceServer};
use distrack_proto::v1::{
    self, CancelAttemptsRequest, CancelAttemptsResponse, DispatchRequest, DispatchResponse,
};
use distrack_proto::{DESCRIPTORS, MAX_BATCH, MAX_MESSAGE, convert};
use distrack_telemetry::rpc::ServerLayer;
use distrack_transport::Transport;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::server::HealthReporter;
use tracing::warn;

use crate::ServeError;
use crate::assignment::Assignment;
use crate::execute::Execute;
use crate::held::{Refusal, Registration};
use crate::metrics::Refused;
use crate::spool::Spool;
use crate::stop::Stop;

/// The name under which health is asked for.
pub(crate) const SERVICE: &str = "distrack.v1.WorkerService";

/// The calls that are measured under their own name.
pub(crate) const METHODS: [&str; 2] =
    ["distrack.v1.WorkerService/Dispatch", "distrack.v1.WorkerService/CancelAttempts"];

/// How many connections are open at once; each coordinator has one.
const CONNECTIONS: usize = 512;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// Runs what is accepted.
    pub(crate) execute: Arc<Execute>,
    /// Knows whether results can be kept.
    pub(crate) spool: Spool,
}

/// Serves until `stop`, then lets calls end.
pub(crate) async fn run(
    transport: Transport,
    service: Service,
    health: HealthReporter,
    measure: ServerLayer,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| ServeError::Server(error);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| failed(error.into()))?;
    let health = tonic_health::server::HealthService::from_health_reporter(health);
    // The guard first after the measure: what it refuses is counted, and seen by nobody else.
    Transport::server()
        .layer(measure)
        .layer(transport.guard())
        .add_service(
            WorkerServiceServer::new(service)
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE),
        )
        .add_service(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(reflection)
        .serve_with_incoming_shutdown(transport.accept(CONNECTIONS), stop.cancelled_owned())
        .await
        .map_err(|error| failed(error.into()))
}

impl Service {
    fn assignments(&self, wire: Vec<v1::Assignment>) -> Result<Vec<Assignment>, Status> {
        limit("assignments", wire.len())?;
        let read = |(at, assignment): (usize, v1::Assignment)| {
            Assignment::try_from(assignment)
                .map_err(|invalid| Status::invalid_argument(format!("assignments[{at}].{invalid}")))
        };
        wire.into_iter().enumerate().map(read).collect()
    }

    fn read(&self, request: DispatchRequest) -> Result<(Registration, Vec<Assignment>), Status> {
        let registration = registration(&request.session_id, request.attach)?;
        Ok((registration, self.assignments(request.assignments)?))
    }
}

#[tonic::async_trait]
impl WorkerService for Service {
    async fn dispatch(
        &self,
        request: Request<DispatchRequest>,
    ) -> Result<Response<DispatchResponse>, Status> {
        let read = self.read(request.into_inner());
        let (registration, assignments) =
            read.inspect_err(|_| self.execute.instruments.refused(Refused::Invalid, 1))?;
        let safe = self.spool.is_healthy();
        let accepted = self.execute.held.accept(registration, assignments, safe).map_err(status)?;
        for (assignment, stop) in accepted.starts {
            self.execute.start(assignment, stop);
        }
        let acceptances = accepted.acceptances.into_iter().map(Into::into).collect();
        Ok(Response::new(DispatchResponse { acceptances }))
    }

    async fn cancel_attempts(
        &self,
        request: Request<CancelAttemptsRequest>,
    ) -> Result<Response<CancelAttemptsResponse>, Status> {
        let request = request.into_inner();
        limit("attempts", request.attempts.len())?;
        let registration = registration(&request.session_id, request.attach)?;
        let attempts = convert::attempt_refs(&request.attempts)?;
        self.execute.held.check(registration).map_err(status)?;
        self.execute.held.stop(attempts, Stop::Cancelled);
        Ok(Response::new(CancelAttemptsResponse {}))
    }
}

fn registration(session: &[u8], attach: i64) -> Result<Registration, Status> {
    let session: SessionId = convert::id(session, "session_id")?;
    Ok(Registration { session, attach })
}

fn limit(field: &'static str, items: usize) -> Result<(), Status> {
    if items > MAX_BATCH {
        return Err(convert::Invalid::new(field, format!("at most {MAX_BATCH} items")).into());
    }
    Ok(())
}

fn status(refusal: Refusal) -> Status {
    match refusal {
        Refusal::Registering => Status::aborted("the worker is registering just now; try again"),
        Refusal::WrongSession => {
            warn!("a call for another session or registration was refused; do workers share an address?");
            Status::failed_precondition("this worker is not that session, or has registered anew since")
        }
    }
}
