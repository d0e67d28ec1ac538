//! A coordinator that remembers what it was told and answers as it was asked to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use distrack_proto::v1::attempt_report::Event;
use distrack_proto::v1::coordinator_service_server::{CoordinatorService, CoordinatorServiceServer};
use distrack_proto::v1::{
    AttemptRef, DeregisterWorkerRequest, DeregisterWorkerResponse, Finished, HeartbeatRequest,
    HeartbeatResponse, Receipt, RegisterWorkerRequest, RegisterWorkerResponse, ReportAttemptsRequest,
    ReportAttemptsResponse,
};
use distrack_proto::{MAX_MESSAGE, convert};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

/// What it was told, and how it is to answer.
#[derive(Default)]
pub struct State {
    pub registrations: Vec<RegisterWorkerRequest>,
    pub heartbeats: Vec<HeartbeatRequest>,
    pub started: Vec<AttemptRef>,
    pub finished: Vec<(AttemptRef, Finished)>,
    pub deregistered: usize,
    /// The session it gives; the same for every worker.
    pub session: Uuid,
    pub attach: i64,
    pub kill: Vec<AttemptRef>,
    pub cancel: Vec<AttemptRef>,
    pub heartbeat_error: Option<Code>,
    pub report_error: Option<Code>,
    pub reports_hang: bool,
    pub receipts: HashMap<i64, Receipt>,
    pub report_calls: usize,
}

/// See the module. Ends when it is dropped.
pub struct Fake {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    served: JoinHandle<()>,
}

impl Fake {
    /// Starts one.
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// Starts one on `listener`.
    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { session: Uuid::now_v7(), ..State::default() }));
        let service = CoordinatorServiceServer::new(Service(Arc::clone(&state)))
            .max_decoding_message_size(MAX_MESSAGE);
        let served = Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener));
        let served = tokio::spawn(async move { served.await.unwrap() });
        Self { address, state, served }
    }

    /// What it was told, and how it is to answer.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The registration that it gave last.
    pub fn registration(&self) -> (prost::bytes::Bytes, i64) {
        let state = self.state();
        (convert::id_bytes(state.session), state.attach)
    }

    /// Waits for the result of an attempt.
    pub async fn result(&self, attempt: &AttemptRef) -> Finished {
        super::until("a result", || self.find(attempt).is_some()).await;
        self.find(attempt).unwrap()
    }

    /// The result of an attempt, if it came.
    pub fn find(&self, attempt: &AttemptRef) -> Option<Finished> {
        let state = self.state();
        state.finished.iter().find(|(of, _)| of == attempt).map(|(_, finished)| finished.clone())
    }

    /// Breaks every connection and takes no new one.
    pub async fn die(&mut self) {
        self.served.abort();
        let _ = (&mut self.served).await;
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.served.abort();
    }
}

struct Service(Arc<Mutex<State>>);

const HEARTBEAT_MS: u64 = 50;
const LOST_AFTER_MS: u64 = 3000;

#[tonic::async_trait]
impl CoordinatorService for Service {
    async fn register_worker(
        &self,
        request: Request<RegisterWorkerRequest>,
    ) -> Result<Response<RegisterWorkerResponse>, Status> {
        let mut state = self.0.lock().unwrap();
        state.registrations.push(request.into_inner());
        state.attach += 1;
        Ok(Response::new(RegisterWorkerResponse {
            session_id: convert::id_bytes(state.session),
            attach: state.attach,
            kill: std::mem::take(&mut state.kill),
            cancel: Vec::new(),
            heartbeat_interval_ms: HEARTBEAT_MS,
            lost_after_ms: LOST_AFTER_MS,
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
            lost_after_ms: LOST_AFTER_MS,
        }))
    }

    async fn report_attempts(
        &self,
        request: Request<ReportAttemptsRequest>,
    ) -> Result<Response<ReportAttemptsResponse>, Status> {
        let hang = self.0.lock().unwrap().reports_hang;
        if hang {
            std::future::pending::<()>().await;
        }
        let mut state = self.0.lock().unwrap();
        state.report_calls += 1;
        if let Some(code) = state.report_error {
            return Err(Status::new(code, "as asked"));
        }
        let mut receipts = Vec::new();
        for item in request.into_inner().items {
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
