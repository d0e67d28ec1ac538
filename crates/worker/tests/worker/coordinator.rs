//! A coordinator that remembers what it was told and answers as it was asked to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use distrack_proto::v1::attempt_report::Event;
use distrack_proto::v1::coordinator_service_server::{CoordinatorService, CoordinatorServiceServer};
use distrack_proto::v1::{
    self, AttemptRef, DeregisterWorkerRequest, DeregisterWorkerResponse, Finished, HeartbeatRequest,
    HeartbeatResponse, Receipt, RegisterWorkerRequest, RegisterWorkerResponse, ReportAttemptsRequest,
    ReportAttemptsResponse,
};
use distrack_proto::{MAX_MESSAGE, convert};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

/// What it was told, and how it is to answer.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) registrations: Vec<RegisterWorkerRequest>,
    pub(crate) heartbeats: Vec<HeartbeatRequest>,
    pub(crate) started: Vec<AttemptRef>,
    pub(crate) finished: Vec<(AttemptRef, Finished)>,
    pub(crate) deregistered: usize,
    /// The session it gives; the same for every worker.
    pub(crate) session: Uuid,
    pub(crate) attach: i64,
    pub(crate) kill: Vec<AttemptRef>,
    pub(crate) cancel: Vec<AttemptRef>,
    pub(crate) heartbeat_error: Option<Code>,
    pub(crate) report_error: Option<Code>,
    /// Results in calls that failed by that; starts are not counted.
    pub(crate) results_refused: usize,
    /// Fails each call that has a report of an attempt of this epoch.
    pub(crate) poison: Option<(i64, Code)>,
    /// Results alone in a call that failed by that.
    pub(crate) poisoned: usize,
    /// Cannot read what a command printed.
    pub(crate) output_refused: bool,
    pub(crate) reports_hang: bool,
    /// Keeps answers to reports back.
    pub(crate) reports_wait: bool,
    /// Calls that came, answered or not.
    pub(crate) reports_begun: usize,
    /// Keeps answers to registrations back.
    pub(crate) registrations_hang: bool,
    pub(crate) receipts: HashMap<i64, Receipt>,
    pub(crate) report_calls: usize,
    /// The lease it gives, in milliseconds.
    pub(crate) lost_after_ms: u64,
}

/// See the module. Ends when it is dropped.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Its own, so that it can die with all its connections.
    runtime: Option<Runtime>,
}

impl Fake {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::on(std::net::TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Starts one on `listener`.
    pub(crate) fn on(listener: std::net::TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let state = Arc::new(Mutex::new(State {
            session: Uuid::now_v7(),
            lost_after_ms: LOST_AFTER_MS,
            ..State::default()
        }));
        let service =
            CoordinatorServiceServer::new(Service(Arc::clone(&state))).max_decoding_message_size(MAX_MESSAGE);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let incoming = TcpIncoming::from(TcpListener::from_std(listener).unwrap());
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, state, runtime: Some(runtime) }
    }

    /// What it was told, and how it is to answer.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The registration that it gave last.
    pub(crate) fn registration(&self) -> (Uuid, i64) {
        let state = self.state();
        (state.session, state.attach)
    }

    /// Waits for the result of an attempt.
    pub(crate) async fn result(&self, attempt: &AttemptRef) -> Finished {
        crate::common::until("a result", || self.find(attempt).is_some()).await;
        self.find(attempt).unwrap()
    }

    /// The result of an attempt, if it came.
    pub(crate) fn find(&self, attempt: &AttemptRef) -> Option<Finished> {
        let state = self.state();
        state.finished.iter().find(|(of, _)| of == attempt).map(|(_, finished)| finished.clone())
    }

    /// Breaks every connection and takes no new one.
    pub(crate) fn die(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.die();
    }
}

struct Service(Arc<Mutex<State>>);

const HEARTBEAT_MS: u64 = 50;
/// Long enough for a machine that is busy with other things.
const LOST_AFTER_MS: u64 = 30_000;

#[tonic::async_trait]
impl CoordinatorService for Service {
    async fn register_worker(
        &self,
        request: Request<RegisterWorkerRequest>,
    ) -> Result<Response<RegisterWorkerResponse>, Status> {
        self.0.lock().unwrap().registrations.push(request.into_inner());
        while self.0.lock().unwrap().registrations_hang {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut state = self.0.lock().unwrap();
        state.attach += 1;
        Ok(Response::new(RegisterWorkerResponse {
            session_id: convert::id_bytes(state.session),
            attach: state.attach,
            kill: std::mem::take(&mut state.kill),
            cancel: Vec::new(),
            heartbeat_interval_ms: HEARTBEAT_MS,
            lost_after_ms: state.lost_after_ms,
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let mut state = self.0.lock().unwrap();
        state.heartbeats.push(request.into_inner());
        if let Some(code) = state.heartbeat_error.take() {
            return Err(Status::new(code, "as asked"));
        }
        Ok(Response::new(HeartbeatResponse {
            cancel: state.cancel.clone(),
            heartbeat_interval_ms: HEARTBEAT_MS,
            lost_after_ms: state.lost_after_ms,
        }))
    }

    async fn report_attempts(
        &self,
        request: Request<ReportAttemptsRequest>,
    ) -> Result<Response<ReportAttemptsResponse>, Status> {
        self.0.lock().unwrap().reports_begun += 1;
        while self.0.lock().unwrap().reports_wait {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let hang = self.0.lock().unwrap().reports_hang;
        if hang {
            std::future::pending::<()>().await;
        }
        let mut state = self.0.lock().unwrap();
        state.report_calls += 1;
        if let Some(code) = state.report_error {
            let items = request.get_ref().items.iter();
            state.results_refused +=
                items.filter(|item| matches!(item.event, Some(Event::Finished(_)))).count();
            return Err(Status::new(code, "as asked"));
        }
        let items = request.into_inner().items;
        let has = |epoch| items.iter().any(|item| item.attempt.as_ref().unwrap().epoch == epoch);
        if let Some((_, code)) = state.poison.filter(|(epoch, _)| has(*epoch)) {
            let alone = matches!(&items[..], [item] if matches!(item.event, Some(Event::Finished(_))));
            state.poisoned += usize::from(alone);
            return Err(Status::new(code, "as asked"));
        }
        let prints = |item: &v1::AttemptReport| matches!(&item.event, Some(Event::Finished(finished)) if finished.stdout.is_some());
        if state.output_refused && items.iter().any(prints) {
            return Err(Status::invalid_argument("as asked"));
        }
        let mut receipts = Vec::new();
        for item in items {
            let attempt = item.attempt.unwrap();
            let receipt = state.receipts.get(&attempt.epoch).copied().unwrap_or(Receipt::Recorded);
            receipts.push(receipt.into());
            match item.event.unwrap() {
                Event::Started(_) => state.started.push(attempt),
                Event::Finished(finished) => state.finished.push((attempt, finished)),
            }
        }
        Ok(Response::new(ReportAttemptsResponse { receipts }))
    }

    async fn deregister_worker(
        &self,
        _request: Request<DeregisterWorkerRequest>,
    ) -> Result<Response<DeregisterWorkerResponse>, Status> {
        self.0.lock().unwrap().deregistered += 1;
        Ok(Response::new(DeregisterWorkerResponse {}))
    }
}
