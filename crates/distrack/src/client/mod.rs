//! The commands that talk to a scheduler over HTTP. They know its API and nothing else of distrack.

mod api;
mod args;
mod audit;
mod change;
mod failure;
mod list;
mod logs;
mod output;
mod spans;
mod submit;
mod terminal;
mod tls;
mod token;
mod trace;
mod view;
mod waterfall;
mod why;

use clap::{Arg, ArgMatches, Command};
use reqwest::Url;

use audit::Audit;
use change::Change;
use failure::Failure;
use list::List;
use logs::Logs;
use submit::Submit;
use trace::Trace;
use view::View;
use why::Why;

pub(crate) use api::{http, server};
pub(crate) use args::Args;
pub(crate) use failure::reason;
pub(crate) use output::{Format, line, plain, table};
pub(crate) use tls::Trusted;
pub(crate) use token::Token;

use crate::exits;
use crate::settings::Reader;

/// A client command, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    server: Url,
    trusted: Trusted,
    token: Option<Token>,
    format: Format,
    request: Request,
}

#[derive(Clone, Debug)]
enum Request {
    Submit(Submit),
    View(View),
    Logs(Logs),
    List(List),
    Audit(Audit),
    Change(Change),
    Why(Why),
    Trace(Trace),
}

/// The command lines, in the order of the help.
pub(crate) fn commands() -> Vec<Command> {
    let [status, workers, queues] = view::commands();
    let [cancel, retry] = change::commands();
    [
        submit::command(),
        status,
        why::command(),
        trace::command(),
        logs::command(),
        list::command(),
        cancel,
        retry,
        workers,
        queues,
        audit::command(),
    ]
    .map(|command| {
        command.arg(
            Arg::new("output")
                .long("output")
                .short('o')
                .value_name("FORMAT")
                .default_value("table")
                .help("table, or json for the API's answer unchanged"),
        )
    })
    .into()
}

/// Reads the flags of the command `name`.
pub(crate) fn read(name: &str, matches: &ArgMatches, reader: &mut Reader<'_>) -> Option<Client> {
    let server = reader.one("server", server);
    let trusted = server.as_ref().and_then(|server| Trusted::read(reader, server));
    let token = Token::read(reader);
    let environment = reader.layers().environment();
    let mut args = Args::new(matches, reader.problems());
    let format = args.one("output", Format::parse);
    let request = match name {
        "submit" => submit::read(args, environment).map(Request::Submit),
        "status" => view::read_status(args).map(Request::View),
        "workers" => Some(Request::View(View::Workers)),
        "queues" => Some(Request::View(View::Queues)),
        "why" => why::read(args).map(Request::Why),
        "trace" => trace::read(args, environment).map(Request::Trace),
        "logs" => logs::read(args).map(Request::Logs),
        "list" => list::read(args).map(Request::List),
        "audit" => audit::read(args).map(Request::Audit),
        "cancel" => change::read("cancel", args).map(Request::Change),
        "retry" => change::read("retry", args).map(Request::Change),
        _ => None,
    };
    Some(Client { server: server?, trusted: trusted?, token, format: format?, request: request? })
}

/// Sends the command and shows the answer; returns the exit code.
pub(crate) async fn run(client: Client) -> u8 {
    let api = api::Api::new(client.server, &client.trusted, client.token);
    let format = client.format;
    let done = match client.request {
        Request::Submit(submit) => submit.run(&api, format).await,
        Request::View(view) => view.run(&api, format).await.map(|()| exits::OK),
        Request::Logs(logs) => logs.run(&api, format).await.map(|()| exits::OK),
        Request::List(list) => list.run(&api, format).await.map(|()| exits::OK),
        Request::Audit(audit) => audit.run(&api, format).await.map(|()| exits::OK),
        Request::Why(why) => why.run(&api, format).await.map(|()| exits::OK),
        Request::Trace(trace) => trace.run(&api, format).await.map(|()| exits::OK),
        Request::Change(change) => Ok(change.run(&api, format).await),
    };
    done.unwrap_or_else(|failure: Failure| failure.say())
}
