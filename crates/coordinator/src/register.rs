//! A worker's registration: what it says is checked, its session opened and reconciled, and its place in
//! the fleet taken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distrack_core::{InstanceId, QueueName, WorkerId, new_task};
use distrack_proto::convert::{self, Invalid};
use distrack_proto::{MAX_MESSAGE, MAX_NAME_BYTES, MAX_QUEUES, MAX_SLOTS, v1};
use distrack_store::Registration;
use distrack_transport::{Peer, Reach, Role};
use tonic::transport::Endpoint;
use tonic::{Request, Status};
use tracing::info;

use crate::fleet::{Attached, Client, Pause};
use crate::{Coordinator, told};

/// How long a registration waits for the first sight of a current schema.
const SCHEMA_WITHIN: Duration = Duration::from_secs(2);

/// How long a registration waits for its turn. The worker would go elsewhere soon after.
const ADMITTED_WITHIN: Duration = Duration::from_secs(2);

pub(crate) async fn register(
    coordinator: &Coordinator,
    request: Request<v1::RegisterWorkerRequest>,
) -> Result<v1::RegisterWorkerResponse, Status> {
    let here = request.extensions().get::<Peer>().is_some_and(Peer::is_here);
    let reach = Reach::Worker { here };
    let registration = read(coordinator, request.into_inner())?;
    let client = client(coordinator, &registration.address, reach)?;
    let reached = coordinator.dialer.check(&registration.address, reach).await;
    reached.map_err(|refusal| Invalid::new("address", refusal))?;
    // A coordinator that has just started is about to see it: better a moment here than another round elsewhere.
    let seen = tokio::time::timeout(SCHEMA_WITHIN, coordinator.current.cancelled()).await;
    if seen.is_err() {
        return Err(Status::unavailable("the database has not been seen with a current schema yet"));
    }
    let leave = Arc::clone(&coordinator.admission).acquire_owned();
    let leave = tokio::time::timeout(ADMITTED_WITHIN, leave).await.map(Result::ok).ok().flatten();
    let leave = leave.ok_or_else(|| Status::unavailable("too many workers register at once; try again"))?;
    let (store, new) = (Arc::clone(&coordinator.store), registration.clone());
    let registered = Coordinator::with_leave(leave, async move { store.register(new).await }).await?;
    info!(
        session = %registered.session, worker = registration.name, address = registration.address,
        slots = registration.slots, held = registered.kept.len(), kill = registered.kill.len(),
        released = registered.released.attempts, lost = registered.lost.len(), "worker registered"
    );
    coordinator.metrics.gave_back(&registered.released);
    told::lost(coordinator, &registered.lost);
    coordinator.fleet.attach(
        registered.session,
        Attached {
            attach: registered.attach,
            name: registration.name,
            address: registration.address,
            queues: registration.queues,
            labels: registration.labels,
            slots: registration.slots as usize,
            held: registered.kept.iter().copied().collect(),
            cancel: registered.cancel.iter().copied().collect(),
            client,
            heard: Instant::now(),
            unsaved: false,
            busy: 0,
            draining: false,
            pause: Pause::default(),
        },
    );
    Ok(v1::RegisterWorkerResponse {
        session_id: convert::id_bytes(registered.session.as_uuid()),
        attach: registered.attach,
        kill: registered.kill.into_iter().map(Into::into).collect(),
        cancel: registered.cancel.into_iter().map(Into::into).collect(),
        heartbeat_interval_ms: millis(coordinator.settings.heartbeat_interval),
        lost_after_ms: millis(coordinator.settings.lost_after),
    })
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn read(coordinator: &Coordinator, request: v1::RegisterWorkerRequest) -> Result<Registration, Invalid> {
    if !(1..=MAX_SLOTS).contains(&request.slots) {
        return Err(Invalid::new("slots", format!("must be 1 to {MAX_SLOTS}")));
    }
    if request.queues.len() > MAX_QUEUES {
        return Err(Invalid::new("queues", format!("must be at most {MAX_QUEUES}")));
    }
    let queues = request
        .queues
        .into_iter()
        .map(|queue| queue.parse::<QueueName>().map_err(|message| Invalid::new("queues", message)))
        .collect::<Result<Vec<_>, _>>()?;
    if request.labels.len() > new_task::MAX_LABELS {
        return Err(Invalid::new("labels", format!("must be at most {}", new_task::MAX_LABELS)));
    }
    if let Some((key, _)) = request.labels.iter().find(|(key, value)| !new_task::is_label(key, value)) {
        return Err(Invalid::new("labels", format!("{key:?} or its value is too long, empty or has a NUL")));
    }
    Ok(Registration {
        worker: convert::id::<WorkerId>(&request.worker_id, "worker_id")?,
        instance: convert::id::<InstanceId>(&request.instance_id, "instance_id")?,
        sequence: request.sequence,
        name: text("name", request.name)?,
        host: text("host_id", request.host_id)?,
        address: text("address", request.address)?,
        coordinator: coordinator.id,
        slots: request.slots,
        queues: (!queues.is_empty()).then_some(queues),
        labels: request.labels.into_iter().collect(),
        version: text("version", request.version)?,
        // A worker older than this field does not say.
        isolation: match request.isolation.as_str() {
            "" => None,
            _ => Some(text("isolation", request.isolation)?),
        },
        held: convert::attempt_refs(&request.held)
            .map_err(|invalid| Invalid::new("held", invalid.to_string()))?,
        lost_after: coordinator.settings.lost_after,
    })
}

fn text(field: &'static str, text: String) -> Result<String, Invalid> {
    let good = (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.contains(char::is_control);
    if good {
        Ok(text)
    } else {
        Err(Invalid::new(field, format!("must be 1 to {MAX_NAME_BYTES} bytes of plain text")))
    }
}

/// A client that connects when it is first used, and again whenever the connection broke.
fn client(coordinator: &Coordinator, address: &str, reach: Reach) -> Result<Client, Invalid> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .ok()
        .filter(|endpoint| {
            endpoint.uri().host().is_some() && endpoint.uri().port_u16().is_some_and(|port| port > 0)
        })
        .ok_or_else(|| Invalid::new("address", "must be host:port"))?
        .connect_timeout(Duration::from_secs(2))
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(5));
    Ok(Client::new(coordinator.dialer.channel(&endpoint, Role::Worker, reach))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE))
}
