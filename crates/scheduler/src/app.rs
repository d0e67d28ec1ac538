//! What the routes share: the store, the intake, the waiters and the instruments.

use std::future::Future;
use std::sync::Arc;

use distrack_core::{Task, TaskId};
use distrack_store::{Store, StoreError};
use distrack_telemetry::{Metrics, Traces};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::auth::{Reach, Verifier};
use crate::guard::Hosts;
use crate::intake::Intake;
use crate::load::Load;
use crate::metrics::Instruments;
use crate::problem::{Code, Problem};
use crate::settings::Settings;
use crate::waiters::Waiters;

/// The state of every route. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// What [`App`] points to.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) intake: Intake,
    pub(crate) waiters: Waiters,
    pub(crate) load: Load,
    pub(crate) instruments: Instruments,
    pub(crate) traces: Traces,
    pub(crate) hosts: Hosts,
    pub(crate) verifier: Verifier,
    pub(crate) settings: Settings,
    pub(crate) shutdown: CancellationToken,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Starts the intake and the waiters' loop. The handle ends when every clone is dropped and all that was
    /// taken in is flushed.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        settings: Settings,
        metrics: &Metrics,
        traces: Traces,
        shutdown: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let instruments = Instruments::new(metrics);
        let (intake, flushed) =
            Intake::start(Arc::clone(&store), &settings, instruments.clone(), traces.clone());
        let waiters = Waiters::start(Arc::clone(&store), settings.store_timeout, settings.connections / 2);
        let load = Load::new(settings.requests);
        let hosts = Hosts::new(&settings.allowed_hosts);
        let verifier = Verifier::new(&settings.auth);
        let shared =
            Shared { store, intake, waiters, load, instruments, traces, hosts, verifier, settings, shutdown };
        (Self(Arc::new(shared)), flushed)
    }
}

impl Shared {
    /// Awaits a step of the store, within the time limit, and says what went wrong in HTTP's terms.
    pub(crate) async fn ask<T>(
        &self,
        step: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(self.settings.store_timeout, step).await {
            Ok(answer) => answer.map_err(|error| Problem::from(&error)),
            Err(_) => {
                Err(Problem::unavailable("the database did not answer in time").because("no answer in time"))
            }
        }
    }

    /// The task of this id, if it is within reach.
    pub(crate) async fn task(&self, id: TaskId, reach: &Reach) -> Result<Task, Problem> {
        let found = self.ask(self.store.get(vec![id])).await?;
        reach.task(id, found.into_iter().next())
    }
}

/// What a request for an unknown task gets.
pub(crate) fn no_such_task(id: TaskId) -> Problem {
    Problem::new(Code::TaskNotFound, format!("there is no task {id}"))
}
