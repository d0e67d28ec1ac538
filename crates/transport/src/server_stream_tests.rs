use std::path::Path;

use rcgen::generate_simple_self_signed;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsConnector;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn tls(folder: &Path) -> (ServerTls, CertificateDer<'static>) {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert"), folder.join("key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let der = CertificateDer::from_pem_file(&cert).unwrap();
    (ServerTls::new(cert, key, &["http/1.1"]).unwrap(), der)
}

#[tokio::test]
async fn the_first_read_makes_the_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, certificate) = tls(folder.path());
    let (client, server) = duplex(64);
    let mut server = ServerStream::within(server, Some(&tls), LONG);
    let serving = tokio::spawn(async move {
        let mut heard = [0; 4];
        server.read_exact(&mut heard).await.unwrap();
        server.write_all(&heard).await.unwrap();
        server.shutdown().await.unwrap();
    });
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = TlsConnector::from(std::sync::Arc::new(config)).connect(name, client).await.unwrap();
    client.write_all(b"ping").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "ping");
    serving.await.unwrap();
}

#[tokio::test]
async fn who_speaks_plain_http_is_told_to_speak_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, server) = duplex(64);
    let mut server = ServerStream::within(server, Some(&tls(folder.path()).0), LONG);
    let serving = tokio::spawn(async move { server.read_u8().await.unwrap_err().to_string() });
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{answer}");
    assert!(body.contains("https://"), "{answer}");
    drop(client);
    assert!(serving.await.unwrap().contains("no TLS"));
}

#[tokio::test]
async fn who_does_not_finish_the_handshake_in_time_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, _) = tls(folder.path());
    for said in [&b""[..], b"\x16\x03\x01", b"GET /"] {
        let (mut client, server) = duplex(64);
        let mut server = ServerStream::within(server, Some(&tls), Duration::from_millis(200));
        client.write_all(said).await.unwrap();
        let error = tokio::time::timeout(LONG, server.read_u8()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{said:?}");
        assert_eq!(server.read_u8().await.unwrap_err().kind(), ErrorKind::NotConnected, "{said:?}");
    }
}

#[tokio::test]
async fn without_tls_it_is_the_stream_itself() {
    let (mut client, server) = duplex(64);
    let mut server = ServerStream::new(server, None);
    client.write_all(b"ping").await.unwrap();
    let mut heard = [0; 4];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
}
