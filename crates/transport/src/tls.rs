//! TLS between the services, both sides with a certificate, and for the HTTP API. Certificates are read again when their
//! files change: new connections get the new one, those that are open stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::expiry;
use crate::network::ByteStream;
use crate::role::Role;
use crate::watched::Watched;

/// How long a handshake may take.
pub(crate) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// Where a service's certificate, its key and the authority that signs for the fleet are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those between it and the authority's after it.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority's certificate, or several.
    pub ca: PathBuf,
}

/// What the other side of a connection may act as, by its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    coordinator: bool,
    worker: bool,
}

impl Certified {
    /// Whether it may act in a role.
    pub fn is(self, role: Role) -> bool {
        match role {
            Role::Coordinator => self.coordinator,
            Role::Worker => self.worker,
        }
    }

    fn by(certificate: &CertificateDer<'_>) -> Self {
        let parsed = ParsedCertificate::try_from(certificate);
        let has = |role| parsed.as_ref().is_ok_and(|parsed| verify_server_name(parsed, &name(role)).is_ok());
        Self { coordinator: has(Role::Coordinator), worker: has(Role::Worker) }
    }
}

/// TLS of a service that has a certificate and asks the other side for one.
#[derive(Debug)]
pub struct Tls {
    configs: Watched<Configs>,
}

struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    expires: i64,
}

impl Tls {
    /// Reads the files. The certificate must be the role's, valid now and signed by the authority, or the service could
    /// talk to nobody.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(files: TlsFiles, role: Role) -> Result<Self, String> {
        let TlsFiles { cert, key, ca } = files;
        let configs = Watched::new(vec![cert, key, ca], move |files| {
            let [cert, key, ca] = files else { return Err("three files are needed".to_owned()) };
            Configs::read(cert, key, ca, role)
        })?;
        Ok(Self { configs })
    }

    /// When the certificate expires, in seconds since 1970.
    pub fn expires(&self) -> i64 {
        self.configs.get().expires
    }

    /// The server's side of a handshake. Whoever has no certificate of the authority fails it.
    pub(crate) async fn accept(&self, stream: ByteStream) -> std::io::Result<(ByteStream, Certified)> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.configs.get().server));
        let stream = in_time(acceptor.accept(stream)).await?;
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let certified = certificate.map(Certified::by);
        let certified = certified.ok_or_else(|| std::io::Error::other("it has no certificate"))?;
        Ok((Box::new(stream), certified))
    }

    /// The client's side of a handshake with a service that must be of this role.
    pub(crate) async fn connect(&self, stream: ByteStream, role: Role) -> std::io::Result<ByteStream> {
        let connector = TlsConnector::from(Arc::clone(&self.configs.get().client));
        Ok(Box::new(in_time(connector.connect(name(role), stream)).await?))
    }
}

/// TLS of a server that asks nobody for a certificate. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<Watched<(Arc<ServerConfig>, i64)>>,
}

impl ServerTls {
    /// Reads the files, for a server that speaks these protocols (ALPN).
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(cert: PathBuf, key: PathBuf, protocols: &'static [&'static str]) -> Result<Self, String> {
        let config = Watched::new(vec![cert, key], move |files| {
            let [cert, key] = files else { return Err("two files are needed".to_owned()) };
            let (chain, private) = (certificates(cert)?, private_key(key)?);
            let expires = expiry::of(&chain[0]).map_err(|error| said(cert, error))?;
            let builder = ServerConfig::builder_with_provider(provider());
            let builder =
                builder.with_protocol_versions(&[&TLS13, &TLS12]).map_err(|error| error.to_string())?;
            let config = builder.with_no_client_auth().with_single_cert(chain, private);
            let mut config = config.map_err(|error| said(cert, error))?;
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
            Ok((Arc::new(config), expires))
        })?;
        Ok(Self { config: Arc::new(config) })
    }

    /// When the certificate expires, in seconds since 1970.
    pub fn expires(&self) -> i64 {
        self.config.get().1
    }

    /// What makes the server's side of a handshake, with the certificate of now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.get().0))
    }
}

async fn in_time<T>(handshake: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "no TLS handshake in time");
    timeout(HANDSHAKE_WITHIN, handshake).await.unwrap_or_else(|_| Err(late()))
}

impl Configs {
    fn read(cert: &Path, key: &Path, ca: &Path, role: Role) -> Result<Self, String> {
        let chain = certificates(cert)?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(ca)? {
            roots.add(authority).map_err(|error| said(ca, error))?;
        }
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider());
        let clients = clients.build().map_err(|error| said(ca, error))?;
        let servers = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider());
        let servers = servers.build().map_err(|error| said(ca, error))?;
        let (own, between, now) = (&chain[0], &chain[1..], UnixTime::now());
        let as_server = servers.verify_server_cert(own, between, &name(role), &[], now).map(drop);
        let checked = as_server.and_then(|()| clients.verify_client_cert(own, between, now).map(drop));
        checked.map_err(|error| said(cert, format!("no good certificate for {}: {error}", role.name())))?;

        let wrong = |error: rustls::Error| said(key, error);
        let server = ServerConfig::builder_with_provider(provider());
        let server =
            server.with_protocol_versions(&[&TLS13]).map_err(wrong)?.with_client_cert_verifier(clients);
        let mut server = server.with_single_cert(chain.clone(), private_key(key)?).map_err(wrong)?;
        // Each handshake is a whole one: a session that is resumed shows no certificate again.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        let client = ClientConfig::builder_with_provider(provider());
        let client = client.with_protocol_versions(&[&TLS13]).map_err(wrong)?.with_root_certificates(roots);
        let mut client = client.with_client_auth_cert(chain.clone(), private_key(key)?).map_err(wrong)?;
        client.resumption = Resumption::disabled();
        let h2 = vec![b"h2".to_vec()];
        (server.alpn_protocols, client.alpn_protocols) = (h2.clone(), h2);
        let expires = expiry::of(own).map_err(|error| said(cert, error))?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client), expires })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn name(role: Role) -> ServerName<'static> {
    ServerName::try_from(role.name()).expect("the name of a role is a DNS name")
}

/// The certificates of a file, at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| said(file, error))?;
    let chain: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| said(file, error))?;
    if chain.is_empty() { Err(said(file, "there is no certificate in it")) } else { Ok(chain) }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| said(file, error))
}

fn said(file: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}
