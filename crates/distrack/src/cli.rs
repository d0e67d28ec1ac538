//! The command line: which commands there are, their help, and from a match to a plan.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::argv::{self, Help};
use crate::bench::Bench;
use crate::cert::{self, Cert};
use crate::client::{self, Client};
use crate::exits;
use crate::roles::health::Health;
use crate::settings::table::{self, Fallback, Setting};
use crate::settings::{Environment, Flags, Layers, Problems, Reader, Role, roles, shared};
use crate::token::Token;

/// What to do.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub(crate) enum Plan {
    /// Run all services.
    Up(roles::Up, shared::Logs),
    /// Run one service.
    Scheduler(roles::Scheduler, shared::Logs),
    /// Run one service.
    Coordinator(roles::Coordinator, shared::Logs),
    /// Run one service.
    Worker(roles::Worker, shared::Logs),
    /// Bring the schema up.
    Migrate(roles::Migrate, shared::Logs),
    /// Make, list or revoke tokens.
    Token(Token),
    /// Make certificates.
    Cert(Cert),
    /// Ask a service.
    Health(Health),
    /// Measure a system.
    Bench(Bench),
    /// Talk to a scheduler.
    Client(Client),
}

/// Why there is nothing to do.
pub(crate) enum Stop {
    /// Help was asked for.
    Help(Help),
    /// The command line or the settings are wrong.
    Wrong {
        /// How.
        problems: Problems,
        /// The command that helps.
        help: String,
    },
}

/// Makes a plan of the arguments, the program's name first.
pub(crate) fn plan(args: impl IntoIterator<Item = OsString>, environment: Environment) -> Result<Plan, Stop> {
    let mut problems = Problems::default();
    let command = command();
    let args = argv::normalise(argv::help(argv::texts(args, &mut problems)), &command);
    let matched = argv::matches(&command, args, &mut problems).map_err(Stop::Help)?;
    let chosen = matched.as_ref().and_then(ArgMatches::subcommand);
    let plan = chosen.and_then(|(name, matches)| read(name, matches, environment, &mut problems));
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => {
            let name = chosen.map(|(name, _)| format!(" {name}")).unwrap_or_default();
            Err(Stop::Wrong { problems, help: format!("distrack{name} --help") })
        }
    }
}

fn read(name: &str, matches: &ArgMatches, environment: Environment, problems: &mut Problems) -> Option<Plan> {
    if name == "cert" {
        return cert::read(matches, problems).map(Plan::Cert);
    }
    let role = SERVICES.iter().find(|service| service.role.command() == name).map(|service| service.role);
    let role = role.unwrap_or(Role::Client);
    let layers = Layers::new(flags(role, matches), environment, problems);
    let mut reader = Reader::new(role, &layers, problems);
    let reader = &mut reader;
    Some(match role {
        Role::Up => both(roles::Up::read(reader), reader, Plan::Up)?,
        Role::Scheduler => both(roles::Scheduler::read(reader), reader, Plan::Scheduler)?,
        Role::Coordinator => both(roles::Coordinator::read(reader), reader, Plan::Coordinator)?,
        Role::Worker => both(roles::Worker::read(reader), reader, Plan::Worker)?,
        Role::Migrate => both(roles::Migrate::read(reader), reader, Plan::Migrate)?,
        Role::Token => Plan::Token(Token::read(matches, reader)?),
        Role::Health => Plan::Health(Health::read(matches, reader)?),
        Role::Bench => Plan::Bench(Bench::read(matches, reader)?),
        Role::Client => Plan::Client(client::read(name, matches, reader)?),
    })
}

fn both<T>(
    settings: Option<T>,
    reader: &mut Reader<'_>,
    plan: impl FnOnce(T, shared::Logs) -> Plan,
) -> Option<Plan> {
    let logs = shared::Logs::read(reader);
    Some(plan(settings?, logs?))
}

fn flags(role: Role, matches: &ArgMatches) -> Flags {
    let given = |setting: &Setting| {
        let values = matches.get_many::<String>(setting.name)?;
        Some((setting.name.to_owned(), values.cloned().collect()))
    };
    table::of(role).filter_map(given).collect()
}

struct Service {
    role: Role,
    about: &'static str,
    long: &'static str,
    examples: &'static str,
}

const SERVICES: [Service; 8] = [
    Service {
        role: Role::Up,
        about: "Start everything on this machine: one process, no database to set up",
        long: "Starts a scheduler, a coordinator and workers in this process, over a database in one file. \
               Ctrl-C lets running commands finish; a second one stops at once. Whatever was accepted is there \
               at the next start.",
        examples: "Examples:\n  distrack up\n  distrack up --workers=3 --slots=8\n  distrack up --data_dir=/var/lib/distrack --scheduler_port=:9091",
    },
    Service {
        role: Role::Scheduler,
        about: "The HTTP API: accepts tasks and answers questions about them",
        long: "Serves the HTTP API. Any number of equal schedulers may share a database; they start in any \
               order, before or after it.",
        examples: "Examples:\n  distrack scheduler --database_url=postgres://distrack:secret@db/distrack\n  POSTGRES_HOST=db POSTGRES_PASSWORD=secret distrack scheduler --scheduler_port=0.0.0.0:8081",
    },
    Service {
        role: Role::Coordinator,
        about: "Knows the workers, hands due tasks to them, records what becomes of them",
        long: "Hands due tasks to the workers that registered with it. Any number of equal coordinators may \
               share a database; nobody is a leader.",
        examples: "Examples:\n  distrack coordinator --database_url=postgres://distrack:secret@db/distrack\n  POSTGRES_HOST=db POSTGRES_PASSWORD=secret distrack coordinator --coordinator_port=0.0.0.0:8080 --cluster_token_file=cluster.token",
    },
    Service {
        role: Role::Worker,
        about: "Runs commands",
        long: "Runs the commands that a coordinator hands to it. Needs no database. SIGTERM lets running \
               commands finish for --drain_timeout.",
        examples: "Examples:\n  distrack worker --worker_port=:8000 --coordinator=localhost:8080\n  distrack worker --worker_port=:0 --metrics_port=:0 --coordinator=a:8080,b:8080 --labels=gpu=true",
    },
    Service {
        role: Role::Migrate,
        about: "Bring a database's schema up to this version, then exit",
        long: "Makes or updates the tables. Safe to run from many places at once, and again.",
        examples: "Examples:\n  distrack migrate --database_url=postgres://distrack:secret@db/distrack",
    },
    Service {
        role: Role::Token,
        about: "Make, list and revoke the tokens by which callers use the HTTP API",
        long: "Works on the database itself, also while schedulers run. create shows the new token once, on \
               standard output; callers send it as `Authorization: Bearer`, client commands take it from \
               DISTRACK_TOKEN or --token_file. A revoked token is refused within 5 seconds.",
        examples: "Examples:\n  distrack token create ci --scope=submit,read --expires=90d >token\n  distrack token create team-a --scope=admin --queues=team-a --database_url=postgres://distrack:secret@db/distrack\n  distrack token list\n  distrack token revoke 0123456789abcdef",
    },
    Service {
        role: Role::Health,
        about: "Ask a service on this machine whether it is ready; exit 0 or 1",
        long: "Asks a service's /readyz and says what it answers. Meant for container health checks: knows the \
               address from the same variables and file as the service.",
        examples: "Examples:\n  distrack health worker\n  distrack health --url=http://coordinator:9080",
    },
    Service {
        role: Role::Bench,
        about: "Measure a distrack, beside what the machine itself can do",
        long: "Measures a running distrack, or with --self one that it starts itself and throws away. Each figure \
               stands beside a calibrator: a loop that does the same to the machine without distrack, right before \
               and right after. The machine is another one each minute, so compare the ratios. Checks by the effects \
               that nothing was lost and nothing ran twice.\n\n\
               Workloads: shell (commands, all due at once), noop (the same without a process), latency (how soon a \
               task starts, idle and at half load), submit (submissions alone), deep (on time while very many wait), \
               mixed (writers, readers and cancels at once), soak (a steady load for long).\n\n\
               On a running distrack the tasks are real: they are labelled bench=RUN-N, and what still waits at the end \
               is cancelled.",
        examples: "Examples:\n  distrack bench --self\n  distrack bench --self shell --tasks=20000 --workers=2\n  \
                   distrack bench --self --database_url=postgres://me:secret@localhost/postgres --json >before.json\n  \
                   distrack bench --self --database_url=postgres://me:secret@localhost/postgres --against=before.json\n  \
                   distrack bench --url=http://scheduler:8081 latency submit",
    },
];

const ABOUT: &str =
    "distrack runs shell commands at a given time, on one machine or a fleet, and shows how each ended.

To try it, start everything in one terminal:     distrack up
and run a command from another one:              distrack submit --wait -- echo hello";

const SETTINGS_HELP: &str =
    "A setting is taken from its flag, else its variable, else the --config file, else its default.
In flags, hyphens and underscores are the same. Durations look like 500ms, 5s, 1h or 14d.";

/// The whole command line.
pub(crate) fn command() -> Command {
    let services = SERVICES.iter().map(service);
    Command::new("distrack")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(format!("{SETTINGS_HELP}\n\n{}", exits::HELP))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .max_term_width(110)
        .subcommands(services)
        .subcommand(cert::command())
        .subcommands(client::commands().into_iter().map(|command| with_settings(command, Role::Client)))
}

fn service(service: &Service) -> Command {
    let command = Command::new(service.role.command())
        .about(service.about)
        .long_about(service.long)
        .after_help(service.examples);
    let command = match service.role {
        Role::Health => Health::arguments(command),
        Role::Token => Token::arguments(command),
        Role::Bench => Bench::arguments(command),
        Role::Up | Role::Scheduler | Role::Coordinator | Role::Worker | Role::Migrate | Role::Client => {
            command
        }
    };
    with_settings(command, service.role)
}

/// Adds the flags of a role's settings.
fn with_settings(command: Command, role: Role) -> Command {
    command.args_override_self(true).next_line_help(true).args(table::of(role).map(argument))
}

fn argument(setting: &Setting) -> Arg {
    let variables = setting.variables().join(", ");
    let default = match setting.default {
        Fallback::Text(default) | Fallback::Found(default) => default,
    };
    let action = if setting.list { ArgAction::Append } else { ArgAction::Set };
    let argument = Arg::new(setting.name).long(setting.name).value_name(setting.value).action(action);
    // A warning that one sets says yes by itself.
    let argument = match setting.name {
        "insecure_no_auth" => argument.num_args(0..=1).default_missing_value("true"),
        // What a thing to be measured is called elsewhere, and of health.
        "server" => argument.visible_alias("url"),
        _ => argument,
    };
    argument.help(format!("{} [env: {variables}] [default: {default}]", setting.help))
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "cli_fuzz.rs"]
mod fuzz;
