//! Keeps this worker registered with one coordinator of its list, for ever: registers, heartbeats, and
//! moves to the next one when it gets no answer. Commands go on whatever happens here, and no heartbeat
//! waits for anything but the network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use distrack_core::AttemptRef;
use distrack_proto::convert;
use distrack_proto::v1::{self, HeartbeatRequest, HeartbeatResponse, RegisterWorkerRequest};
use distrack_telemetry::rpc::ClientCalls;
use distrack_transport::{Dialer, Reach, Role};
use rand::seq::SliceRandom;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tracing::{debug, info, warn};

use crate::address::advertised;
use crate::attachment::{Attached, Attachment, Client, client};
use crate::clock::Moment;
use crate::held::{Held, Registration};
use crate::identity::{Identity, host_name};
use crate::lease::Lease;
use crate::stop::Stop;
use crate::{ServeError, Settings};

const REGISTER: &str = "distrack.v1.CoordinatorService/RegisterWorker";
const HEARTBEAT: &str = "distrack.v1.CoordinatorService/Heartbeat";
/// How long a registration may take: it reconciles.
const REGISTER_WITHIN: Duration = Duration::from_secs(5);
/// How long a heartbeat may take.
const HEARTBEAT_WITHIN: Duration = Duration::from_secs(3);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The pauses between rounds through a list where nobody answers.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// What a server's figures are held to.
const LEAST_INTERVAL: Duration = Duration::from_millis(20);

/// A coordinator of the list.
#[derive(Clone, Debug)]
pub(crate) struct Coordinator {
    /// As the settings name it.
    pub(crate) name: String,
    endpoint: Endpoint,
}

impl Coordinator {
    /// Reads `host:port`.
    pub(crate) fn parse(address: &str) -> Result<Self, ServeError> {
        let bad = || ServeError::Coordinator { address: address.to_owned() };
        let uri = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let endpoint = Endpoint::from_shared(uri).map_err(|_| bad())?;
        if endpoint.uri().host().is_none() || endpoint.uri().port().is_none() {
            return Err(bad());
        }
        Ok(Self { name: address.to_owned(), endpoint })
    }

    /// The way to one machine of those that the name stands for, whichever answers: all calls of a registration must
    /// reach the same coordinator, and the workers of a fleet spread over all of them.
    async fn one(&self, dialer: &Dialer) -> Result<Endpoint, Status> {
        let refused = |error: &dyn std::fmt::Display| Status::unavailable(format!("cannot connect: {error}"));
        let found = timeout(CONNECT_WITHIN, dialer.resolve(target(self))).await;
        let found = found.map_err(|_| refused(&"its name is not found in time"))?;
        let mut addresses = found.map_err(|error| refused(&error))?;
        addresses.shuffle(&mut rand::rng());
        let mut last = refused(&"its name has no address");
        for address in addresses {
            match timeout(CONNECT_WITHIN, dialer.probe(address)).await {
                Ok(Ok(())) => return self.at(address),
                Ok(Err(error)) => last = refused(&error),
                Err(_) => last = refused(&"no answer"),
            }
        }
        Err(last)
    }

    fn at(&self, address: SocketAddr) -> Result<Endpoint, Status> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let endpoint = endpoint.map_err(|error| Status::internal(error.to_string()))?;
        Ok(endpoint
            .origin(self.endpoint.uri().clone())
            .connect_timeout(CONNECT_WITHIN)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true))
    }
}

/// What registers.
#[derive(Debug)]
pub(crate) struct Attach {
    /// Who it is.
    pub(crate) request: RegisterWorkerRequest,
    /// How often it has registered, or tried to.
    pub(crate) registrations: AtomicU64,
    /// With whom.
    pub(crate) coordinators: Vec<Coordinator>,
    /// The host to advertise, if it was set.
    pub(crate) advertise_host: Option<String>,
    /// Where the worker listens.
    pub(crate) bound: SocketAddr,
    /// How it reaches them.
    pub(crate) dialer: Dialer,
    /// What it holds.
    pub(crate) held: Arc<Held>,
    /// Who is told.
    pub(crate) attachment: Attachment,
    /// Runs from what a coordinator acknowledged.
    pub(crate) lease: Lease,
    /// Measures the calls.
    pub(crate) calls: ClientCalls,
    /// Fires when the worker drains: coordinators are told at once.
    pub(crate) draining: CancellationToken,
}

/// A registration as its keeper sees it.
#[derive(Debug)]
struct Registered {
    registration: Registration,
    interval: Duration,
    lost_after: Duration,
    /// A connection that carries nothing else.
    client: Client,
}

/// Why a registration ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// The coordinator no longer knows it.
    Unknown,
    /// The coordinator does not answer.
    Silent,
    /// It no longer says what is held.
    Renewed,
}

/// What never changes of a registration.
pub(crate) fn presentation(
    settings: &Settings,
    identity: &Identity,
    isolation: String,
) -> RegisterWorkerRequest {
    RegisterWorkerRequest {
        worker_id: convert::id_bytes(identity.worker.as_uuid()),
        instance_id: convert::id_bytes(identity.instance.as_uuid()),
        name: settings.name.clone().unwrap_or_else(host_name),
        host_id: identity.host.clone(),
        slots: settings.slots,
        queues: settings.queues.iter().flatten().map(ToString::to_string).collect(),
        labels: settings.labels.clone().into_iter().collect(),
        version: settings.version.clone(),
        isolation,
        ..RegisterWorkerRequest::default()
    }
}

impl Attach {
    /// Stays registered until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let () = stop.run_until_cancelled(Box::pin(self.forever())).await.unwrap_or_default();
    }

    async fn forever(&self) {
        let mut turn = 0;
        let mut failures = 0_usize;
        let mut last_pause = LAST_PAUSE;
        loop {
            let coordinator = &self.coordinators[turn % self.coordinators.len()];
            match self.register(coordinator).await {
                Ok(registered) => {
                    (failures, last_pause) = (0, (registered.lost_after / 4).clamp(FIRST_PAUSE, LAST_PAUSE));
                    let ended = self.keep(registered).await;
                    info!(coordinator = coordinator.name, ?ended, "registration ended, registering anew");
                    turn += usize::from(ended == Ended::Silent);
                }
                Err(status) => {
                    turn += 1;
                    failures += 1;
                    if failures == 1 || status.code() == Code::AlreadyExists {
                        warn!(coordinator = coordinator.name, code = ?status.code(),
                            error = status.message(), "registration failed, trying on");
                    } else {
                        debug!(coordinator = coordinator.name, code = ?status.code(),
                            error = status.message(), "registration failed");
                    }
                    if failures.is_multiple_of(self.coordinators.len()) {
                        sleep(pause(failures / self.coordinators.len(), last_pause)).await;
                    }
                }
            }
        }
    }

    async fn register(&self, coordinator: &Coordinator) -> Result<Registered, Status> {
        // From here on it is attached to nobody, whether or not the coordinator's name stands for anything.
        self.attachment.set(None);
        let endpoint = coordinator.one(&self.dialer).await?;
        let host = self.advertise_host.as_deref();
        let address = advertised(&self.dialer, host, self.bound, target(coordinator)).await;
        let sequence = self.registrations.fetch_add(1, Ordering::Relaxed) + 1;
        let mut request = RegisterWorkerRequest { address, sequence, ..self.request.clone() };
        request.held = self.held.begin_registration().into_iter().map(Into::into).collect();
        let mut own = client(self.dialer.channel(&endpoint, Role::Coordinator, Reach::Anywhere));
        let address = request.address.clone();
        let sent = Moment::now();
        let call = self.calls.observe(REGISTER, own.register_worker(request));
        let call = timeout(REGISTER_WITHIN, call).await;
        let answer = call.map_err(|_| Status::deadline_exceeded("no answer"))??.into_inner();
        let bad = |invalid: convert::Invalid| Status::internal(invalid.to_string());
        let session = convert::id(&answer.session_id, "session_id").map_err(bad)?;
        let registration = Registration { session, attach: answer.attach };
        let lost_after = Duration::from_millis(answer.lost_after_ms);
        self.lease.acknowledged(sent, lost_after);
        // Before anything new is taken: what is to end makes room.
        self.held.stop(refs(&answer.kill)?, Stop::Superseded);
        self.held.stop(refs(&answer.cancel)?, Stop::Cancelled);
        self.held.registered(registration);
        self.attachment.set(Some(Attached {
            registration,
            coordinator: coordinator.name.clone(),
            client: client(self.dialer.channel(&endpoint, Role::Coordinator, Reach::Anywhere)),
        }));
        info!(coordinator = coordinator.name, session_id = %session, attach = answer.attach, address,
            killed = answer.kill.len(), "registered");
        let interval = interval(answer.heartbeat_interval_ms);
        Ok(Registered { registration, interval, lost_after, client: own })
    }

    /// Heartbeats until the registration ends.
    async fn keep(&self, mut registered: Registered) -> Ended {
        let mut said_draining = false;
        let mut last = Instant::now();
        loop {
            let next = last + registered.interval.mul_f64(rand::random_range(0.8..1.2));
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.draining.cancelled(), if !said_draining => {}
                () = self.attachment.doubted() => {}
                () = self.attachment.renewal() => return Ended::Renewed,
            }
            last = Instant::now();
            let sent = Moment::now();
            let draining = self.held.is_draining();
            match self.heartbeat(&mut registered, draining).await {
                Ok(answer) => {
                    said_draining |= draining;
                    registered.interval = interval(answer.heartbeat_interval_ms);
                    registered.lost_after = Duration::from_millis(answer.lost_after_ms);
                    self.lease.acknowledged(sent, registered.lost_after);
                }
                Err(status) if matches!(status.code(), Code::NotFound | Code::FailedPrecondition) => {
                    return Ended::Unknown;
                }
                Err(status) => {
                    warn!(code = ?status.code(), error = status.message(), "heartbeat failed");
                    return Ended::Silent;
                }
            }
        }
    }

    async fn heartbeat(
        &self,
        registered: &mut Registered,
        draining: bool,
    ) -> Result<HeartbeatResponse, Status> {
        let busy = self.held.counts().borrow().running;
        let request = HeartbeatRequest {
            session_id: convert::id_bytes(registered.registration.session.as_uuid()),
            attach: registered.registration.attach,
            busy: u32::try_from(busy).unwrap_or(u32::MAX),
            draining,
        };
        // There must be time to ask somebody else before the lease ends.
        let within = (registered.lost_after / 3).clamp(Duration::from_millis(100), HEARTBEAT_WITHIN);
        let call = self.calls.observe(HEARTBEAT, registered.client.heartbeat(request));
        let call = timeout(within, call).await;
        let answer = call.map_err(|_| Status::deadline_exceeded("no answer"))??.into_inner();
        self.held.stop(refs(&answer.cancel)?, Stop::Cancelled);
        Ok(answer)
    }
}

fn refs(wire: &[v1::AttemptRef]) -> Result<Vec<AttemptRef>, Status> {
    convert::attempt_refs(wire).map_err(|invalid| Status::internal(invalid.to_string()))
}

fn interval(ms: u64) -> Duration {
    Duration::from_millis(ms).max(LEAST_INTERVAL)
}

/// The coordinator as `host:port`.
fn target(coordinator: &Coordinator) -> &str {
    coordinator.endpoint.uri().authority().map_or("", |authority| authority.as_str())
}

/// The pause after a `round` (from 1) in which nobody answered: anything up to the most, so that a fleet that lost its
/// coordinator at one moment does not come back at one. `last` is the longest: whoever was registered is to be heard
/// well within a lease that begins when the coordinators are back.
fn pause(round: usize, last: Duration) -> Duration {
    most_pause(round, last).mul_f64(rand::random_range(0.0..1.0))
}

fn most_pause(round: usize, last: Duration) -> Duration {
    let doublings = u32::try_from(round.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (FIRST_PAUSE * 2_u32.pow(doublings)).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinator_is_named_by_host_and_port() {
        for good in ["localhost:8080", "10.0.0.1:1", "[::1]:8080", "http://coordinator:8080"] {
            assert!(Coordinator::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost", "a b:1", "host:port"] {
            assert!(matches!(Coordinator::parse(bad), Err(ServeError::Coordinator { .. })), "{bad}");
        }
    }

    #[test]
    fn pauses_grow_and_stay_within_bounds_and_are_spread_over_all_of_it() {
        assert_eq!(most_pause(1, LAST_PAUSE), FIRST_PAUSE);
        assert!(most_pause(4, LAST_PAUSE) > FIRST_PAUSE);
        assert_eq!(most_pause(1_000_000, LAST_PAUSE), LAST_PAUSE);
        assert_eq!(most_pause(1_000_000, FIRST_PAUSE), FIRST_PAUSE);
        let pauses: Vec<_> = (0..1000).map(|_| pause(1_000_000, LAST_PAUSE)).collect();
        assert!(pauses.iter().all(|pause| *pause <= LAST_PAUSE));
        assert!(pauses.iter().any(|pause| *pause < LAST_PAUSE / 4));
        assert!(pauses.iter().any(|pause| *pause > LAST_PAUSE / 4 * 3));
    }
}
