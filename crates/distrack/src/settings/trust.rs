//! How coordinators and workers know each other: the cluster's token and their certificates; and the API's certificate.

use std::path::PathBuf;
use std::sync::Arc;

use distrack_transport::{ClusterToken, Role, Security, ServerTls, Tls, TlsFiles};

use super::reader::Reader;
use super::shared::folder;
use super::values::{self, Listen};

/// The variable with the token itself. There is no such flag: everybody on a machine can read command lines.
const TOKEN: &str = "DISTRACK_CLUSTER_TOKEN";

/// Whom a service trusts.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) security: Security,
    /// Whether nobody is to be asked anything, wherever he comes from.
    pub(crate) is_open: bool,
}

impl Trust {
    /// Nobody is let in from elsewhere by an oversight: a listener that others can reach asks who they are. The metrics
    /// port is not meant: it is only read.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        port: &str,
        listen: Option<&Listen>,
        role: Role,
    ) -> Option<Self> {
        let token = token(reader);
        let tls = tls(reader, role);
        let insecure = reader.one("insecure_no_auth", values::switch);
        let (token, tls, insecure) = (token?, tls?, insecure?);
        let security = Security { token, tls };
        let is_open = security.is_off() && insecure;
        let refused = security.is_off() && !insecure;
        if let Some(listen) = listen.filter(|listen| refused && !listen.is_loopback()) {
            reader.problems().add(format!(
                "{port} is {listen}, where others can reach it, and nothing says who may use it. Give\n    \
                 --cluster_token_file=FILE                   with a secret that all coordinators and workers share \
                 (or {TOKEN}),\n    \
                 --tls_cert=FILE --tls_key=FILE --tls_ca=FILE  so that they know each other by certificates (distrack \
                 cert makes them), or both.\n  \
                 Without any check, for --insecure_no_auth, everybody who reaches it runs commands on the fleet"
            ));
        }
        Some(Self { security, is_open })
    }

    /// For services of one process: they have a token of their own, so that nobody else on the machine can join them,
    /// unless one is given, with which others can.
    pub(super) fn of_one_process(reader: &mut Reader<'_>) -> Option<Self> {
        let token = token(reader)?.unwrap_or_else(|| Arc::new(ClusterToken::random()));
        Some(Self { security: Security { token: Some(token), tls: None }, is_open: false })
    }
}

/// None for a problem, which is noted.
fn token(reader: &mut Reader<'_>) -> Option<Option<Arc<ClusterToken>>> {
    let variable = reader.layers().environment().get(TOKEN).map(str::to_owned);
    if reader.given("cluster_token_file").is_some() {
        if variable.is_some() {
            reader.problems().add(format!("cluster_token_file and {TOKEN} are both set: give one of them"));
            return None;
        }
        let file = |path: &str| ClusterToken::file(PathBuf::from(path));
        return reader.one("cluster_token_file", file).map(|token| Some(Arc::new(token)));
    }
    let Some(variable) = variable else { return Some(None) };
    match ClusterToken::new(&variable) {
        Ok(token) => Some(Some(Arc::new(token))),
        Err(error) => {
            reader.problems().add(format!("{TOKEN}: {error}"));
            None
        }
    }
}

/// None for a problem, which is noted.
fn tls(reader: &mut Reader<'_>, role: Role) -> Option<Option<Arc<Tls>>> {
    let names = ["tls_cert", "tls_key", "tls_ca"];
    let Some([cert, key, ca]) = together(reader, names)? else { return Some(None) };
    match Tls::new(TlsFiles { cert, key, ca }, role) {
        Ok(tls) => Some(Some(Arc::new(tls))),
        Err(error) => {
            reader.problems().add(error);
            None
        }
    }
}

/// What makes the API HTTPS; none for a problem, which is noted.
pub(super) fn server_tls(reader: &mut Reader<'_>) -> Option<Option<ServerTls>> {
    let Some([cert, key]) = together(reader, ["tls_cert", "tls_key"])? else { return Some(None) };
    // The API's answers are written for HTTP/1.1.
    match ServerTls::new(cert, key, &["http/1.1"]) {
        Ok(tls) => Some(Some(tls)),
        Err(error) => {
            reader.problems().add(error);
            None
        }
    }
}

/// Files that are given all or not at all; none for a problem, which is noted.
fn together<const N: usize>(reader: &mut Reader<'_>, names: [&str; N]) -> Option<Option<[PathBuf; N]>> {
    let missing: Vec<_> = names.into_iter().filter(|name| reader.given(name).is_none()).collect();
    if missing.len() == N {
        return Some(None);
    }
    if !missing.is_empty() {
        let (missing, last) = (missing.join(" and "), names[N - 1]);
        let names = names[..N - 1].join(", ");
        reader.problems().add(format!("{names} and {last} belong together: {missing} is missing"));
        return None;
    }
    let files: Vec<_> = names.into_iter().filter_map(|name| folder(reader, name)).collect();
    files.try_into().ok().map(Some)
}
