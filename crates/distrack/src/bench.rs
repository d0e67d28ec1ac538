//! `distrack bench`: its command line, and how what it finds ends the program. What it does is in a crate of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command};
use distrack_bench::{DatabaseUrl, Load, Own, Server, Settings, Target, Unreachable, Verdict, Workload};

use crate::client::{self, Args, Token, Trusted};
use crate::say::say;
use crate::settings::{Database, Problems, Reader, values};
use crate::{exits, shutdown};

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Bench(Settings);

impl Bench {
    /// Adds the command's own arguments.
    pub(crate) fn arguments(command: Command) -> Command {
        let flag = |name: &'static str, value: &'static str, help: &'static str| {
            Arg::new(name).long(name).value_name(value).help(help)
        };
        let switch = |name: &'static str, help: &'static str| {
            Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
        };
        command
            .arg(
                Arg::new("workload")
                    .value_name("WORKLOAD")
                    .num_args(0..)
                    .help("What to measure [default: shell noop latency submit]"),
            )
            .arg(switch("self", "Start a distrack for the run, with nothing set up, and throw it away"))
            .arg(flag("workers", "N", "With --self: how many workers").default_value("1"))
            .arg(flag("coordinators", "N", "With --self and a database_url: how many").default_value("1"))
            .arg(flag("slots", "N", "With --self: slots of each worker [default: the worker's own]"))
            .arg(
                flag("rounds", "N", "How often each is measured; the median is the figure")
                    .default_value("3"),
            )
            .arg(flag("tasks", "N", "Tasks of a round [default: by workload]"))
            .arg(flag(
                "duration",
                "DURATION",
                "How long a round of submit, deep, mixed or soak lasts [default: by workload]",
            ))
            .arg(flag(
                "rate",
                "N",
                "Tasks a second in latency, deep, mixed and soak [default: by what it can do]",
            ))
            .arg(flag("connections", "N", "Connections that submit").default_value("64"))
            .arg(flag("backlog", "N", "deep: how many wait").default_value("1000000"))
            .arg(
                flag("executor", "EXECUTOR", "deep: what runs the tasks, noop or process")
                    .default_value("noop"),
            )
            .arg(flag("queue", "QUEUE", "The queue of all tasks").default_value("default"))
            .arg(switch("json", "Write one JSON document, whose fields docs/bench.md describes"))
            .arg(flag("against", "FILE", "Compare with an earlier run's JSON, ratio by ratio"))
            .arg(flag(
                "fail_below",
                "RATIO",
                "With --against: exit with 1 if a figure is below so much of its earlier self",
            ))
    }

    /// Reads the arguments.
    pub(crate) fn read(matches: &ArgMatches, reader: &mut Reader<'_>) -> Option<Self> {
        let database_url = database_url(reader);
        let running = running(reader);
        let server_is_named = reader.given("server").is_some_and(|given| given.is_flag());
        let environment = reader.layers().environment();
        let mut variables: Vec<_> = environment.beginning("OTEL_").collect();
        variables.extend(environment.for_commands().into_iter().filter(|(name, _)| name != "HOME"));
        let mut args = Args::new(matches, reader.problems());
        let own = own(&mut args, variables);
        let target = match (args.is_on("self"), server_is_named) {
            (true, true) => {
                args.problems().add("--self starts a distrack of its own: leave --server away, or --self");
                None
            }
            (true, false) => own.map(Target::Own),
            (false, _) => running.map(Target::Running),
        };
        let texts = args.texts("workload");
        let workloads = if texts.is_empty() {
            Workload::DEFAULT.into()
        } else {
            texts.iter().filter_map(|text| noted(args.problems(), text.parse())).collect()
        };
        let load = load(&mut args);
        let rounds = count(&mut args, "rounds", 100);
        let against = args.text("against").map(Into::into);
        let fail_below = args.one("fail_below", positive);
        if fail_below.is_some() && against.is_none() {
            args.problems().add("--fail_below: needs --against=FILE, to compare with");
        }
        let json = args.is_on("json");
        Some(Self(Settings {
            target: target?,
            workloads,
            database_url: database_url?,
            load: load?,
            rounds: rounds?,
            against,
            fail_below,
            json,
        }))
    }

    /// Measures; returns the exit code.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let stop = shutdown::signals().context("signals cannot be heard")?.drain;
        match Box::pin(distrack_bench::run(self.0, stop.cancelled_owned())).await {
            Ok(Verdict::Good) => Ok(exits::OK),
            Ok(Verdict::Unsound | Verdict::Slower) => Ok(exits::FAILED),
            Ok(Verdict::Stopped) => Ok(exits::INTERRUPTED),
            Err(error) if error.is::<Unreachable>() => {
                say(format_args!("distrack: {error}"));
                Ok(exits::UNREACHABLE)
            }
            Err(error) => Err(error),
        }
    }
}

fn noted<T>(problems: &mut Problems, read: Result<T, String>) -> Option<T> {
    read.map_err(|problem| problems.add(problem)).ok()
}

/// `Some(None)` if none is named.
fn database_url(reader: &mut Reader<'_>) -> Option<Option<DatabaseUrl>> {
    if reader.given("database_url").is_none() {
        return Some(None);
    }
    match reader.one("database_url", Database::parse)? {
        Database::Postgres(url) => Some(Some(DatabaseUrl(url.expose().to_owned()))),
        Database::Sqlite(_) => {
            reader
                .problems()
                .add("database_url: must be a postgres://…; with --self and without it, SQLite is used");
            None
        }
    }
}

fn running(reader: &mut Reader<'_>) -> Option<Server> {
    let server = reader.one("server", client::server);
    let token = Token::read(reader).map(|token| token.header());
    let server = server?;
    let trusted = Trusted::read(reader, &server)?;
    let tls = (server.scheme() == "https").then(|| Arc::new(trusted.config()));
    let uri = noted(reader.problems(), server.as_str().parse().map_err(|error| format!("server: {error}")))?;
    Some(Server { uri, token, tls })
}

fn own(args: &mut Args<'_>, variables: Vec<(String, String)>) -> Option<Own> {
    let [workers, coordinators] = ["workers", "coordinators"].map(|name| count(args, name, 1_000));
    let slots = args.text("slots").map(|_| count(args, "slots", 10_000));
    let slots = match slots {
        Some(slots) => Some(slots?),
        None => None,
    };
    let program =
        std::env::current_exe().map_err(|error| format!("this program cannot be found again: {error}"));
    let program = noted(args.problems(), program)?;
    Some(Own { program, workers: workers?, coordinators: coordinators?, slots, variables })
}

fn load(args: &mut Args<'_>) -> Option<Load> {
    let tasks = optional(args, "tasks", |text| number(text, 10_000_000));
    let duration = optional(args, "duration", values::positive_duration);
    let rate = optional(args, "rate", positive);
    let connections = count(args, "connections", 1_000);
    let backlog = count(args, "backlog", 1_000_000_000);
    let executor = args.one("executor", |text| match text {
        "noop" | "process" => Ok(text.to_owned()),
        _ => Err("must be noop or process".to_owned()),
    });
    let queue = args.one("queue", |text| text.parse::<distrack_core::QueueName>().map(String::from));
    let (tasks, duration, rate): (_, Option<Duration>, _) = (tasks?, duration?, rate?);
    let (connections, backlog) = (connections?, backlog?);
    Some(Load { tasks, duration, rate, connections, backlog, executor: executor?, queue: queue? })
}

/// `Some(None)` if it is not given.
fn optional<T>(
    args: &mut Args<'_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<Option<T>> {
    match args.text(name) {
        None => Some(None),
        Some(_) => args.one(name, parse).map(Some),
    }
}

fn count(args: &mut Args<'_>, name: &str, most: i64) -> Option<usize> {
    args.one(name, |text| number(text, most))
}

fn number(text: &str, most: i64) -> Result<usize, String> {
    values::number(text, 1, most).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "must be a number above 0".to_owned())
}
