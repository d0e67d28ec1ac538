//! Starts a system for one run: `up` over SQLite, or a process for each service over a fresh Postgres database.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Started;
use super::database::ThrowAway;
use super::service::Service;
use crate::settings::{DatabaseUrl, Own};

const MIGRATE_LIMIT: Duration = Duration::from_secs(60);

/// Starts what is asked for and notes each part in `started` as soon as it is there, so that all of it can be stopped
/// whenever this is given up.
pub(super) async fn start(own: &Own, server: Option<&DatabaseUrl>, started: &mut Started) -> Result<String> {
    match server {
        Some(server) => {
            let database = ThrowAway::create(server).await?;
            let url = database.url();
            started.database = Some(database);
            fleet(own, &url, started).await
        }
        None => up(own, started).await,
    }
}

/// Everything in one process.
async fn up(own: &Own, started: &mut Started) -> Result<String> {
    ensure!(own.coordinators == 1, "--coordinators: one process has one; --database_url gives each its own");
    let root = started.root();
    let mut flags: Vec<String> = ["scheduler_port", "coordinator_port", "worker_port", "metrics_port"]
        .map(|port| format!("--{port}=:0"))
        .into();
    flags.push(format!("--workers={}", own.workers));
    flags.push(format!("--data_dir={}", root.join("data").display()));
    flags.extend(running(own));
    let service = begin(own, "up", 1, &flags, &[], started)?;
    let ports = service.listening(3 + 2 * own.workers).await?;
    started.metrics = every(&ports, "metrics_port");
    one(&ports, "scheduler_port")
}

/// A process for each service.
async fn fleet(own: &Own, database: &DatabaseUrl, started: &mut Started) -> Result<String> {
    // In a variable: whoever lists processes sees their arguments.
    let database = [("DISTRACK_DATABASE_URL".to_owned(), database.0.clone())];
    let variables: Vec<_> = own.variables.iter().chain(&database).cloned().collect();
    Service::start(&own.program, "migrate", 1, &[], &variables, &started.root())?.end(MIGRATE_LIMIT).await?;
    let flags = ["--scheduler_port=:0".to_owned(), json()];
    let scheduler =
        one(&begin(own, "scheduler", 1, &flags, &database, started)?.listening(1).await?, "scheduler_port")?;
    let mut coordinators = Vec::new();
    for number in 1..=own.coordinators {
        let flags = ["--coordinator_port=:0".to_owned(), "--metrics_port=:0".to_owned(), json()];
        let ports = begin(own, "coordinator", number, &flags, &database, started)?.listening(2).await?;
        coordinators.push(one(&ports, "coordinator_port")?);
        started.metrics.extend(every(&ports, "metrics_port"));
    }
    for number in 1..=own.workers {
        // Each worker begins at another one, so that they spread.
        let mut known = coordinators.clone();
        known.rotate_left((number - 1) % coordinators.len());
        let mut flags = vec![format!("--coordinator={}", known.join(","))];
        flags.extend(["--worker_port=:0", "--metrics_port=:0", "--state_dir=state"].map(str::to_owned));
        flags.extend(running(own));
        let ports = begin(own, "worker", number, &flags, &[], started)?.listening(2).await?;
        started.metrics.extend(every(&ports, "metrics_port"));
    }
    Ok(scheduler)
}

fn begin<'a>(
    own: &Own,
    role: &'static str,
    number: usize,
    flags: &[String],
    more: &[(String, String)],
    started: &'a mut Started,
) -> Result<&'a mut Service> {
    let variables: Vec<_> = own.variables.iter().chain(more).cloned().collect();
    let service = Service::start(&own.program, role, number, flags, &variables, &started.root())?;
    started.services.push(service);
    started.services.last_mut().context("it was just added")
}

/// What those take that run commands. They are stopped soon: nobody waits for what they run.
fn running(own: &Own) -> Vec<String> {
    let mut flags = vec![json(), "--output_dir=output".to_owned()];
    flags.extend(["--drain_timeout=1s", "--kill_grace=200ms"].map(str::to_owned));
    flags.extend(own.slots.map(|slots| format!("--slots={slots}")));
    flags
}

fn json() -> String {
    "--log_format=json".to_owned()
}

fn every(ports: &[(String, String)], setting: &str) -> Vec<String> {
    ports.iter().filter(|(named, _)| named == setting).map(|(_, address)| address.clone()).collect()
}

fn one(ports: &[(String, String)], setting: &str) -> Result<String> {
    match every(ports, setting).pop() {
        Some(address) => Ok(address),
        None => bail!("the process does not say its {setting}"),
    }
}
