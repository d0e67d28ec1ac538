//! The API over HTTPS, with certificates as `distrack cert` makes them.

use std::path::Path;
use std::sync::Arc;

use distrack_testkit::{Api, eventually, free_port};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::program::{LIMIT, Running, run};

const EXPIRY: &str = "\ndistrack_tls_certificate_expiry_timestamp_seconds ";

/// An authority and the certificate of a scheduler.
struct Certificates(TempDir);

impl Certificates {
    async fn make() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        made.cert(&["init"]).await;
        made.cert(&["issue", "scheduler", "--host=scheduler.example.org"]).await;
        made
    }

    async fn cert(&self, words: &[&str]) {
        let dir = format!("--dir={}", self.0.path().display());
        let ended = run(&[&["cert"], words, &[&dir]].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }

    fn flag(&self, name: &str, file: &str) -> String {
        format!("--{name}={}", self.0.path().join(file).display())
    }

    fn ca(&self) -> String {
        self.flag("tls_ca", "ca.pem")
    }
}

/// `distrack up` whose API is HTTPS.
struct Secure {
    up: Running,
    port: u16,
}

impl Secure {
    async fn start(certificates: &Certificates) -> Self {
        let port = free_port();
        let scheduler = format!("--scheduler_port=:{port}");
        let (cert, key) =
            (certificates.flag("tls_cert", "scheduler.pem"), certificates.flag("tls_key", "scheduler.key"));
        let others = ["--data_dir=data", "--coordinator_port=:0", "--worker_port=:0", "--metrics_port=:0"];
        let up = Running::start(&[&["up", &scheduler, &cert, &key], &others[..]].concat());
        let secure = Self { up, port };
        let (url, ca) = (format!("--url={}", secure.url()), certificates.ca());
        eventually(LIMIT, "readiness over HTTPS", || async {
            let ended = run(&["health", &url, &ca]).await;
            if ended.code == Some(0) { Ok(()) } else { Err(format!("{ended:?} {}", secure.up.stderr())) }
        })
        .await;
        secure
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn server(&self) -> String {
        format!("--server={}", self.url())
    }

    /// The certificate that a new connection is shown, and when the service says that it expires.
    async fn shown(&self, authority: &Path) -> (CertificateDer<'static>, f64) {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = ServerName::try_from("scheduler.example.org").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        let (_, expiry) = page.split_once(EXPIRY).unwrap_or_else(|| panic!("no expiry in {page}"));
        let expiry = expiry.lines().next().unwrap().parse().unwrap();
        (stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned(), expiry)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_work_over_https_and_whoever_cannot_is_told_why() {
    let certificates = Certificates::make().await;
    let secure = Secure::start(&certificates).await;
    let (server, ca) = (secure.server(), certificates.ca());
    eventually(LIMIT, "the banner", || async {
        let banner = String::from_utf8_lossy(&secure.up.stdout()).into_owned();
        if banner.contains(&format!("API          {}", secure.url())) { Ok(()) } else { Err(banner) }
    })
    .await;
    let submitted = run(&["submit", &server, &ca, "--wait", "--", "echo hello"]).await;
    assert_eq!(submitted.code, Some(0), "{submitted:?}");
    let listed = run(&["list", &server, &ca, "-o", "json"]).await.json();
    assert_eq!(listed["tasks"][0]["state"], "completed", "{listed}");

    // Health finds it by the variables of the service itself.
    let health = Running::start_with(&["health"], |command| {
        command.env("DISTRACK_SCHEDULER_PORT", format!("localhost:{}", secure.port));
        command.env("DISTRACK_TLS_CERT", certificates.0.path().join("scheduler.pem"));
        command.env("DISTRACK_TLS_CA", certificates.0.path().join("ca.pem"));
    });
    let health = health.end().await;
    assert_eq!((health.code, health.text()), (Some(0), format!("{}/readyz ready", secure.url())));

    // Nobody here trusts the authority, or it is another one.
    let stranger = Certificates::make().await;
    for untrusting in [&["list", &server][..], &["list", &server, &stranger.ca()]] {
        let ended = run(untrusting).await;
        assert_eq!(ended.code, Some(6), "{ended:?}");
        for part in ["certificate is not trusted", "--tls_ca", &secure.url()] {
            assert!(ended.stderr.contains(part), "{part} in {ended:?}");
        }
    }
    let plain = format!("http://localhost:{}", secure.port);
    let ended = run(&["list", &format!("--server={plain}")]).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("use https:// in --server"), "{ended:?}");
    let answer = Api::new(format!("http://127.0.0.1:{}", secure.port)).get("/v1/tasks").await.unwrap();
    assert_eq!(
        (answer.status, &*answer.text()),
        (400, "this port speaks HTTPS: use https:// in its address\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_see_a_renewed_certificate_without_a_restart() {
    let certificates = Certificates::make().await;
    let authority = certificates.0.path().join("ca.pem");
    let secure = Secure::start(&certificates).await;
    let (first, year) = secure.shown(&authority).await;
    certificates.cert(&["issue", "scheduler", "--host=scheduler.example.org", "--days=3"]).await;
    let (authority, first) = (&authority, &first);
    eventually(LIMIT, "the new certificate and its end", || async {
        let (now, days) = secure.shown(authority).await;
        let is_new = now != *first && days < year - 300.0 * 86400.0;
        if is_new { Ok(()) } else { Err(format!("{year} {days}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_file_without_the_other_is_refused_at_the_start() {
    let scheduler = ["scheduler", "--database_url=postgres://nobody@127.0.0.1:1/none"];
    for role in [&scheduler[..], &["up", "--data_dir=data"]] {
        for (given, missing) in [("--tls_cert=c.pem", "tls_key"), ("--tls_key=c.key", "tls_cert")] {
            let ended = run(&[role, &[given]].concat()).await;
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(ended.stderr.contains(&format!("belong together: {missing} is missing")), "{ended:?}");
        }
        let ended = run(&[role, &["--tls_cert=c.pem", "--tls_key=c.key"]].concat()).await;
        assert!(ended.code == Some(2) && ended.stderr.contains("No such file"), "{ended:?}");
    }
}
