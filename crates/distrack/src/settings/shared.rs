//! What several roles are told, as types, and how the pieces are read that several settings share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use distrack_core::QueueName;
use distrack_proto::MAX_SLOTS;
use distrack_scheduler::{AuthMode, Canary};
use distrack_telemetry::logs::{LogFormat, check_filter};
use distrack_transport::ServerTls;
use distrack_worker::{IsolationSettings, OnDisconnect};

use super::reader::Reader;
use super::values::{self, Listen};
use super::{Database, Role, isolation, trust};

/// A canary that comes more often is a load of its own.
const LEAST_CANARY: Duration = Duration::from_secs(1);

/// How to log.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    pub(crate) format: LogFormat,
    pub(crate) filter: String,
}

/// When workers are late and lost, and how long ended tasks and notes of who asked for them are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) heartbeat_interval: Duration,
    pub(crate) lost_after: Duration,
    pub(crate) retention: Duration,
    pub(crate) audit_retention: Duration,
}

/// Who may use the HTTP API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Auth {
    pub(crate) mode: AuthMode,
    pub(crate) rate_limit: u32,
    /// From where the machine around this container calls.
    pub(crate) gateway: Option<IpAddr>,
}

/// How the HTTP API serves.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) auth: Auth,
    /// How many are worked on at once.
    pub(crate) max_requests: usize,
    /// What makes it HTTPS.
    pub(crate) tls: Option<ServerTls>,
    /// An interval of nothing is none.
    pub(crate) canary: Canary,
    /// Where links to traces lead.
    pub(crate) jaeger_url: Option<String>,
}

/// How workers run commands.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) slots: u32,
    pub(crate) queues: Option<Vec<QueueName>>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) output_dir: PathBuf,
    pub(crate) drain_timeout: Duration,
    pub(crate) kill_grace: Duration,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) child_env: BTreeMap<String, String>,
    pub(crate) trace_command: bool,
    pub(crate) isolation: IsolationSettings,
}

impl Logs {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let format = reader.one("log_format", str::parse);
        let filter = reader.one("log", |text| check_filter(text).map(|()| text.to_owned()));
        Some(Self { format: format?, filter: filter? })
    }
}

impl Auth {
    /// Nobody is let in from elsewhere by an oversight: a listener that others can reach says who may call.
    fn read(reader: &mut Reader<'_>, listen: Option<&Listen>) -> Option<Self> {
        let chosen = reader.given("auth").is_some();
        let mode = reader.one("auth", |text| match text {
            "local" => Ok(AuthMode::Local),
            "tokens" => Ok(AuthMode::Tokens),
            _ => Err("must be local or tokens".to_owned()),
        });
        let off = reader.one("insecure_no_auth", values::switch);
        let rate_limit = reader.one("rate_limit", |text| {
            u32::try_from(values::number(text, 0, 1_000_000)?).map_err(|error| error.to_string())
        });
        let off = off?;
        if chosen && off {
            reader.problems().add("auth and insecure_no_auth contradict each other: give one of them");
        } else if let Some(listen) = listen.filter(|listen| !chosen && !off && !listen.is_loopback()) {
            reader.problems().add(format!(
                "scheduler_port is {listen}, where others can reach it, and nothing says who may use it. Give\n    \
                 --auth=tokens   so that every caller needs a token (distrack token create makes one), or\n    \
                 --auth=local    so that callers of this machine need none and all others do.\n  \
                 Without any check, for --insecure_no_auth, everybody who reaches it runs commands on the fleet"
            ));
        }
        let mode = if off {
            AuthMode::Off
        } else if chosen {
            mode?
        } else {
            AuthMode::Local
        };
        // In Kubernetes others come through the gateway too.
        let alone = reader.layers().environment().get("KUBERNETES_SERVICE_HOST").is_none();
        let gateway = alone.then(distrack_scheduler::container_gateway).flatten();
        Some(Self { mode, rate_limit: rate_limit?, gateway })
    }
}

impl Api {
    pub(super) fn read(reader: &mut Reader<'_>, listen: Option<&Listen>) -> Option<Self> {
        let allowed_hosts = allowed_hosts(reader);
        let auth = Auth::read(reader, listen);
        let tls = trust::server_tls(reader);
        let interval = reader.one("canary_interval", values::duration);
        let queue = reader.one("canary_queue", str::parse::<QueueName>);
        let (interval, queue) = (interval?, queue?);
        if !interval.is_zero() && interval < LEAST_CANARY {
            reader.problems().add(format!(
                "canary_interval ({}) must be 0 for none, or at least {}",
                humantime::format_duration(interval),
                humantime::format_duration(LEAST_CANARY)
            ));
        }
        let canary = Canary { interval, queue };
        let max_requests = reader.one("max_requests", |text| {
            usize::try_from(values::number(text, 1, 1_000_000)?).map_err(|error| error.to_string())
        });
        let jaeger_url = reader.one("jaeger_url", values::web_url);
        let (auth, max_requests, tls) = (auth?, max_requests?, tls?);
        Some(Self { allowed_hosts, auth, max_requests, tls, canary, jaeger_url })
    }
}

impl From<Api> for distrack_scheduler::Settings {
    fn from(api: Api) -> Self {
        Self {
            allowed_hosts: api.allowed_hosts,
            auth: distrack_scheduler::Auth {
                mode: api.auth.mode,
                rate_limit: api.auth.rate_limit,
                gateway: api.auth.gateway,
                tokens: None,
            },
            requests: api.max_requests,
            tls: api.tls,
            canary: (!api.canary.interval.is_zero()).then_some(api.canary),
            jaeger_url: api.jaeger_url,
            ..Self::default()
        }
    }
}

impl Timing {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let heartbeat_interval = reader.one("heartbeat_interval", values::positive_duration);
        let lost_after = reader.one("lost_after", values::positive_duration);
        let retention = reader.one("retention", values::positive_duration);
        let audit_retention = reader.one("audit_retention", values::positive_duration);
        let (heartbeat_interval, lost_after) = (heartbeat_interval?, lost_after?);
        if lost_after < heartbeat_interval.saturating_mul(3) {
            let [lost, beat] = [lost_after, heartbeat_interval].map(humantime::format_duration);
            reader.problems().add(format!(
                "lost_after ({lost}) must be at least 3 times heartbeat_interval ({beat}), or one heartbeat \
                 that comes late loses a worker"
            ));
        }
        let (retention, audit_retention) = (retention?, audit_retention?);
        Some(Self { heartbeat_interval, lost_after, retention, audit_retention })
    }
}

impl Running {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let slots = match reader.given("slots") {
            None => Some(default_slots()),
            Some(_) => reader.one("slots", |text| {
                let slots = values::number(text, 1, MAX_SLOTS.into())?;
                u32::try_from(slots).map_err(|error| error.to_string())
            }),
        };
        let queues = reader.many("queues", values::queues).filter(|queues| !queues.is_empty());
        let labels = reader.many("labels", values::labels).unwrap_or_default();
        let output_dir = folder(reader, "output_dir");
        let drain_timeout = reader.one("drain_timeout", values::duration);
        let kill_grace = reader.one("kill_grace", values::duration);
        let on_disconnect = reader.one("on_disconnect", str::parse);
        let trace_command = reader.one("trace_command", values::switch);
        let child_env = reader.layers().environment().for_commands();
        let isolation = isolation::read(reader);
        Some(Self {
            slots: slots?,
            queues,
            labels,
            output_dir: output_dir?,
            drain_timeout: drain_timeout?,
            kill_grace: kill_grace?,
            on_disconnect: on_disconnect?,
            child_env,
            trace_command: trace_command?,
            isolation: isolation?,
        })
    }
}

fn default_slots() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores.saturating_mul(16)).unwrap_or(MAX_SLOTS).min(MAX_SLOTS)
}

/// The host of every address that names none.
pub(super) fn bind(reader: &mut Reader<'_>) -> String {
    reader.one("bind", values::host).unwrap_or_else(|| "127.0.0.1".to_owned())
}

/// A place to listen.
pub(crate) fn listen(reader: &mut Reader<'_>, name: &str, bind: &str) -> Option<Listen> {
    reader.one(name, |text| values::listen(text, bind))
}

/// Names under which the API is reached; `*` for any.
pub(super) fn allowed_hosts(reader: &mut Reader<'_>) -> Vec<String> {
    let host = |item: &str| match item {
        "*" => Ok(item.to_owned()),
        name => values::host(name).map_err(|error| format!("'{}' {error}", name.escape_debug())),
    };
    let hosts = |texts: &[String]| values::all(values::items(texts).into_iter().map(host));
    reader.many("allowed_hosts", hosts).unwrap_or_default()
}

/// An absolute folder, so that it means the same wherever it is shown.
pub(super) fn folder(reader: &mut Reader<'_>, name: &str) -> Option<PathBuf> {
    reader.one(name, |text| std::path::absolute(text).map_err(|error| format!("must be a folder: {error}")))
}

/// The database, wherever it is named; nowhere is a problem.
pub(super) fn database(reader: &mut Reader<'_>, role: Role) -> Option<Database> {
    if reader.given("database_url").is_some() {
        return reader.one("database_url", Database::parse);
    }
    match Database::compose(reader.layers().environment()) {
        Some(Ok(database)) => return Some(database),
        Some(Err(problem)) => reader.problems().add(problem),
        None => reader.problems().add(format!(
            "database_url is missing: '{}' needs to know its database; set --database_url or \
             DISTRACK_DATABASE_URL to postgres://user:password@host:5432/name, or POSTGRES_HOST, POSTGRES_DB, \
             POSTGRES_USER and POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE. To try distrack without a \
             database: distrack up",
            role.command()
        )),
    }
    None
}

/// A database that processes can share.
pub(super) fn fleet_database(reader: &mut Reader<'_>, role: Role) -> Option<Database> {
    let database = database(reader, role)?;
    if matches!(database, Database::Sqlite(_)) {
        reader.problems().add(format!(
            "database_url: '{}' needs Postgres, since one SQLite file cannot be shared by a fleet; SQLite is for \
             distrack up",
            role.command()
        ));
        return None;
    }
    Some(database)
}
