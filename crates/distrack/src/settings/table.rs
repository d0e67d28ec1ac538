//! Every setting there is: its name, who takes it, its default and what it is for. Flags, variables, keys of
//! the file and the help are all made from this one table.

pub(crate) use super::role::Role;

/// What is used when a setting is given nowhere.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fallback {
    /// This text, read like any other value.
    Text(&'static str),
    /// Something found at the start, described like this.
    Found(&'static str),
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its name: the flag without `--`, the key of the file, and in capitals the variable's after `DISTRACK_`.
    pub(crate) name: &'static str,
    /// Who takes it.
    pub(crate) roles: &'static [Role],
    /// What a value looks like, for the help.
    pub(crate) value: &'static str,
    /// Used when it is given nowhere.
    pub(crate) default: Fallback,
    /// Whether it takes several values, with commas or given several times.
    pub(crate) list: bool,
    /// What it is for.
    pub(crate) help: &'static str,
}

impl Setting {
    /// The variables that set it, the strongest first.
    pub(crate) fn variables(&self) -> Vec<String> {
        let own = format!("DISTRACK_{}", self.name.to_uppercase());
        match self.name {
            "worker_address" => vec![own, "WORKER_ADDRESS".to_owned()],
            "log" => vec![own, "RUST_LOG".to_owned()],
            _ => vec![own],
        }
    }
}

/// The settings that a role takes, in the order of its help.
pub(crate) fn of(role: Role) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.roles.contains(&role))
}

/// The role's setting of this name.
pub(crate) fn find(role: Role, name: &str) -> Option<&'static Setting> {
    of(role).find(|setting| setting.name == name)
}

/// Every role that takes a setting of this name.
pub(crate) fn takers(name: &str) -> Vec<Role> {
    SETTINGS
        .iter()
        .filter(|setting| setting.name == name)
        .flat_map(|setting| setting.roles)
        .copied()
        .collect()
}

const fn setting(
    name: &'static str,
    roles: &'static [Role],
    value: &'static str,
    default: Fallback,
    help: &'static str,
) -> Setting {
    Setting { name, roles, value, default, list: false, help }
}

const fn list(
    name: &'static str,
    roles: &'static [Role],
    value: &'static str,
    default: Fallback,
    help: &'static str,
) -> Setting {
    Setting { name, roles, value, default, list: true, help }
}

use Fallback::{Found, Text};
use Role::{Bench, Client, Coordinator, Health, Migrate, Scheduler, Token, Up, Worker};

/// The table.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "scheduler_port",
        &[Up, Scheduler],
        "[HOST]:PORT",
        Text(":8081"),
        "Where the HTTP API listens, with /docs and /metrics",
    ),
    setting(
        "coordinator_port",
        &[Up, Coordinator],
        "[HOST]:PORT",
        Text(":8080"),
        "Where workers reach the coordinator (gRPC)",
    ),
    setting(
        "worker_port",
        &[Worker],
        "[HOST]:PORT",
        Text(":8000"),
        "Where coordinators reach this worker (gRPC)",
    ),
    setting(
        "worker_port",
        &[Up],
        "[HOST]:PORT",
        Text(":8000"),
        "Where the first worker listens (gRPC); further ones take free ports",
    ),
    setting(
        "metrics_port",
        &[Coordinator],
        "[HOST]:PORT",
        Text(":9080"),
        "Where /metrics, /livez and /readyz are served",
    ),
    setting(
        "metrics_port",
        &[Worker],
        "[HOST]:PORT",
        Text(":9000"),
        "Where /metrics, /livez and /readyz are served",
    ),
    setting(
        "metrics_port",
        &[Up],
        "[HOST]:PORT",
        Found(":9080 for the coordinator and :9000 for the first worker"),
        "Where the coordinator's /metrics are served; when given, all workers take free ports",
    ),
    setting(
        "bind",
        &[Up, Scheduler, Coordinator, Worker],
        "HOST",
        Text("127.0.0.1"),
        "The host of every address above that names none. Services that others can reach, as with 0.0.0.0, must ask \
         them who they are: see auth, cluster_token_file and tls_cert",
    ),
    setting(
        "cluster_token_file",
        &[Up, Coordinator, Worker],
        "FILE",
        Found("none, or the token itself in DISTRACK_CLUSTER_TOKEN; up makes one for each start"),
        "A secret of at least 16 characters that coordinators and workers share: without it nobody joins the fleet or \
         hands out commands. Of several lines, the first is sent and each is accepted",
    ),
    setting(
        "tls_cert",
        &[Coordinator, Worker],
        "FILE",
        Found("none"),
        "This service's certificate (PEM), for TLS between coordinators and workers; distrack cert makes one. Read again \
         when it changes",
    ),
    setting("tls_key", &[Coordinator, Worker], "FILE", Found("none"), "The certificate's key (PEM)"),
    setting(
        "tls_ca",
        &[Coordinator, Worker],
        "FILE",
        Found("none"),
        "The authority (PEM) that signed the certificates of the fleet's coordinators and workers; nobody else is \
         talked to",
    ),
    setting(
        "tls_cert",
        &[Up, Scheduler],
        "FILE",
        Found("none"),
        "The certificate (PEM) with which the API is served over HTTPS; distrack cert issue scheduler makes one. Read \
         again when it changes",
    ),
    setting("tls_key", &[Up, Scheduler], "FILE", Found("none"), "The certificate's key (PEM)"),
    list(
        "coordinator",
        &[Worker],
        "HOST:PORT,...",
        Text("localhost:8080"),
        "The coordinators; the worker uses one and moves on when it gets no answer",
    ),
    setting(
        "database_url",
        &[Scheduler, Coordinator, Migrate],
        "URL",
        Found(
            "made of POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD or \
             POSTGRES_PASSWORD_FILE",
        ),
        "The database: postgres://user:password@host:5432/name",
    ),
    setting(
        "database_url",
        &[Up],
        "URL",
        Found("an SQLite file in the data_dir"),
        "Another database: postgres://user:password@host:5432/name or sqlite://path",
    ),
    setting(
        "database_url",
        &[Token],
        "URL",
        Found(
            "the data_dir's file if that is given, else made of the POSTGRES_* variables, else the data_dir's file",
        ),
        "The database of the schedulers: postgres://user:password@host:5432/name or sqlite://path",
    ),
    setting(
        "database_url",
        &[Bench],
        "URL",
        Found("SQLite with --self; otherwise the database is not measured"),
        "A PostgreSQL: with --self a server on which a database is made for the run and dropped, otherwise the \
         schedulers' own, in which a schema is made and dropped to measure what it does without distrack",
    ),
    setting(
        "data_dir",
        &[Token],
        "DIR",
        Found("$XDG_DATA_HOME/distrack or ~/.local/share/distrack"),
        "The data_dir of a distrack up, which may be running",
    ),
    setting(
        "data_dir",
        &[Up],
        "DIR",
        Found("$XDG_DATA_HOME/distrack or ~/.local/share/distrack"),
        "Where tasks and the workers' state are kept",
    ),
    setting("workers", &[Up], "N", Text("1"), "How many workers to start"),
    setting(
        "slots",
        &[Up, Worker],
        "N",
        Found("16 for each core"),
        "How many commands a worker runs at once; commands mostly wait",
    ),
    list("queues", &[Up, Worker], "QUEUE,...", Found("all"), "The queues that the worker serves"),
    list(
        "labels",
        &[Up, Worker],
        "KEY=VALUE,...",
        Found("none"),
        "What the worker has, for tasks that require it",
    ),
    setting("worker_name", &[Worker], "NAME", Found("the host's name"), "What people call this worker"),
    setting(
        "worker_address",
        &[Worker],
        "HOST",
        Found("the address it listens on, or the one that faces the coordinator"),
        "The host at which coordinators are told to reach this worker; the port is worker_port's",
    ),
    setting(
        "output_dir",
        &[Up, Worker],
        "DIR",
        Text("worker_output"),
        "Where what commands print is kept: DIR/<task id>/<attempt>.stdout and .stderr",
    ),
    setting(
        "state_dir",
        &[Worker],
        "DIR",
        Found(
            "$XDG_STATE_HOME/distrack/worker or ~/.local/state/distrack/worker; with -PORT for another port than 8000",
        ),
        "Where the worker keeps its identity and results not yet delivered; one folder for each worker",
    ),
    setting(
        "drain_timeout",
        &[Up, Worker],
        "DURATION",
        Text("30s"),
        "How long running commands may go on after SIGTERM or Ctrl-C",
    ),
    setting(
        "kill_grace",
        &[Up, Worker],
        "DURATION",
        Text("5s"),
        "How long a command that is stopped has between SIGTERM and SIGKILL",
    ),
    setting(
        "on_disconnect",
        &[Up, Worker],
        "WAY",
        Text("keep"),
        "What becomes of running commands when no coordinator answers: keep, or stop, which ends them before \
         the worker counts as lost, so that none runs beside its next attempt",
    ),
    setting(
        "isolation",
        &[Up, Worker],
        "MEANS",
        Text("auto"),
        "How the limits below are held: cgroup gives each command a control group (v2) of its own, and a worker that \
         cannot have them does not start; rlimits uses the kernel's resource limits; auto uses what there is, and \
         nothing without a limit or run_as",
    ),
    setting(
        "limit_memory",
        &[Up, Worker],
        "BYTES",
        Found("none"),
        "How much memory a command may have, such as 512M: with all that it starts in a control group, else the \
         addresses of each of its processes",
    ),
    setting(
        "limit_processes",
        &[Up, Worker],
        "N",
        Found("none"),
        "How many processes and threads a command may have; without a control group, how many its user has on the \
         whole machine",
    ),
    setting(
        "limit_file_size",
        &[Up, Worker],
        "BYTES",
        Found("none"),
        "How large a file a command may write; what it prints is not meant",
    ),
    setting(
        "limit_cpu_seconds",
        &[Up, Worker],
        "N",
        Found("none"),
        "How many seconds each process of a command may compute",
    ),
    setting(
        "limit_open_files",
        &[Up, Worker],
        "N",
        Found("none"),
        "How many files each process of a command may have open",
    ),
    setting(
        "run_as",
        &[Up, Worker],
        "USER[:GROUP]",
        Found("the worker's own user"),
        "Whom commands run as; needs a worker that is root or has CAP_SETUID and CAP_SETGID",
    ),
    setting(
        "no_new_privs",
        &[Up, Worker],
        "BOOL",
        Text("true"),
        "Whether commands can gain no privileges; false for those that need sudo",
    ),
    list(
        "allow_command",
        &[Up, Worker],
        "PATH,...",
        Found("any"),
        "The only programs that may run, by their absolute paths, each without a shell: a task must give its command \
         as argv",
    ),
    setting(
        "heartbeat_interval",
        &[Up, Coordinator],
        "DURATION",
        Text("5s"),
        "How often workers say that they live",
    ),
    setting(
        "lost_after",
        &[Up, Coordinator],
        "DURATION",
        Text("30s"),
        "How long after its last heartbeat a worker counts as lost; at least 3 heartbeat intervals",
    ),
    setting(
        "retention",
        &[Up, Coordinator],
        "DURATION",
        Text("14d"),
        "How long a task is kept after it has ended",
    ),
    setting(
        "audit_retention",
        &[Up, Coordinator],
        "DURATION",
        Text("90d"),
        "How long it is kept who submitted, cancelled and retried tasks",
    ),
    list(
        "allowed_hosts",
        &[Up, Scheduler],
        "HOST,...",
        Found("none"),
        "Names besides localhost under which the API is reached; a request for another Host is refused",
    ),
    setting(
        "auth",
        &[Up, Scheduler],
        "MODE",
        Found("local if scheduler_port is on loopback; otherwise it must be given"),
        "Who may use the API: local lets callers of this machine in and everybody else by a token (distrack token \
         create), tokens wants a token of everybody",
    ),
    setting(
        "insecure_no_auth",
        &[Up, Scheduler, Coordinator, Worker],
        "BOOL",
        Text("false"),
        "Let everybody who reaches this service run commands on the fleet, without any check",
    ),
    setting(
        "rate_limit",
        &[Up, Scheduler],
        "N",
        Text("1000"),
        "The most requests a second by one token; 0 for no limit. Callers without a token have none",
    ),
    setting(
        "max_requests",
        &[Up, Scheduler],
        "N",
        Text("1024"),
        "The most requests worked on at once; one more gets 503. Those that only wait for a task's end do not count",
    ),
    setting(
        "canary_interval",
        &[Up, Scheduler],
        "DURATION",
        Text("0s"),
        "How often to schedule a task of its own that must complete, for the distrack_canary metrics; 0s for never",
    ),
    setting("canary_queue", &[Up, Scheduler], "QUEUE", Text("default"), "The queue of those tasks"),
    setting(
        "trace_mode",
        &[Up, Coordinator],
        "MODE",
        Text("auto"),
        "Whether attempts are in their submission's trace (child) or in linked ones of their own (link); auto is \
         child for a first attempt within 15 minutes of the submission",
    ),
    setting(
        "trace_command",
        &[Up, Worker],
        "BOOL",
        Text("false"),
        "Whether spans show command lines, which may hold secrets",
    ),
    setting(
        "jaeger_url",
        &[Up, Scheduler],
        "URL",
        Found("none"),
        "Where people reach a Jaeger that has the traces, such as http://localhost:16686; the API's answers then \
         link to it",
    ),
    setting("wait", &[Migrate], "DURATION", Text("30s"), "How long to wait for the database to answer"),
    setting(
        "token_file",
        &[Client, Bench],
        "FILE",
        Found("the variable DISTRACK_TOKEN"),
        "A file with the token to show to the scheduler; the token itself is never an argument",
    ),
    setting("server", &[Client, Bench], "URL", Text("http://localhost:8081"), "The scheduler to talk to"),
    setting(
        "tls_ca",
        &[Client, Health, Bench],
        "FILE",
        Found("the system's"),
        "The authority (PEM) that signed the certificate of an https:// server",
    ),
    setting(
        "log_format",
        &[Up, Scheduler, Coordinator, Worker, Migrate],
        "FORMAT",
        Text("auto"),
        "auto, json or pretty; auto is pretty on a terminal and json otherwise. Logs go to standard error",
    ),
    setting(
        "log",
        &[Up, Scheduler, Coordinator, Worker, Migrate],
        "FILTER",
        Text("info"),
        "What to log, such as debug or info,distrack_worker=debug",
    ),
    setting(
        "config",
        &[Up, Scheduler, Coordinator, Worker, Migrate, Token, Health, Client, Bench],
        "FILE",
        Found("none"),
        "A TOML file with settings by these names, for any role: slots = 8",
    ),
];
