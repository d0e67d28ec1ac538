//! `distrack health`: asks a service's `/readyz`, for container health checks.

use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use reqwest::Url;

use crate::client::Trusted;
use crate::settings::shared::listen;
use crate::settings::{Listen, Reader, Role, values};
use crate::{client, exits};

const LIMIT: Duration = Duration::from_secs(5);

/// Whom to ask.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    url: Url,
    trusted: Trusted,
}

impl Health {
    /// Adds the command's own arguments.
    pub(crate) fn arguments(command: Command) -> Command {
        command
            .arg(
                Arg::new("role")
                    .value_name("SERVICE")
                    .default_value("scheduler")
                    .help("scheduler, coordinator or worker"),
            )
            .arg(Arg::new("url").long("url").value_name("URL").help(
                "Ask here instead of on this machine, such as http://worker:9000 [default: http://HOST:PORT, or \
                 https:// with a tls_cert, of the service's scheduler_port or metrics_port]",
            ))
    }

    /// Reads the arguments; the address comes from the settings of the service that is asked.
    pub(crate) fn read(matches: &ArgMatches, reader: &mut Reader<'_>) -> Option<Self> {
        let name = matches.get_one::<String>("role").map_or("", String::as_str);
        let known = [Role::Scheduler, Role::Coordinator, Role::Worker];
        let role = known.into_iter().find(|role| role.command() == name);
        if role.is_none() {
            let name = name.escape_debug();
            reader.problems().add(format!("'{name}': must be scheduler, coordinator or worker"));
        }
        if let Some(text) = matches.get_one::<String>("url") {
            let url = client::server(text);
            let note = |message| reader.problems().add(format!("--url={}: {message}", text.escape_debug()));
            let url = ready(url.map_err(note).ok()?);
            return Some(Self { trusted: Trusted::read(reader, &url)?, url });
        }
        let role = role?;
        let setting = if role == Role::Scheduler { "scheduler_port" } else { "metrics_port" };
        let layers = reader.layers();
        let mut service = Reader::new(role, layers, reader.problems());
        let bind = service.one("bind", values::host)?;
        let listen = listen(&mut service, setting, &bind)?;
        // Others have their metrics without TLS.
        let is_secure = role == Role::Scheduler && service.given("tls_cert").is_some();
        if listen.port == 0 {
            reader
                .problems()
                .add(format!("{setting} is a free port, which only the service knows: give --url"));
            return None;
        }
        let scheme = if is_secure { "https" } else { "http" };
        let url = ready(client::server(&format!("{scheme}://{}", dialled(&listen))).ok()?);
        Some(Self { trusted: Trusted::read(reader, &url)?, url })
    }

    /// Asks; returns the exit code.
    pub(crate) async fn run(self) -> u8 {
        let asked = client::http(&self.url, &self.trusted).get(self.url.clone()).timeout(LIMIT).send();
        let (code, text) = match asked.await {
            Ok(response) if response.status().is_success() => (exits::OK, "ready".to_owned()),
            Ok(response) => {
                let status = response.status();
                let reason = response.text().await.unwrap_or_default();
                let reason = reason.lines().next().unwrap_or_default().trim();
                (exits::FAILED, format!("not ready ({status}): {reason}"))
            }
            Err(error) if error.is_timeout() => (exits::FAILED, "not ready: no answer in time".to_owned()),
            Err(error) => (exits::FAILED, format!("not ready: {}", client::reason(&error))),
        };
        if client::line(&format!("{} {text}", self.url)).is_err() {
            return exits::FAILED;
        }
        code
    }
}

/// A service that listens everywhere is asked on this machine.
fn dialled(listen: &Listen) -> String {
    let host = match listen.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    values::address(host, listen.port)
}

fn ready(mut url: Url) -> Url {
    if !url.path().ends_with("/readyz") {
        url.path_segments_mut().expect("server() let only http through").pop_if_empty().push("readyz");
    }
    url
}
