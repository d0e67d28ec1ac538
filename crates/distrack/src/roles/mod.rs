//! What each role does, from its settings to its end.

pub(crate) mod coordinator;
pub(crate) mod health;
pub(crate) mod migrate;
mod parts;
pub(crate) mod scheduler;
pub(crate) mod up;
pub(crate) mod worker;

use std::future::Future;

use distrack_telemetry::logs::{self, SpanLayer};
use distrack_worker::Shutdown;

use crate::cli::Plan;
use crate::say::say;
use crate::settings::shared::Logs;
use crate::telemetry::{self, Telemetry};
use crate::{client, exits, shutdown};

/// Carries out a plan; returns the exit code.
pub(crate) async fn run(plan: Plan) -> u8 {
    match plan {
        Plan::Up(settings, logs) => {
            let process = telemetry::process(false);
            let scheduler = Telemetry::start("scheduler", &process);
            let spans = scheduler.layer();
            service("up", logs, spans, |stop| up::run(settings, process, scheduler, stop)).await
        }
        Plan::Scheduler(settings, logs) => {
            let telemetry = Telemetry::start("scheduler", &telemetry::process(true));
            let spans = telemetry.layer();
            service("scheduler", logs, spans, |stop| scheduler::run(settings, telemetry, stop.drain)).await
        }
        Plan::Coordinator(settings, logs) => {
            let process = telemetry::process(true);
            service("coordinator", logs, None, |stop| coordinator::run(settings, process, stop.drain)).await
        }
        Plan::Worker(settings, logs) => {
            let process = telemetry::process(true);
            service("worker", logs, None, |stop| worker::run(settings, process, stop)).await
        }
        Plan::Migrate(settings, logs) => {
            logs::init(logs.format, &logs.filter);
            migrate::run(settings).await.unwrap_or_else(|error| failed(&error))
        }
        Plan::Token(token) => token.run().await.unwrap_or_else(|error| failed(&error)),
        Plan::Cert(cert) => cert.run().unwrap_or_else(|error| failed(&error)),
        Plan::Health(health) => health.run().await,
        Plan::Bench(bench) => bench.run().await.unwrap_or_else(|error| failed(&error)),
        Plan::Client(client) => client::run(client).await,
    }
}

async fn service<F>(role: &str, logs: Logs, spans: Option<SpanLayer>, run: impl FnOnce(Shutdown) -> F) -> u8
where
    F: Future<Output = anyhow::Result<()>>,
{
    logs::init_as(role, logs.format, &logs.filter, spans);
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
