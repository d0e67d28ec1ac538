//! A whole system inside the test's own process: the services' own `serve` functions, with real HTTP and gRPC
//! between them on loopback, over the store that the test brings.
//!
//! Its members cannot be killed one by one, as those of a [`Fleet`](crate::Fleet) can.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use distrack_store::Store;
use distrack_telemetry::{Metrics, Readiness, Traces};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::eventually::eventually;

const READY_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// One scheduler, with coordinators and workers, that run; told to stop on drop.
#[derive(Debug)]
pub struct Cluster {
    address: String,
    /// In the order in which they are stopped: workers, coordinators, the scheduler.
    members: Vec<Member>,
    _folder: TempDir,
}

/// A service that runs.
#[derive(Debug)]
struct Member {
    name: String,
    readiness: Readiness,
    stop: CancellationToken,
    served: JoinHandle<Result<()>>,
}

impl Cluster {
    /// Starts one scheduler, and so many coordinators and workers, over a store whose schema is there already,
    /// and waits until all are ready.
    ///
    /// # Errors
    /// If there is no port or no room for a folder.
    ///
    /// # Panics
    /// If a member is not ready within 30 s.
    pub async fn start(store: Arc<dyn Store>, coordinators: usize, workers: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("distrack-cluster-").tempdir()?;
        let mut coordinating = Vec::new();
        let mut addresses = Vec::new();
        for n in 0..coordinators {
            let listener = listen().await?;
            addresses.push(listener.local_addr()?.to_string());
            coordinating.push(coordinator(n, listener, Arc::clone(&store)));
        }
        let mut members = Vec::new();
        for n in 0..workers {
            members.push(worker(n, listen().await?, &addresses, folder.path()));
            // So that the workers spread over the coordinators.
            addresses.rotate_left(coordinators.min(1));
        }
        members.extend(coordinating);
        let listener = listen().await?;
        let address = listener.local_addr()?.to_string();
        members.push(scheduler(listener, store));

        let cluster = Self { address, members, _folder: folder };
        eventually(READY_LIMIT, "all members to be ready", || async { cluster.are_ready() }).await;
        Ok(cluster)
    }

    /// Returns a client of the scheduler.
    pub fn api(&self) -> Api {
        Api::new(format!("http://{}", self.address))
    }

    /// Drains the workers, then stops the coordinators and the scheduler.
    ///
    /// # Errors
    /// If a member fails, or has not stopped within a minute.
    pub async fn stop(mut self) -> Result<()> {
        for member in &mut self.members {
            member.stop.cancel();
            let name = &member.name;
            let served = timeout(STOP_LIMIT, &mut member.served).await;
            served.with_context(|| format!("{name} does not stop"))??.with_context(|| name.clone())?;
        }
        Ok(())
    }

    fn are_ready(&self) -> Result<()> {
        self.members.iter().try_for_each(|member| {
            let ready = member.readiness.get();
            ready.map_err(|reason| anyhow!("{} is not: {reason}", member.name))
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.members.iter().for_each(|member| member.stop.cancel());
    }
}

impl Member {
    fn start<F, E>(name: String, serve: impl FnOnce(Readiness, CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let (readiness, stop) = (Readiness::waiting("starting"), CancellationToken::new());
        let serving = serve(readiness.clone(), stop.clone());
        let served = tokio::spawn(async move { serving.await.map_err(Into::into) });
        Self { name, readiness, stop, served }
    }
}

async fn listen() -> Result<TcpListener> {
    Ok(TcpListener::bind("127.0.0.1:0").await?)
}

fn scheduler(listener: TcpListener, store: Arc<dyn Store>) -> Member {
    let (settings, metrics) = (distrack_scheduler::Settings::default(), Metrics::new("scheduler"));
    Member::start("scheduler".to_owned(), |readiness, stop| {
        distrack_scheduler::serve(listener, store, settings, metrics, Traces::off(), readiness, stop)
    })
}

fn coordinator(n: usize, listener: TcpListener, store: Arc<dyn Store>) -> Member {
    let (settings, metrics) = (distrack_coordinator::Settings::default(), Metrics::new("coordinator"));
    Member::start(format!("coordinator-{n}"), |readiness, stop| {
        distrack_coordinator::serve(listener, store, settings, metrics, Traces::off(), readiness, stop)
    })
}

fn worker(n: usize, listener: TcpListener, coordinators: &[String], folder: &Path) -> Member {
    let name = format!("worker-{n}");
    let settings = distrack_worker::Settings {
        name: Some(name.clone()),
        coordinators: coordinators.to_vec(),
        output_dir: folder.join(&name).join("output"),
        state_dir: folder.join(&name).join("state"),
        ..distrack_worker::Settings::default()
    };
    let metrics = Metrics::new("worker");
    Member::start(name, |readiness, stop| {
        distrack_worker::serve(listener, settings, metrics, Traces::off(), readiness, stop)
    })
}
