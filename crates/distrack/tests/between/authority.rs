//! An authority for tests, what it signs, and clients that break the rules.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use distrack_transport::{ByteStream, Network, Pending, Role, Tcp, Tls, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

/// Signs certificates and writes them to files of its own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, in PEM.
pub(crate) struct Made {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate with these names.
    pub(crate) fn sign(&self, names: &[&str]) -> Made {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        Made { cert: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    /// The files of a service of a role.
    pub(crate) fn files(&self, role: Role) -> TlsFiles {
        let at = |kind: &str| self.folder.path().join(format!("{}.{kind}", role.name()));
        let files = TlsFiles { cert: at("pem"), key: at("key"), ca: self.folder.path().join("ca.pem") };
        self.write(&files, role);
        files
    }

    /// Writes a new certificate of this authority to those files.
    pub(crate) fn write(&self, files: &TlsFiles, role: Role) {
        let made = self.sign(&[role.name()]);
        replace(&files.ca, &self.pem());
        replace(&files.key, &made.key);
        replace(&files.cert, &made.cert);
    }

    /// TLS of a service of a role.
    pub(crate) fn tls(&self, role: Role) -> Arc<Tls> {
        Arc::new(Tls::new(self.files(role), role).unwrap())
    }
}

/// Puts a file in another one's place, as a careful operator does.
pub(crate) fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

/// A network in which each connection begins with a handshake of its own: with any certificate or none, and for any
/// server of an authority.
#[derive(Clone)]
pub(crate) struct Rogue {
    config: Arc<ClientConfig>,
    server: Role,
}

impl std::fmt::Debug for Rogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rogue")
    }
}

impl Rogue {
    /// Trusts servers of `authority` in the role of `server`, and shows `own`.
    pub(crate) fn new(authority: &Authority, server: Role, own: Option<Made>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(Made { cert, key }) => {
                let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { config: Arc::new(config), server }
    }
}

impl Network for Rogue {
    fn resolve<'a>(&'a self, target: &'a str) -> Pending<'a, std::io::Result<Vec<SocketAddr>>> {
        Tcp.resolve(target)
    }

    fn connect(&self, address: SocketAddr) -> Pending<'_, std::io::Result<ByteStream>> {
        Box::pin(async move {
            let stream = Tcp.connect(address).await?;
            let name = ServerName::try_from(self.server.name()).unwrap();
            let stream = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await?;
            Ok(Box::new(stream) as ByteStream)
        })
    }

    fn source_towards(&self, address: SocketAddr) -> Pending<'_, Option<IpAddr>> {
        Tcp.source_towards(address)
    }
}
