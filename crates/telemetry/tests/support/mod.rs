//! A client of plain HTTP, which looks for no authorities of the system.

use std::sync::Arc;

use reqwest::Client;
use rustls::{ClientConfig, RootCertStore};

pub(crate) fn client() -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("the provider knows TLS 1.2 and 1.3");
    let tls = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    Client::builder().no_proxy().tls_backend_preconfigured(tls).build().expect("these options are valid")
}
