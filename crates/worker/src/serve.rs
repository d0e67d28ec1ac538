//! Puts a worker together, lets it run, and takes it down again: the drain.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use distrack_proto::convert;
use distrack_proto::v1::DeregisterWorkerRequest;
use distrack_telemetry::rpc::{ClientCalls, ServerLayer};
use distrack_telemetry::{Metrics, Readiness, Traces};
use distrack_transport::Transport;
use prometheus::IntGauge;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tracing::{error, info, warn};

use crate::attach::{Attach, Coordinator, presentation};
use crate::attachment::{Attached, Attachment};
use crate::execute::Execute;
use crate::held::{Counts, Held};
use crate::identity::Identity;
use crate::isolation::Isolation;
use crate::lease::Lease;
use crate::metrics::Instruments;
use crate::oom::OomWatch;
use crate::output_file::OutputDir;
use crate::own_peak::OwnPeak;
use crate::process::Spawner;
use crate::report::{Delivery, Reporter};
use crate::run::Runner;
use crate::service::{self, SERVICE, Service};
use crate::spool::Spool;
use crate::stop::Stop;
use crate::traced::Teller;
use crate::{OnDisconnect, ServeError, Settings, Shutdown, descriptors, hardening, leftovers, orphans};

/// How long after its end a command's children may keep its outputs open.
const DRAIN_FOR: Duration = Duration::from_secs(2);
/// How long interrupted commands may take to be gone, beyond their grace.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// How long the last results may take to be delivered; the spool keeps the rest.
const DELIVERED_WITHIN: Duration = Duration::from_secs(10);
const DEREGISTERED_WITHIN: Duration = Duration::from_secs(3);
/// How long killed commands may take to be gone when the worker is to end now.
const KILLED_WITHIN: Duration = Duration::from_secs(1);
const CALLS_END_WITHIN: Duration = Duration::from_secs(2);
const SPOOL_CLOSES_WITHIN: Duration = Duration::from_secs(10);

/// Runs a worker behind `transport` until `shutdown`, then drains it.
///
/// It is ready while it is registered with a coordinator. It waits for coordinators for ever and never ends
/// for want of one. On `shutdown` it takes no new work, lets commands run for `drain_timeout`, then stops
/// the rest and reports them interrupted; results that nobody takes stay in the state directory. Told to end
/// now, it kills what runs and leaves.
///
/// # Errors
/// When the settings cannot work, a directory cannot be used, or the listener fails.
pub async fn serve(
    transport: impl Into<Transport>,
    settings: Settings,
    metrics: Metrics,
    traces: Traces,
    readiness: Readiness,
    shutdown: impl Into<Shutdown>,
) -> Result<(), ServeError> {
    let worker = Worker::start(transport.into(), settings, &metrics, traces, readiness)?;
    worker.run(shutdown.into()).await
}

/// The parts of a running worker.
struct Worker {
    settings: Settings,
    identity: Identity,
    held: Arc<Held>,
    attachment: Attachment,
    calls: ClientCalls,
    draining: CancellationToken,
    stop_loops: CancellationToken,
    stop_server: CancellationToken,
    spool: crate::spool::SpoolThread,
    loops: JoinSet<()>,
    server: JoinSet<Result<(), ServeError>>,
}

impl Worker {
    fn start(
        transport: Transport,
        settings: Settings,
        metrics: &Metrics,
        traces: Traces,
        readiness: Readiness,
    ) -> Result<Self, ServeError> {
        settings.check()?;
        descriptors::raise(settings.slots);
        hardening::process();
        let coordinators: Vec<_> = settings
            .coordinators
            .iter()
            .map(|address| Coordinator::parse(address))
            .collect::<Result<_, _>>()?;
        let bound = transport.local_addr().map_err(|error| ServeError::Server(error.into()))?;
        let open = if settings.state_dir_numbered { Identity::first_free } else { Identity::open };
        let identity = open(&settings.state_dir)?;
        let output_dir = OutputDir::open(&settings.output_dir)
            .map_err(|source| ServeError::OutputDir { path: settings.output_dir.clone(), source })?;
        let mark = leftovers::mark(&identity);
        let isolation = Isolation::start(
            &settings.isolation,
            &mark,
            settings.child_env.get("PATH").map(String::as_str),
            &[("state_dir", &identity.dir), ("output_dir", &settings.output_dir)],
        )?;
        let isolation = Arc::new(isolation);
        let instruments = Instruments::new(metrics);
        if settings.adopt_orphans {
            orphans::adopt(instruments.escaped.clone());
        }
        let calls = ClientCalls::new(metrics);
        let measure = ServerLayer::new(metrics, &service::METHODS);
        let held = Arc::new(Held::new(settings.slots, instruments.clone()));
        let attachment = Attachment::none();
        // Bounded all the same: a result is in the spool first, and with a full spool no work is taken; no attempt has
        // more than one start and one result.
        let (items, inbox) = mpsc::unbounded_channel();
        let spool_dir = identity.dir.join("spool");
        let (spool, spool_thread, undelivered) = Spool::open(
            &spool_dir,
            settings.commands.is_none(),
            held.counts(),
            items.clone(),
            instruments.clone(),
        )
        .map_err(|source| ServeError::StateDir { path: spool_dir, source })?;
        held.restore(undelivered);

        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let runner = Runner {
            spawner: Spawner::new(cores * 2),
            output_dir,
            output_cap: settings.output_cap,
            kill_grace: settings.kill_grace,
            drain_for: DRAIN_FOR,
            mark: mark.clone(),
            child_env: isolation.environment(settings.child_env.clone()),
            isolation: Arc::clone(&isolation),
            oom: OomWatch::open(),
            own_peak: OwnPeak::default(),
            instruments: instruments.clone(),
        };
        let request = presentation(&settings, &identity, isolation.describe());
        let execute = Arc::new(Execute {
            runner,
            commands: settings.commands.clone(),
            held: Arc::clone(&held),
            reporter: Reporter { items, spool: spool.clone() },
            teller: Teller {
                traces: traces.clone(),
                worker: request.name.clone(),
                show_command: settings.trace_command,
            },
            instruments: instruments.clone(),
        });
        let delivery = Delivery {
            items: inbox,
            attachment: attachment.clone(),
            held: Arc::clone(&held),
            spool: spool.clone(),
            traces,
            calls: calls.clone(),
            instruments: instruments.clone(),
        };
        let (draining, lease) = (CancellationToken::new(), Lease::none());
        let attach = Attach {
            request,
            calls: calls.clone(),
            registrations: AtomicU64::new(0),
            coordinators,
            advertise_host: settings.advertise_host.clone(),
            bound,
            dialer: transport.dialer(),
            held: Arc::clone(&held),
            attachment: attachment.clone(),
            lease: lease.clone(),
            draining: draining.clone(),
        };
        let (stop_loops, stop_server) = (CancellationToken::new(), CancellationToken::new());
        let health = HealthReporter::new();
        let mut loops = JoinSet::new();
        loops.spawn(delivery.run(stop_loops.clone()));
        loops.spawn(join(attach, mark, stop_loops.clone()));
        if settings.on_disconnect == OnDisconnect::Stop {
            loops.spawn(lease.obey(Arc::clone(&held), attachment.clone(), stop_loops.clone()));
        }
        let attached = instruments.attached.clone();
        loops.spawn(tell(attachment.subscribe(), draining.clone(), readiness, health.clone(), attached));
        let mut server = JoinSet::new();
        server.spawn(service::run(
            transport,
            Service { execute, spool },
            health,
            measure,
            stop_server.clone(),
        ));
        info!(worker_id = %identity.worker, address = %bound, slots = settings.slots,
            state_dir = %identity.dir.display(), isolation = isolation.describe(), "worker started");
        Ok(Self {
            settings,
            identity,
            held,
            attachment,
            calls,
            draining,
            stop_loops,
            stop_server,
            spool: spool_thread,
            loops,
            server,
        })
    }

    async fn run(mut self, shutdown: Shutdown) -> Result<(), ServeError> {
        let result = tokio::select! {
            () = shutdown.drain.cancelled() => Ok(()),
            () = shutdown.now.cancelled() => Ok(()),
            ended = self.server.join_next() => server_result(ended),
        };
        tokio::select! {
            biased;
            () = shutdown.now.cancelled() => {}
            () = self.drain() => {}
        }
        if shutdown.now.is_cancelled() {
            self.kill_all().await;
        }
        self.loops.shutdown().await;
        // What has escaped is not left to nobody; that it cannot be looked for was said by whoever does it.
        let _ = tokio::task::spawn_blocking(orphans::look).await;
        self.stop_server.cancel();
        // A peer that keeps a call open does not keep the worker.
        let last = timeout(CALLS_END_WITHIN, self.server.join_next()).await.unwrap_or(None);
        let spool = self.spool;
        // It ends as soon as the disk lets it, which may be never; a panic in it was logged there.
        if timeout(SPOOL_CLOSES_WITHIN, tokio::task::spawn_blocking(move || spool.close())).await.is_err() {
            warn!("the spool's disk does not answer, it is left as it is");
        }
        info!(worker_id = %self.identity.worker, "worker stopped");
        result.and(server_result(last))
    }

    /// Takes nothing new and ends what runs, then leaves.
    async fn drain(&mut self) {
        self.held.drain();
        self.draining.cancel();
        let running = self.held.counts().borrow().running;
        info!(running, timeout = ?self.settings.drain_timeout, "draining");
        if !self.settled(self.settings.drain_timeout, |counts| counts.running == 0).await {
            let running = self.held.counts().borrow().running;
            info!(running, "the drain timeout is over, commands are stopped");
            self.held.stop_all(Stop::Interrupted);
            let within = self.settings.kill_grace + GONE_WITHIN;
            if !self.settled(within, |counts| counts.running == 0).await {
                warn!("commands are left that cannot be stopped");
            }
        }
        let delivered = self.settled(DELIVERED_WITHIN, |counts| counts.held == 0).await;
        let attached = self.attachment.subscribe().borrow().clone();
        self.stop_loops.cancel();
        if !delivered {
            // The session must not end before its results are known: they would be lost at once.
            warn!("results are left in the state directory, to be delivered by the next start");
        } else if let Some(attached) = attached {
            deregister(attached, &self.calls).await;
        }
    }

    /// Leaves no command behind. What they did is told by nobody: to the fleet this worker is lost.
    async fn kill_all(&self) {
        self.held.drain();
        self.held.stop_all(Stop::Superseded);
        if !self.settled(KILLED_WITHIN, |counts| counts.running == 0).await {
            warn!("commands are left that cannot be killed");
        }
    }

    async fn settled(&self, within: Duration, good: impl FnMut(&Counts) -> bool) -> bool {
        let mut counts = self.held.counts();
        let settled = counts.wait_for(good);
        timeout(within, settled).await.is_ok()
    }
}

/// Belongs to the fleet, once what an earlier process left is ended.
async fn join(attach: Attach, mark: String, stop: CancellationToken) {
    if let Err(error) = tokio::task::spawn_blocking(move || leftovers::end(&mark)).await {
        error!(%error, "cannot look for what an earlier run of this worker left running");
    }
    attach.run(stop).await;
}

fn server_result(
    ended: Option<Result<Result<(), ServeError>, tokio::task::JoinError>>,
) -> Result<(), ServeError> {
    match ended {
        None => Ok(()),
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(ServeError::Server(error.into())),
    }
}

async fn deregister(mut attached: Attached, calls: &ClientCalls) {
    let session_id = convert::id_bytes(attached.registration.session.as_uuid());
    let call = attached.client.deregister_worker(DeregisterWorkerRequest { session_id });
    let call = calls.observe("distrack.v1.CoordinatorService/DeregisterWorker", call);
    match timeout(DEREGISTERED_WITHIN, call).await {
        Ok(Ok(_)) => info!(coordinator = attached.coordinator, "deregistered"),
        Ok(Err(status)) => warn!(error = status.message(), "deregistering failed, the lease will end"),
        Err(_) => warn!("deregistering got no answer, the lease will end"),
    }
}

/// Tells whoever asks whether this worker can be given work.
async fn tell(
    mut attached: watch::Receiver<Option<Attached>>,
    draining: CancellationToken,
    readiness: Readiness,
    health: HealthReporter,
    gauge: IntGauge,
) {
    loop {
        let state = if draining.is_cancelled() {
            Err("draining".to_owned())
        } else if attached.borrow_and_update().is_some() {
            Ok(())
        } else {
            Err("not registered with any coordinator".to_owned())
        };
        let status = if state.is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing };
        gauge.set(i64::from(attached.borrow().is_some()));
        health.set_service_status(SERVICE, status).await;
        health.set_service_status("", status).await;
        readiness.set(state);
        tokio::select! {
            changed = attached.changed() => if changed.is_err() { return },
            () = draining.cancelled(), if !draining.is_cancelled() => {}
        }
    }
}
