//! What workers call: decode, act, encode.

use std::sync::Arc;
use std::time::Duration;

use distrack_core::{AttemptRef, SessionId, TraceContext};
use distrack_proto::convert::{self, Invalid};
use distrack_proto::v1::coordinator_service_server::CoordinatorService;
use distrack_proto::{MAX_BATCH, v1};
use distrack_store::{AttemptEvent, AttemptReport};
use tonic::{Request, Response, Status};
use tracing::info;

use crate::fleet::Heard;
use crate::{Coordinator, register, status, told};

/// `distrack.v1.CoordinatorService`.
pub(crate) struct Service {
    coordinator: Arc<Coordinator>,
}

impl Service {
    pub(crate) fn new(coordinator: Arc<Coordinator>) -> Self {
        Self { coordinator }
    }
}

#[tonic::async_trait]
impl CoordinatorService for Service {
    async fn register_worker(
        &self,
        request: Request<v1::RegisterWorkerRequest>,
    ) -> Result<Response<v1::RegisterWorkerResponse>, Status> {
        register::register(&self.coordinator, request).await.map(Response::new)
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let request = request.into_inner();
        let session: SessionId = convert::id(&request.session_id, "session_id")?;
        let late_after = self.coordinator.late_after();
        let fleet = &self.coordinator.fleet;
        let heard = fleet.heard(session, request.attach, request.busy, request.draining, late_after);
        let Some(Heard { gap, cancel }) = heard else {
            return Err(Status::not_found("no such session here: register again"));
        };
        self.coordinator.metrics.heartbeat(gap);
        if self.coordinator.renewals.overdue(self.coordinator.overdue_after()) {
            // It is told to go where its lease can be renewed while there is time.
            return Err(Status::unavailable("the database does not answer this coordinator"));
        }
        let settings = &self.coordinator.settings;
        Ok(Response::new(v1::HeartbeatResponse {
            cancel: cancel.into_iter().map(Into::into).collect(),
            heartbeat_interval_ms: register::millis(settings.heartbeat_interval),
            lost_after_ms: register::millis(settings.lost_after),
        }))
    }

    async fn report_attempts(
        &self,
        request: Request<v1::ReportAttemptsRequest>,
    ) -> Result<Response<v1::ReportAttemptsResponse>, Status> {
        let request = request.into_inner();
        let session: SessionId = convert::id(&request.session_id, "session_id")?;
        if request.items.len() > MAX_BATCH {
            return Err(Invalid::new("items", format!("must be at most {MAX_BATCH}")).into());
        }
        let reports =
            request.items.iter().map(|item| report(session, item)).collect::<Result<Vec<_>, _>>()?;
        let executed = request.items.iter().filter_map(executed).collect();
        // The worker's slot is free now, whenever the result is stored.
        let ended: Vec<AttemptRef> =
            reports.iter().filter(|report| is_end(&report.event)).map(|r| r.attempt).collect();
        if !ended.is_empty() {
            self.coordinator.fleet.vacate(session, &ended);
        }
        let receipts = self
            .coordinator
            .recorder
            .record(reports, executed)
            .await
            .map_err(|error| status::of_store(&error))?;
        if !ended.is_empty() {
            // Again, for a registration that read the database before and came here after the first time.
            self.coordinator.fleet.vacate(session, &ended);
        }
        let receipts = receipts.into_iter().map(|receipt| receipt_of(receipt).into()).collect();
        Ok(Response::new(v1::ReportAttemptsResponse { receipts }))
    }

    async fn deregister_worker(
        &self,
        request: Request<v1::DeregisterWorkerRequest>,
    ) -> Result<Response<v1::DeregisterWorkerResponse>, Status> {
        let session: SessionId = convert::id(&request.into_inner().session_id, "session_id")?;
        // A worker that stops is not turned away: it would wait for its lease to end instead.
        let leave = Arc::clone(&self.coordinator.admission).acquire_owned().await;
        let leave = leave.map_err(|_| Status::unavailable("the coordinator stops"))?;
        let store = Arc::clone(&self.coordinator.store);
        let lost = Coordinator::with_leave(leave, async move { store.deregister(session).await }).await?;
        told::lost(&self.coordinator, &lost);
        let known =
            self.coordinator.fleet.with_session(session, |attached| (attached.attach, attached.name.clone()));
        if let Some((attach, worker)) = known {
            self.coordinator.fleet.detach(session, attach);
            info!(%session, worker, "worker deregistered");
        }
        Ok(Response::new(v1::DeregisterWorkerResponse {}))
    }
}

/// Where the worker's own span of an attempt is that ended; nowhere, if that cannot be read.
fn executed(item: &v1::AttemptReport) -> Option<(AttemptRef, TraceContext)> {
    let trace = item.trace.as_ref()?;
    let trace = TraceContext::parse(&trace.traceparent, Some(&trace.tracestate))?;
    Some((convert::attempt_ref(item.attempt.as_ref()).ok()?, trace))
}

fn is_end(event: &AttemptEvent) -> bool {
    match event {
        AttemptEvent::Started { .. } => false,
        AttemptEvent::Finished { .. } => true,
    }
}

fn report(session: SessionId, item: &v1::AttemptReport) -> Result<AttemptReport, Invalid> {
    let attempt = convert::attempt_ref(item.attempt.as_ref())?;
    let event = match item.event.as_ref().ok_or_else(|| Invalid::new("items.event", "is missing"))? {
        v1::attempt_report::Event::Started(started) => {
            AttemptEvent::Started { ago: Duration::from_micros(started.ago_us) }
        }
        v1::attempt_report::Event::Finished(finished) => AttemptEvent::Finished {
            ago: Duration::from_micros(finished.ago_us),
            ran: finished.ran_us.map(Duration::from_micros),
            outcome: convert::outcome(finished)?,
            output: convert::output(finished)?,
        },
    };
    Ok(AttemptReport { attempt, session: Some(session), jitter: rand::random(), event })
}

fn receipt_of(receipt: distrack_store::Receipt) -> v1::Receipt {
    match receipt {
        distrack_store::Receipt::Recorded => v1::Receipt::Recorded,
        distrack_store::Receipt::Duplicate => v1::Receipt::Duplicate,
        distrack_store::Receipt::Stale => v1::Receipt::Stale,
    }
}
