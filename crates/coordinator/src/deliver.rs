//! Sending claimed attempts to their worker, until it is certain who has them.
//!
//! A worker that answers says so for each attempt. Without an answer the same epochs are sent again; only
//! what provably never arrived is given back, and only what is alone at fault is failed. After a few silent tries
//! the registration is dropped: the worker, if it lives, registers anew and says what it holds. What follows from an
//! answer is decided in [`distrack_core::protocol::dispatch`]; here it is done.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use distrack_core::protocol::dispatch::{self, Next, Sending};
use distrack_core::{AttemptRef, Secret, SessionId};
use distrack_proto::v1::{Acceptance, Assignment, DispatchRequest};
use distrack_proto::{MAX_BATCH, MAX_MESSAGE, convert};
use distrack_store::{Claimed, Slot};
use distrack_telemetry::{rpc, spans};
use tonic::{Code, Status};
use tracing::{debug, warn};

use crate::Coordinator;
use crate::fleet::Client;
use crate::told::{self, Traced};
use crate::unreadable;

/// How long one try may take.
const TRY_LIMIT: Duration = Duration::from_secs(5);
/// The wait for a worker that is registering.
const REGISTERING: Duration = Duration::from_millis(20);
/// The first pause of a worker that cannot be reached; doubled each time, up to `MAX_PAUSE`.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Attempts on their way to one session.
struct Delivery {
    session: SessionId,
    attach: i64,
    client: Client,
    worker: String,
    address: String,
    request: DispatchRequest,
    attempts: Vec<Traced>,
    /// When their claim was asked for: the instant at which the database says that they were picked.
    claimed: Instant,
    /// What is known of earlier tries.
    sending: Sending,
}

/// What a try brought.
enum Answer {
    /// One word for each attempt.
    Accepted(Vec<Acceptance>),
    /// It provably did not arrive at the session's worker.
    NotDelivered(Status),
    /// The worker is registering at this moment and took nothing.
    Later,
    /// The worker cannot read it and never will; it took nothing.
    Unreadable(Status),
    /// Nobody knows.
    Silent(Status),
}

/// Takes the slots of claimed attempts and sends them in the background.
///
/// Only to the registration that they were claimed for: a later one has given them back.
pub(crate) fn start(coordinator: &Arc<Coordinator>, slot: Slot, claimed: Vec<Claimed>, at: Instant) {
    let Slot { session, attach } = slot;
    for claimed in split(claimed) {
        let attempts: Vec<Traced> =
            claimed.iter().map(|claimed| told::claimed(coordinator, claimed)).collect();
        let assignments = claimed.into_iter().map(assignment).collect();
        let found = coordinator.fleet.with(session, attach, |attached| {
            attached.held.extend(attempts.iter().map(|traced| traced.attempt));
            (attached.client.clone(), attached.name.clone(), attached.address.clone())
        });
        let coordinator = Arc::clone(coordinator);
        let Some((client, worker, address)) = found else {
            // It left or registered anew between the look and the claim; nothing was sent.
            coordinator
                .deliveries
                .clone()
                .spawn(async move { give_back(&coordinator, session, refs(&attempts)).await });
            continue;
        };
        let request =
            DispatchRequest { session_id: convert::id_bytes(session.as_uuid()), attach, assignments };
        let delivery = Delivery {
            session,
            attach,
            client,
            worker,
            address,
            request,
            attempts,
            claimed: at,
            sending: Sending::default(),
        };
        coordinator.deliveries.clone().spawn(async move { deliver(&coordinator, delivery).await });
    }
}

fn refs(attempts: &[Traced]) -> Vec<AttemptRef> {
    attempts.iter().map(|traced| traced.attempt).collect()
}

fn assignment(claimed: Claimed) -> Assignment {
    Assignment {
        attempt: Some(claimed.attempt.into()),
        number: claimed.number,
        queue: claimed.queue.into(),
        command: Some(claimed.spec.into()),
        trace: Some(claimed.trace.into()),
    }
}

/// Batches that fit into one message.
fn split(claimed: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    let mut batches: Vec<Vec<Claimed>> = Vec::new();
    let mut bytes = 0;
    for claimed in claimed {
        let size = size_bound(&claimed);
        let full = bytes + size > MAX_MESSAGE / 2;
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && !full => {
                bytes += size;
                batch.push(claimed);
            }
            _ => {
                bytes = size;
                batches.push(vec![claimed]);
            }
        }
    }
    batches
}

fn size_bound(claimed: &Claimed) -> usize {
    let spec = &claimed.spec;
    let env: usize = spec.env.iter().map(|(name, value)| name.len() + value.len() + 16).sum();
    let secret = |(name, secret): (&String, &Secret)| name.len() + secret.expose().len() + 16;
    let secrets: usize = spec.env_secret.iter().map(secret).sum();
    spec.program.to_string().len() * 2 + env + secrets + 1024
}

async fn deliver(coordinator: &Coordinator, mut delivery: Delivery) {
    while coordinator.fleet.with(delivery.session, delivery.attach, |_| ()).is_some() {
        let answer = delivery.attempt(coordinator).await;
        let next = delivery.sending.hear(answer.kind());
        match (next, answer) {
            (Next::Settled, Answer::Accepted(acceptances)) => {
                let trace = delivery.attempts.first().map(|traced| &traced.trace);
                let trace = told::exemplar(&coordinator.traces, trace);
                let took = delivery.claimed.elapsed();
                coordinator.metrics.dispatch_seconds.observe_traced(took.as_secs_f64(), trace);
                return accepted(coordinator, delivery, acceptances).await;
            }
            (Next::Separate, Answer::Unreadable(status)) => {
                return unread(coordinator, delivery, &status).await;
            }
            (Next::GiveBack, Answer::NotDelivered(status)) => {
                delivery.all_came_to(coordinator, "not_delivered");
                pause(coordinator, &delivery, &status);
                return give_back(coordinator, delivery.session, refs(&delivery.attempts)).await;
            }
            (Next::Renounce, Answer::NotDelivered(status) | Answer::Silent(status)) => {
                unanswered(&delivery, &status);
                delivery.all_came_to(coordinator, "unanswered");
                pause(coordinator, &delivery, &status);
                // Registering anew tells which of these attempts it holds.
                coordinator.fleet.detach(delivery.session, delivery.attach);
                return;
            }
            (Next::Again, Answer::NotDelivered(status) | Answer::Silent(status)) => {
                unanswered(&delivery, &status);
                let pause = Duration::from_millis(200) * delivery.sending.tries();
                if coordinator.wait(pause).await.is_stopping() {
                    break;
                }
            }
            // Only a worker that is registering is left.
            _ => {
                if coordinator.wait(REGISTERING).await.is_stopping() {
                    break;
                }
            }
        }
    }
    if delivery.sending.break_off() == Next::GiveBack {
        delivery.all_came_to(coordinator, "not_delivered");
        give_back(coordinator, delivery.session, refs(&delivery.attempts)).await;
    } else {
        // The worker's next registration tells.
        delivery.all_came_to(coordinator, "unanswered");
    }
}

fn unanswered(delivery: &Delivery, status: &Status) {
    debug!(worker = delivery.worker, error = %status, "dispatch unanswered");
}

impl Answer {
    fn kind(&self) -> dispatch::Answer {
        match self {
            Self::Accepted(_) => dispatch::Answer::Accepted,
            Self::NotDelivered(_) => dispatch::Answer::NotDelivered,
            Self::Later => dispatch::Answer::Later,
            Self::Unreadable(_) => dispatch::Answer::Unreadable,
            Self::Silent(_) => dispatch::Answer::Silent,
        }
    }
}

impl Delivery {
    fn halve(mut self) -> (Self, Self) {
        let middle = self.attempts.len() / 2;
        let other = Self {
            session: self.session,
            attach: self.attach,
            client: self.client.clone(),
            worker: self.worker.clone(),
            address: self.address.clone(),
            claimed: self.claimed,
            attempts: self.attempts.split_off(middle),
            request: DispatchRequest {
                assignments: self.request.assignments.split_off(middle),
                ..self.request.clone()
            },
            sending: self.sending,
        };
        (self, other)
    }

    /// Counts what became of an attempt, and records its span.
    fn came_to(&self, coordinator: &Coordinator, traced: &Traced, result: &'static str, took: Duration) {
        coordinator.metrics.dispatched(result, 1);
        let above = traced.waited(&coordinator.traces);
        let dispatch = spans::Dispatch {
            about: traced.about(),
            above: &above,
            worker: &self.worker,
            address: &self.address,
            result,
        };
        let picked_at = SystemTime::from(traced.picked_at);
        let between = (picked_at, picked_at + took);
        spans::dispatch(&coordinator.traces, &traced.trace, &dispatch, between);
    }

    fn all_came_to(&self, coordinator: &Coordinator, result: &'static str) {
        let took = self.claimed.elapsed();
        self.attempts.iter().for_each(|traced| self.came_to(coordinator, traced, result, took));
    }

    async fn attempt(&mut self, coordinator: &Coordinator) -> Answer {
        let first = self.attempts.first().map(|traced| &traced.trace);
        let trace = told::exemplar(&coordinator.traces, first);
        let call = self.client.dispatch(rpc::within(self.request.clone(), first));
        let call = coordinator.calls.observe_traced("distrack.v1.WorkerService/Dispatch", trace, call);
        let answer = match tokio::time::timeout(TRY_LIMIT, call).await {
            Ok(answer) => answer,
            Err(_) => return Answer::Silent(Status::deadline_exceeded("no answer in time")),
        };
        match answer {
            Ok(response) => {
                let acceptances: Vec<_> = response.into_inner().acceptances().collect();
                let known = !acceptances.contains(&Acceptance::Unspecified);
                if known && acceptances.len() == self.attempts.len() {
                    Answer::Accepted(acceptances)
                } else {
                    Answer::Silent(Status::internal("the answer does not match the request"))
                }
            }
            Err(status) if never_connected(&status) || refuses_all(&status) => Answer::NotDelivered(status),
            Err(status) if status.code() == Code::Aborted => Answer::Later,
            Err(status) if matches!(status.code(), Code::InvalidArgument | Code::OutOfRange) => {
                Answer::Unreadable(status)
            }
            Err(status) => Answer::Silent(status),
        }
    }
}

/// Whether a call was refused before anything of it was read: for the session that it names, for the credentials of who
/// calls, or because whoever answers is no worker at all.
fn refuses_all(status: &Status) -> bool {
    use Code::{FailedPrecondition, PermissionDenied, Unauthenticated, Unimplemented};
    matches!(status.code(), FailedPrecondition | PermissionDenied | Unauthenticated | Unimplemented)
}

/// Whether the request never left because there was no connection.
fn never_connected(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

async fn accepted(coordinator: &Coordinator, delivery: Delivery, acceptances: Vec<Acceptance>) {
    let took = delivery.claimed.elapsed();
    let mut refused: Vec<AttemptRef> = Vec::new();
    for (traced, acceptance) in delivery.attempts.iter().zip(&acceptances) {
        let result = match acceptance {
            // The worker may have had it from an earlier try, whose answer was lost.
            Acceptance::Accepted if delivery.sending.maybe_sent() => "duplicate",
            Acceptance::Accepted => "accepted",
            Acceptance::NoSlot | Acceptance::Draining | Acceptance::Unspecified => "refused",
        };
        if heard(*acceptance).gives_back() {
            refused.push(traced.attempt);
        }
        delivery.came_to(coordinator, traced, result, took);
    }
    let draining = acceptances.contains(&Acceptance::Draining);
    coordinator.fleet.with(delivery.session, delivery.attach, |attached| {
        attached.pause.failures = 0;
        attached.draining |= draining;
        if !refused.is_empty() {
            // Its count of free slots differs from ours for a moment.
            attached.pause.until = Some(Instant::now() + Duration::from_millis(100));
        }
    });
    if !refused.is_empty() {
        give_back(coordinator, delivery.session, refused).await;
    }
}

/// The worker's word. One that is unknown has been sorted out before.
fn heard(acceptance: Acceptance) -> dispatch::Acceptance {
    match acceptance {
        Acceptance::Accepted => dispatch::Acceptance::Accepted,
        Acceptance::Draining => dispatch::Acceptance::Draining,
        Acceptance::NoSlot | Acceptance::Unspecified => dispatch::Acceptance::NoSlot,
    }
}

/// Claims nothing for a worker that cannot be reached, for longer each time.
fn pause(coordinator: &Coordinator, delivery: &Delivery, status: &Status) {
    coordinator.fleet.with(delivery.session, delivery.attach, |attached| {
        let failures = attached.pause.failures;
        let pause = PAUSE.saturating_mul(1 << failures.min(10)).min(MAX_PAUSE);
        attached.pause.failures = failures.saturating_add(1);
        attached.pause.until = Some(Instant::now() + pause);
        let hint = if status.code() == Code::FailedPrecondition {
            "another process answers at this address, or the worker has just moved to another coordinator"
        } else if status.code() == Code::Unimplemented {
            "what answers at this address is no worker"
        } else if matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied) {
            "it does not know this coordinator: have both the cluster's token and certificates of one authority?"
        } else {
            "cannot be reached"
        };
        warn!(worker = attached.name, address = attached.address, error = %status, hint, "dispatch failed");
    });
}

/// Gives attempts back that no worker holds. Retried until the store has heard it: nobody else will.
async fn give_back(coordinator: &Coordinator, session: SessionId, attempts: Vec<AttemptRef>) {
    coordinator.fleet.vacate(session, &attempts);
    loop {
        match coordinator.store.release(attempts.clone()).await {
            Ok(released) => return coordinator.metrics.gave_back(&released),
            Err(error) => warn!(%error, attempts = attempts.len(), "cannot give attempts back"),
        }
        if coordinator.wait(Duration::from_secs(1)).await.is_stopping() {
            return;
        }
    }
}

/// Finds the attempt that the worker cannot read, by halves, and fails it; the others go their way.
async fn unread(coordinator: &Coordinator, delivery: Delivery, status: &Status) {
    if delivery.attempts.len() > 1 {
        let (one, other) = delivery.halve();
        tokio::join!(Box::pin(deliver(coordinator, one)), Box::pin(deliver(coordinator, other)));
        return;
    }
    for traced in &delivery.attempts {
        warn!(
            task_id = %traced.attempt.task, attempt = traced.number, trace_id = %traced.trace.trace_id,
            worker = delivery.worker, error = %status, "an assignment was refused as unreadable"
        );
    }
    delivery.all_came_to(coordinator, "unreadable");
    let attempts = refs(&delivery.attempts);
    coordinator.fleet.vacate(delivery.session, &attempts);
    for attempt in attempts {
        let reason = format!("the worker refused the assignment: {}", status.message());
        unreadable::end(coordinator, attempt, reason).await;
    }
}
