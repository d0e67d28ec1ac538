//! What each role does, from its settings to its end.

pub(crate) mod coordinator;
pub(crate) mod health;
pub(crate) mod migrate;
mod parts;
pub(crate) mod scheduler;
pub(crate) mod up;
pub(crate) mod worker;

use std::future::Future;

use distrack_telemetry::logs;
use distrack_worker::Shutdown;

use crate::cli::Plan;
use crate::say::say;
use crate::settings::shared::Logs;
use crate::{client, exits, shutdown};

/// Carries out a plan; returns the exit code.
pub(crate) async fn run(plan: Plan) -> u8 {
    match plan {
        Plan::Up(settings, logs) => service(logs, |stop| up::run(settings, stop)).await,
        Plan::Scheduler(settings, logs) => service(logs, |stop| scheduler::run(settings, stop.drain)).await,
        Plan::Coordinator(settings, logs) => {
            service(logs, |stop| coordinator::run(settings, stop.drain)).await
        }
        Plan::Worker(settings, logs) => service(logs, |stop| worker::run(settings, stop)).await,
        Plan::Migrate(settings, logs) => {
            logs::init(logs.format, &logs.filter);
            migrate::run(settings).await.unwrap_or_else(|error| failed(&error))
        }
        Plan::Health(health) => health.run().await,
        Plan::Client(client) => client::run(client).await,
    }
}

async fn service<F>(logs: Logs, run: impl FnOnce(Shutdown) -> F) -> u8
where
    F: Future<Output = anyhow::Result<()>>,
{
    logs::init(logs.format, &logs.filter);
    let stop = match shutdown::signals() {
        Ok(stop) => stop,
        Err(error) => return failed(&error.into()),
    };
    let now = stop.now.clone();
    // On the heap, since a service's future is large.
    let code = Box::pin(run(stop)).await.map_or_else(|error| failed(&error), |()| exits::OK);
    if now.is_cancelled() { exits::INTERRUPTED } else { code }
}

/// Said as people read it; logs may be JSON.
fn failed(error: &anyhow::Error) -> u8 {
    say(format_args!("distrack: {error:#}"));
    exits::FAILED
}
