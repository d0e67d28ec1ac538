//! Which database: one URL, or the `POSTGRES_*` variables composed into one. Its password is never shown.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

use super::environment::Environment;

/// A database's URL. Shows itself without its password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// A Postgres.
    Postgres(Secret),
    /// A file of SQLite.
    Sqlite(PathBuf),
}

/// A URL with a password in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Url);

impl Secret {
    /// The URL, password and all. For the driver only.
    pub(crate) fn expose(&self) -> &str {
        self.0.as_str()
    }
}

/// The variables that name a Postgres piece by piece.
const PIECES: [&str; 6] =
    ["POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", PASSWORD, PASSWORD_FILE];

/// The password itself.
const PASSWORD: &str = "POSTGRES_PASSWORD";

/// A file with it, which no child and nobody who lists this process's variables gets to see.
const PASSWORD_FILE: &str = "POSTGRES_PASSWORD_FILE";

impl Database {
    /// Reads `postgres://…`, `postgresql://…` or `sqlite://path`. An error never repeats the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let known = "must be postgres://user:password@host:5432/name";
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let path = path.split('?').next().unwrap_or_default();
            if path.is_empty() || path == ":memory:" {
                return Err("must name a file: sqlite://path".to_owned());
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        let url = Url::parse(text).map_err(|error| format!("{known}: {error}"))?;
        match url.scheme() {
            "postgres" | "postgresql" => Ok(Self::Postgres(Secret(url))),
            other => Err(format!("{known}, not {}://", other.escape_debug())),
        }
    }

    /// The file of `distrack up` in its data folder.
    pub(crate) fn of_up(data_dir: &std::path::Path) -> Self {
        Self::Sqlite(data_dir.join("distrack.db"))
    }

    /// What spans call it: the name of the semantic conventions.
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgresql",
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// The host and port at which it is dialled; `None` for a file or a socket.
    pub(crate) fn dialled(&self) -> Option<(String, u16)> {
        let Self::Postgres(Secret(url)) = self else { return None };
        if url.query_pairs().any(|(name, _)| name == "host" || name == "port") {
            return None;
        }
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        Some((host.to_owned(), url.port().unwrap_or(5432)))
    }

    /// Composes a URL of the variables; `None` when nobody set one of them. Kubernetes is nobody.
    pub(crate) fn compose(environment: &Environment) -> Option<Result<Self, String>> {
        let given = |piece: &&str| environment.get(piece).is_some_and(|value| !is_kubernetes(value));
        if !PIECES.iter().any(given) {
            return None;
        }
        let get = |piece, default| environment.get(piece).unwrap_or(default);
        let password = match password(environment) {
            Ok(password) => password,
            Err(problem) => return Some(Err(problem)),
        };
        Some(compose(
            get("POSTGRES_HOST", "localhost"),
            get("POSTGRES_PORT", "5432"),
            get("POSTGRES_DB", "distrack"),
            get("POSTGRES_USER", "postgres"),
            password.as_deref(),
        ))
    }
}

/// The password, wherever it is given. A problem never repeats it.
fn password(environment: &Environment) -> Result<Option<String>, String> {
    let given = environment.get(PASSWORD).map(str::to_owned);
    let Some(path) = environment.get(PASSWORD_FILE) else { return Ok(given) };
    if given.is_some() {
        return Err(format!("{PASSWORD} and {PASSWORD_FILE} are both set: give one of them"));
    }
    let problem = |what: String| format!("{PASSWORD_FILE}={}: {what}", path.escape_debug());
    let text = std::fs::read_to_string(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
    // The end of a line is its end, as it is for the server that reads the same file; a space may be the password's.
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(problem("is empty".to_owned())),
        password => Ok(Some(password.to_owned())),
    }
}

fn compose(
    host: &str,
    port: &str,
    name: &str,
    user: &str,
    password: Option<&str>,
) -> Result<Database, String> {
    let port = if is_kubernetes(port) { "5432" } else { port };
    let port: u16 =
        port.parse().map_err(|_| format!("POSTGRES_PORT={}: must be a port", port.escape_debug()))?;
    let wrong_host = || format!("POSTGRES_HOST={}: must be a host", host.escape_debug());
    let (host, query) = if host.starts_with('/') {
        ("localhost".to_owned(), format!("?host={}", encoded(host)))
    } else {
        (super::values::host(host).map_err(|_| wrong_host())?, String::new())
    };
    let password = password.map(|password| format!(":{}", encoded(password))).unwrap_or_default();
    let (user, address, name) = (encoded(user), super::values::address(&host, port), encoded(name));
    let url = Url::parse(&format!("postgres://{user}{password}@{address}/{name}{query}"));
    Ok(Database::Postgres(Secret(url.map_err(|_| wrong_host())?)))
}

/// Kubernetes sets `POSTGRES_PORT=tcp://10.0.0.1:5432` for a service named postgres.
fn is_kubernetes(value: &str) -> bool {
    value.starts_with("tcp://")
}

/// Percent-encodes whatever might mean something in a URL, the percent sign itself included.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        // The query may hold a password too; nothing in it is worth showing.
        url.set_query(None);
        if url.password().is_some() {
            let _ = url.set_password(Some("***"));
        }
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => url.fmt(f),
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
