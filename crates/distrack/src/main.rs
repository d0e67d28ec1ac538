//! distrack: schedules shell commands and runs them on a fleet. One binary, whose roles are subcommands.
//!
//! Start reading at [`cli`], which makes a [`cli::Plan`] of the command line and the settings; [`roles`] and
//! [`client`] carry it out.

mod argv;
mod banner;
mod bench;
mod cert;
mod certificate;
mod cli;
mod client;
mod exits;
mod measured;
mod roles;
mod say;
mod settings;
mod shutdown;
mod telemetry;
mod token;
mod wiring;

use std::process::ExitCode;
use std::time::Duration;

use cli::Stop;
use say::say;
use settings::Environment;

/// How long what blocks a thread, such as a write to a disk that hangs, may keep the process once all is done.
const LAST_STEPS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    // A worker starts this program again for a command that is to be held to something.
    if std::env::args_os().skip(1).eq([distrack_worker::STARTER]) {
        return distrack_worker::start_command();
    }
    let plan = match cli::plan(std::env::args_os(), Environment::of_process()) {
        Ok(plan) => plan,
        Err(stop) => return ExitCode::from(refuse(stop)),
    };
    // Never one thread alone: a step that holds it would hold the heartbeats too.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).max(2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(roles::run(plan));
            runtime.shutdown_timeout(LAST_STEPS);
            ExitCode::from(code)
        }
        Err(error) => {
            say(format_args!("distrack: no threads can be started: {error}"));
            ExitCode::from(exits::FAILED)
        }
    }
}

/// Says why there is nothing to do.
fn refuse(stop: Stop) -> u8 {
    match stop {
        Stop::Help(argv::Help(help)) => {
            // Help that nobody reads, such as into a closed pipe, is no failure.
            let _ = help.print();
            u8::try_from(help.exit_code()).unwrap_or(exits::USAGE)
        }
        Stop::Wrong { problems, help } => {
            say(format_args!("{problems}\nTry: {help}"));
            exits::USAGE
        }
    }
}
