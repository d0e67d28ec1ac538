//! What each role is told, as types.

use std::path::PathBuf;
use std::time::Duration;

use distrack_core::TracePolicy;
use distrack_proto::MAX_NAME_BYTES;
use distrack_transport::Role as Acts;

use super::reader::Reader;
use super::shared::{Api, Running, Timing, bind, database, fleet_database, folder, listen};
use super::trust::Trust;
use super::values::{self, Listen};
use super::{Database, Role, masked, shared};

/// What `scheduler` is told.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    pub(crate) listen: Listen,
    pub(crate) database: Database,
    pub(crate) api: Api,
}

/// What `coordinator` is told.
#[derive(Clone, Debug)]
pub(crate) struct Coordinator {
    pub(crate) listen: Listen,
    pub(crate) metrics: Listen,
    pub(crate) database: Database,
    pub(crate) timing: Timing,
    pub(crate) trace_policy: TracePolicy,
    pub(crate) trust: Trust,
}

/// Where a worker keeps its identity and spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateDir {
    /// The folder that the user named.
    Given(PathBuf),
    /// A folder for each port below this one.
    Below(PathBuf),
}

impl StateDir {
    /// The folder of the worker that was told to listen on `port`. For any free port, 0, it is the first part
    /// of the names of such folders: see [`StateDir::is_numbered`].
    pub(crate) fn of(&self, port: u16) -> PathBuf {
        match self {
            Self::Given(folder) => folder.clone(),
            Self::Below(folder) if port == 0 => folder.join("worker-auto"),
            Self::Below(folder) if port == 8000 => folder.join("worker"),
            Self::Below(folder) => folder.join(format!("worker-{port}")),
        }
    }

    /// Whether the worker is to take the first folder of a row that is free: a port that the system picks is
    /// another one at each start, and must not make it another worker.
    pub(crate) fn is_numbered(&self, port: u16) -> bool {
        port == 0 && matches!(self, Self::Below(_))
    }
}

/// What `worker` is told.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) listen: Listen,
    pub(crate) metrics: Listen,
    pub(crate) coordinators: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) advertise_host: Option<String>,
    pub(crate) state: StateDir,
    pub(crate) running: Running,
    pub(crate) trust: Trust,
}

/// What `up` is told.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    pub(crate) scheduler: Listen,
    pub(crate) coordinator: Listen,
    pub(crate) worker: Listen,
    /// The coordinator's; `None` when the user named none.
    pub(crate) metrics: Option<Listen>,
    pub(crate) bind: String,
    /// Another one than the file in `data_dir`.
    pub(crate) database: Option<Database>,
    pub(crate) data_dir: PathBuf,
    pub(crate) workers: u16,
    pub(crate) api: Api,
    pub(crate) timing: Timing,
    pub(crate) trace_policy: TracePolicy,
    pub(crate) running: Running,
    pub(crate) trust: Trust,
}

/// Whose tokens `token` makes, lists and revokes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) database: Database,
}

/// What `migrate` is told.
#[derive(Clone, Debug)]
pub(crate) struct Migrate {
    pub(crate) database: Database,
    pub(crate) wait: Duration,
}

impl Scheduler {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let bind = bind(reader);
        let listen = listen(reader, "scheduler_port", &bind);
        let database = fleet_database(reader, Role::Scheduler);
        let api = Api::read(reader, listen.as_ref());
        Some(Self { listen: listen?, database: database?, api: api? })
    }
}

impl Coordinator {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let bind = bind(reader);
        let listen = listen(reader, "coordinator_port", &bind);
        let metrics = shared::listen(reader, "metrics_port", &bind);
        let database = fleet_database(reader, Role::Coordinator);
        let timing = Timing::read(reader);
        let trace_policy = reader.one("trace_mode", str::parse);
        let trust = Trust::read(reader, "coordinator_port", listen.as_ref(), Acts::Coordinator);
        Some(Self {
            trust: trust?,
            listen: listen?,
            metrics: metrics?,
            database: database?,
            timing: timing?,
            trace_policy: trace_policy?,
        })
    }
}

impl Worker {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let bind = bind(reader);
        let listen = listen(reader, "worker_port", &bind);
        let metrics = shared::listen(reader, "metrics_port", &bind);
        let coordinators = reader.many("coordinator", |texts| {
            let items = values::items(texts);
            if items.is_empty() {
                return Err("must name a coordinator".to_owned());
            }
            let dial = |item: &str| {
                let dialled = values::dial(item, "localhost", 8080);
                dialled.map_err(|error| format!("'{}' {error}", masked(item).escape_debug()))
            };
            values::all(items.into_iter().map(dial))
        });
        let name = reader.one("worker_name", worker_name);
        let advertise_host = reader.one("worker_address", worker_address);
        let state = state_dir(reader);
        let running = Running::read(reader);
        let trust = Trust::read(reader, "worker_port", listen.as_ref(), Acts::Worker);
        Some(Self {
            trust: trust?,
            listen: listen?,
            metrics: metrics?,
            coordinators: coordinators?,
            name,
            advertise_host,
            state: state?,
            running: running?,
        })
    }
}

fn worker_name(text: &str) -> Result<String, String> {
    let good = (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("must be 1 to {MAX_NAME_BYTES} bytes of printable text"))
    }
}

/// What coordinators are told has brackets and a port besides.
fn worker_address(text: &str) -> Result<String, String> {
    const MOST: usize = MAX_NAME_BYTES - "[]:65535".len();
    let host = values::host(text)?;
    if host.len() > MOST { Err(format!("must be at most {MOST} bytes")) } else { Ok(host) }
}

fn state_dir(reader: &mut Reader<'_>) -> Option<StateDir> {
    if reader.given("state_dir").is_some() {
        return folder(reader, "state_dir").map(StateDir::Given);
    }
    let found = reader.layers().environment().folder("XDG_STATE_HOME", ".local/state");
    if found.is_none() {
        reader.problems().add("state_dir: neither XDG_STATE_HOME nor HOME is set: give --state_dir");
    }
    found.map(|folder| StateDir::Below(folder.join("distrack")))
}

impl Up {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let bind = bind(reader);
        let scheduler = listen(reader, "scheduler_port", &bind);
        let coordinator = listen(reader, "coordinator_port", &bind);
        let worker = listen(reader, "worker_port", &bind);
        let metrics = listen(reader, "metrics_port", &bind);
        // Not the POSTGRES_* variables: `up` is on SQLite unless a database is named to it.
        let database = reader.one("database_url", Database::parse);
        let data_dir = data_dir(reader);
        let workers = reader.one("workers", |text| {
            u16::try_from(values::number(text, 1, 1000)?).map_err(|error| error.to_string())
        });
        let api = Api::read(reader, scheduler.as_ref());
        let timing = Timing::read(reader);
        let trace_policy = reader.one("trace_mode", str::parse);
        let running = Running::read(reader);
        let trust = Trust::of_one_process(reader);
        Some(Self {
            trust: trust?,
            scheduler: scheduler?,
            coordinator: coordinator?,
            worker: worker?,
            metrics,
            bind,
            database,
            data_dir: data_dir?,
            workers: workers?,
            api: api?,
            timing: timing?,
            trace_policy: trace_policy?,
            running: running?,
        })
    }
}

fn data_dir(reader: &mut Reader<'_>) -> Option<PathBuf> {
    if reader.given("data_dir").is_some() {
        return folder(reader, "data_dir");
    }
    let found = reader.layers().environment().folder("XDG_DATA_HOME", ".local/share");
    if found.is_none() {
        reader.problems().add("data_dir: neither XDG_DATA_HOME nor HOME is set: give --data_dir");
    }
    found.map(|folder| folder.join("distrack"))
}

impl Tokens {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.given("database_url").is_some() {
            return Some(Self { database: reader.one("database_url", Database::parse)? });
        }
        let composed = match reader.given("data_dir") {
            Some(_) => None,
            None => Database::compose(reader.layers().environment()),
        };
        match composed {
            Some(Ok(database)) => Some(Self { database }),
            Some(Err(problem)) => {
                reader.problems().add(problem);
                None
            }
            None => Some(Self { database: Database::of_up(&data_dir(reader)?) }),
        }
    }
}

impl Migrate {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let database = database(reader, Role::Migrate);
        let wait = reader.one("wait", values::duration);
        Some(Self { database: database?, wait: wait? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_the_system_picks_names_no_folder_of_its_own() {
        let (given, below) = (StateDir::Given("/state".into()), StateDir::Below("/s".into()));
        assert!(below.is_numbered(0) && !below.is_numbered(8000) && !given.is_numbered(0));
        assert_eq!(below.of(0), PathBuf::from("/s/worker-auto"));
        assert_eq!(given.of(0), PathBuf::from("/state"));
    }
}
