//! `distrack token`: makes, lists and revokes tokens, straight in the database.

use std::time::Duration;

use anyhow::anyhow;
use clap::{Arg, ArgAction, ArgMatches, Command};
use distrack_core::{QueueName, Scopes};
use distrack_store::{NewToken, Schema, ShownToken, StoreError, Token as Stored, TokenState};
use serde_json::{Value, json};

use crate::client::{self, Args, Format};
use crate::say::say;
use crate::settings::roles::Tokens;
use crate::settings::{Database, Problems, Reader, values};
use crate::wiring::{self, Opened};
use crate::{exits, roles};

/// The longest name, in characters.
const MAX_NAME: usize = 64;

/// What to do, and where.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    database: Database,
    format: Format,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Create(Create),
    List,
    Revoke(String),
}

#[derive(Clone, Debug)]
struct Create {
    name: String,
    scopes: Scopes,
    queues: Option<Vec<QueueName>>,
    lifetime: Option<Duration>,
}

impl Token {
    /// Adds the command's own arguments.
    pub(crate) fn arguments(command: Command) -> Command {
        let flag = |name: &'static str, value: &'static str, help: &'static str| {
            Arg::new(name).long(name).value_name(value).help(help)
        };
        command
            .arg(Arg::new("action").value_name("ACTION").help("create, list or revoke"))
            .arg(
                Arg::new("subject")
                    .value_name("NAME|ID")
                    .help("The name of a new token; the id of one to revoke"),
            )
            .arg(
                flag(
                    "scope",
                    "SCOPE,...",
                    "create: what it may be used for: read, submit, cancel, admin (all of it)",
                )
                .action(ArgAction::Append),
            )
            .arg(
                flag(
                    "queues",
                    "QUEUE,...",
                    "create: the only queues whose tasks it sees and touches [default: all]",
                )
                .action(ArgAction::Append),
            )
            .arg(flag("expires", "DURATION", "create: how long it is good, such as 90d [default: for ever]"))
            .arg(flag("output", "FORMAT", "table, or json").short('o').default_value("table"))
    }

    /// Reads the arguments.
    pub(crate) fn read(matches: &ArgMatches, reader: &mut Reader<'_>) -> Option<Self> {
        let tokens = Tokens::read(reader);
        let mut args = Args::new(matches, reader.problems());
        let format = args.one("output", Format::parse);
        let (action, subject) = (args.text("action").unwrap_or_default(), args.text("subject"));
        let action = match action.as_str() {
            "create" => create(&mut args, subject).map(Action::Create),
            "list" => Some(Action::List),
            "revoke" => id(args.problems(), subject).map(Action::Revoke),
            "" => {
                args.problems().add("say what to do: distrack token create, list or revoke");
                None
            }
            other => {
                args.problems().add(format!("'{}': must be create, list or revoke", other.escape_debug()));
                None
            }
        };
        Some(Self { database: tokens?.database, format: format?, action: action? })
    }

    /// Does it; returns the exit code.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let database = self.database;
        if let Database::Sqlite(path) = &database
            && !path.exists()
        {
            say(format_args!(
                "distrack: there is no database at {}; distrack up makes it at its first start, --data_dir names \
                 another folder and --database_url another database",
                path.display()
            ));
            return Ok(exits::FAILED);
        }
        let opened = wiring::open(&database)?;
        let done = match self.action {
            Action::Create(create) => create.run(&opened, self.format).await,
            Action::List => list(&opened, self.format).await,
            Action::Revoke(id) => revoke(&opened, id, self.format).await,
        };
        match done {
            Ok(code) => Ok(code),
            Err(error) => {
                let schema = opened.store.schema().await;
                if let Ok(Schema::Older { found, needed }) = schema {
                    return Err(anyhow!(
                        "{database} is at migration {found}, this build needs {needed}: run distrack migrate, or \
                         start distrack up once"
                    ));
                }
                let reason = roles::migrate::reason(&database, &error).await;
                say(format_args!("distrack: cannot use {database}: {reason}"));
                Ok(if error.is_retryable() { exits::UNREACHABLE } else { exits::FAILED })
            }
        }
    }
}

fn create(args: &mut Args<'_>, subject: Option<String>) -> Option<Create> {
    let name = match subject {
        Some(name) => {
            let good = (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
            if !good {
                args.problems().add(format!("the name must be 1 to {MAX_NAME} printable characters"));
            }
            good.then_some(name)
        }
        None => {
            args.problems().add("the name is missing, as in: distrack token create ci --scope=submit,read");
            None
        }
    };
    let scopes: Scopes = args.many("scope", str::parse::<Scopes>).iter().flat_map(Scopes::iter).collect();
    if scopes.is_empty() {
        args.problems().add("--scope is missing: say what the token is for, such as --scope=submit,read");
    }
    let texts = args.texts("queues");
    let queues = match texts.is_empty() {
        true => None,
        // That of a variable which is not set, perhaps: it must not mean all of them.
        false => match values::queues(&texts) {
            Ok(queues) if queues.is_empty() => {
                args.problems()
                    .add("--queues: must name a queue; without the flag the token is for all of them");
                None
            }
            Ok(queues) => Some(queues),
            Err(problem) => {
                args.problems().add(format!("--queues={}: {problem}", texts.join(",").escape_debug()));
                None
            }
        },
    };
    let lifetime = args.one("expires", values::positive_duration);
    Some(Create { name: name?, scopes, queues, lifetime })
}

fn id(problems: &mut Problems, subject: Option<String>) -> Option<String> {
    let Some(subject) = subject else {
        problems.add("the token's id is missing; distrack token list shows it");
        return None;
    };
    // A whole token that somebody pastes here works too, and its secret goes nowhere.
    let id = subject.strip_prefix("dt_").unwrap_or(&subject);
    Some(id.split('_').next().unwrap_or_default().to_owned())
}

impl Create {
    async fn run(self, opened: &Opened, format: Format) -> Result<u8, StoreError> {
        let (text, ShownToken { id, secret_hash }) = ShownToken::draw();
        let token = NewToken {
            id,
            name: self.name,
            secret_hash,
            scopes: self.scopes,
            queues: self.queues,
            lifetime: self.lifetime,
        };
        let stored = opened.access.create_token(token).await?;
        let shown = match format {
            Format::Table => text,
            Format::Json => {
                let mut shown = of(&stored);
                shown["token"] = Value::String(text);
                shown.to_string()
            }
        };
        if client::line(&shown).is_err() {
            // Nobody has it, so nobody shall.
            opened.access.revoke_token(stored.id).await?;
            say("distrack: the token could not be written and is revoked again");
            return Ok(exits::FAILED);
        }
        say(format_args!(
            "distrack: token {} ({}) is made, for {} on {}, {}. It is not shown again.",
            stored.id,
            client::plain(&stored.name),
            stored.scopes,
            queues(&stored).unwrap_or_else(|| "all queues".to_owned()),
            stored.expires_at.map_or_else(|| "for ever".to_owned(), |at| format!("until {}", instant(at)))
        ));
        Ok(exits::OK)
    }
}

async fn list(opened: &Opened, format: Format) -> Result<u8, StoreError> {
    let tokens = opened.access.tokens().await?;
    let text = match format {
        Format::Json => json!({"tokens": tokens.iter().map(of).collect::<Vec<_>>()}).to_string(),
        Format::Table if tokens.is_empty() => "no tokens".to_owned(),
        Format::Table => {
            let head = ["ID", "NAME", "STATE", "SCOPES", "QUEUES", "EXPIRES AT", "LAST USED AT"];
            client::table(&head, &tokens.iter().map(row).collect::<Vec<_>>())
        }
    };
    Ok(if client::line(&text).is_ok() { exits::OK } else { exits::FAILED })
}

async fn revoke(opened: &Opened, id: String, format: Format) -> Result<u8, StoreError> {
    let Some(token) = opened.access.revoke_token(id.clone()).await? else {
        say(format_args!("distrack: there is no token {}", client::plain(&id)));
        return Ok(exits::NOT_FOUND);
    };
    if format == Format::Json {
        return Ok(if client::line(&of(&token).to_string()).is_ok() { exits::OK } else { exits::FAILED });
    }
    say(format_args!(
        "distrack: token {} ({}) is revoked; every scheduler refuses it within 5 seconds",
        token.id,
        client::plain(&token.name)
    ));
    Ok(exits::OK)
}

/// A token as a program reads it. Not even the hash of its secret is shown.
fn of(token: &Stored) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "state": state(token),
        "scopes": token.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "queues": token.queues,
        "created_at": instant(token.created_at),
        "expires_at": token.expires_at.map(instant),
        "last_used_at": token.last_used_at.map(instant),
        "revoked_at": token.revoked_at.map(instant),
    })
}

fn row(token: &Stored) -> Vec<String> {
    let or_dash = |at: Option<chrono::DateTime<chrono::Utc>>| at.map_or_else(|| "-".to_owned(), instant);
    vec![
        token.id.clone(),
        client::plain(&token.name),
        state(token).to_owned(),
        token.scopes.to_string(),
        queues(token).unwrap_or_else(|| "all".to_owned()),
        or_dash(token.expires_at),
        or_dash(token.last_used_at),
    ]
}

fn state(token: &Stored) -> &'static str {
    match token.state() {
        TokenState::Good(_) => "good",
        TokenState::Expired => "expired",
        TokenState::Revoked => "revoked",
    }
}

fn queues(token: &Stored) -> Option<String> {
    let queues = token.queues.as_ref()?.iter().map(QueueName::as_str);
    Some(queues.collect::<Vec<_>>().join(","))
}

fn instant(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
