//! TLS to the collector, as the standard variables ask for it.

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};

use super::variables::set;

/// The address with its scheme. Without one it is plain, unless `OTEL_EXPORTER_OTLP_INSECURE` says that it must not be.
pub(super) fn with_scheme(endpoint: &str) -> String {
    if endpoint.contains("://") {
        return endpoint.to_owned();
    }
    let secure = one_of("INSECURE").is_some_and(|(_, insecure)| insecure.eq_ignore_ascii_case("false"));
    format!("{}://{endpoint}", if secure { "https" } else { "http" })
}

/// Who is believed to be the collector, and who we say that we are; `None` for an address that is plain.
///
/// The system's certificates are believed, or only those that `OTEL_EXPORTER_OTLP_CERTIFICATE` names.
pub(super) fn config(endpoint: &str) -> Result<Option<ClientTlsConfig>, String> {
    if !endpoint.starts_with("https://") {
        return Ok(None);
    }
    let config = ClientTlsConfig::new();
    let config = match file("CERTIFICATE")? {
        Some(authority) => config.ca_certificate(Certificate::from_pem(authority)),
        None => config.with_enabled_roots(),
    };
    match (file("CLIENT_CERTIFICATE")?, file("CLIENT_KEY")?) {
        (Some(certificate), Some(key)) => Ok(Some(config.identity(Identity::from_pem(certificate, key)))),
        (None, None) => Ok(Some(config)),
        _ => {
            Err("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY go together".into())
        }
    }
}

/// What is in the file that a variable names.
fn file(variable: &str) -> Result<Option<Vec<u8>>, String> {
    let Some((variable, path)) = one_of(variable) else { return Ok(None) };
    std::fs::read(&path).map(Some).map_err(|error| format!("{variable}={path}: {error}"))
}

/// The variable for traces, or else the one for everything, and its value.
fn one_of(variable: &str) -> Option<(String, String)> {
    ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].into_iter().find_map(|prefix| {
        let name = format!("{prefix}{variable}");
        set(&name).map(|value| (name, value))
    })
}
