//! `distrack cert`: a small authority for fleets that have none, and the certificates that it signs.

mod files;
mod make;
mod show;

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};
use rustls::pki_types::ServerName;

use crate::client::line;
use crate::exits;
use crate::settings::Problems;

/// The longest that a certificate may be good.
const MOST_DAYS: u32 = 3650;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cert {
    /// Make an authority in a folder.
    Init {
        /// The folder.
        folder: PathBuf,
    },
    /// Make a certificate that the folder's authority signs.
    Issue {
        /// The folder.
        folder: PathBuf,
        /// For whom.
        subject: Subject,
        /// The names and addresses of its host.
        hosts: Vec<String>,
        /// How long it is good.
        days: u32,
    },
    /// Tell what is in a certificate.
    Show {
        /// Its file.
        file: PathBuf,
    },
}

/// For whom a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Who hands out tasks.
    Coordinator,
    /// Who runs them.
    Worker,
    /// Who serves the HTTP API.
    Scheduler,
}

impl Subject {
    const ALL: [Self; 3] = [Self::Coordinator, Self::Worker, Self::Scheduler];

    /// Its name, and that of its files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
        }
    }

    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.name() == text)
    }
}

/// The command line.
pub(crate) fn command() -> Command {
    let text = |name: &'static str| Arg::new(name).long(name);
    Command::new("cert")
        .about("Make certificates for TLS between coordinators and workers, and for the API")
        .long_about(
            "init makes an authority: ca.pem, which coordinators, workers and client commands get as --tls_ca, and ca.key, \
             which stays where it is. issue makes ROLE.pem and ROLE.key, signed by it, for the --tls_cert and --tls_key \
             of a coordinator or worker, or of a scheduler, whose API is then HTTPS. Services read them again when they change, so that issue and a copy renew them. \
             show tells what is in a certificate.",
        )
        .after_help(
            "Examples:\n  distrack cert init\n  distrack cert issue coordinator\n  distrack cert issue worker --days=90\n  \
             distrack cert issue scheduler --host=scheduler.example.org\n  distrack cert show distrack-certs/worker.pem",
        )
        .args_override_self(true)
        .next_line_help(true)
        .arg(Arg::new("action").value_name("ACTION").help("init, issue or show"))
        .arg(Arg::new("of").value_name("ROLE or FILE").help("issue: coordinator, worker or scheduler; show: the file"))
        .arg(text("dir").value_name("DIR").default_value("distrack-certs").help("Where the authority is"))
        .arg(
            text("host").value_name("NAME").action(ArgAction::Append).help(
                "A name or address under which the service is reached, beside localhost; may be given several times",
            ),
        )
        .arg(text("days").value_name("N").default_value("365").help("How long the certificate is good"))
}

/// Reads its flags.
pub(crate) fn read(matches: &ArgMatches, problems: &mut Problems) -> Option<Cert> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let folder = PathBuf::from(text("dir").unwrap_or_default());
    match (text("action").unwrap_or_default(), text("of")) {
        ("init", None) => Some(Cert::Init { folder }),
        ("init", Some(_)) => problem(problems, "cert init takes no more than --dir"),
        ("issue", of) => {
            let days =
                text("days").and_then(|days| days.parse().ok()).filter(|days| (1..=MOST_DAYS).contains(days));
            let Some(days) = days else {
                return problem(problems, &format!("--days: must be a whole number from 1 to {MOST_DAYS}"));
            };
            let Some(subject) = of.and_then(Subject::read) else {
                return problem(problems, "cert issue: must say for whom: coordinator, worker or scheduler");
            };
            let hosts: Vec<String> =
                matches.get_many::<String>("host").into_iter().flatten().cloned().collect();
            if let Some(wrong) = hosts.iter().find(|host| ServerName::try_from(host.as_str()).is_err()) {
                let wrong = wrong.escape_debug();
                return problem(problems, &format!("--host={wrong}: must be a DNS name or an address"));
            }
            Some(Cert::Issue { folder, subject, hosts, days })
        }
        ("show", Some(file)) => Some(Cert::Show { file: PathBuf::from(file) }),
        ("show", None) => problem(problems, "cert show: must say which file"),
        _ => problem(problems, "cert: must be followed by init, issue or show"),
    }
}

fn problem(problems: &mut Problems, text: &str) -> Option<Cert> {
    problems.add(text);
    None
}

impl Cert {
    /// Does it; returns the exit code.
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        let said = match self {
            Self::Init { folder } => make::authority(&folder)?,
            Self::Issue { folder, subject, hosts, days } => make::issue(&folder, subject, &hosts, days)?,
            Self::Show { file } => show::show(&file)?,
        };
        // Said to nobody, such as into a closed pipe, it is done all the same.
        let _ = line(&said);
        Ok(exits::OK)
    }
}
