//! Whose certificates a command trusts, and what it says of one that it does not.

use std::error::Error;
use std::io;
use std::sync::Arc;

use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::settings::Reader;

/// The authorities that may have signed the certificate of a server.
#[derive(Clone, Debug)]
pub(crate) struct Trusted(Arc<RootCertStore>);

impl Trusted {
    /// For `server`: those of `--tls_ca`, else the system's. Nobody is read of for a server without TLS.
    pub(crate) fn read(reader: &mut Reader<'_>, server: &Url) -> Option<Self> {
        if server.scheme() != "https" || reader.given("tls_ca").is_none() {
            return Some(Self::system(server));
        }
        reader.one("tls_ca", Self::file)
    }

    /// The system's, for `server`.
    pub(crate) fn system(server: &Url) -> Self {
        let mut roots = RootCertStore::empty();
        if server.scheme() == "https" {
            // A system without any trusts nobody, and one that cannot be read is of no use.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Self(Arc::new(roots))
    }

    fn file(path: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        if roots.is_empty() {
            Err("there is no certificate in it".to_owned())
        } else {
            Ok(Self(Arc::new(roots)))
        }
    }

    /// What a client is made with.
    pub(crate) fn config(&self) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder =
            builder.with_safe_default_protocol_versions().expect("the provider knows TLS 1.2 and 1.3");
        builder.with_root_certificates(Arc::clone(&self.0)).with_no_client_auth()
    }
}

/// Why there is no secure connection, in words; none if that is not the reason of `error`.
pub(super) fn problem(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(one) = next {
        if let Some(error) = one.downcast_ref::<rustls::Error>() {
            return Some(words(error));
        }
        // An error of a stream holds its reason, and does not call it its source.
        let held = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = held.map(|held| held as &(dyn Error + 'static)).or_else(|| one.source());
    }
    None
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is wrong is said in few words; the rest has its own"
)]
fn words(error: &rustls::Error) -> String {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    if matches!(error, rustls::Error::InvalidMessage(_)) {
        return "it does not speak TLS: use http:// in its address".to_owned();
    }
    let rustls::Error::InvalidCertificate(wrong) = error else {
        return format!("no TLS connection: {error}");
    };
    let why = match wrong {
        // The second is of an authority of the same name: all of distrack cert have one.
        UnknownIssuer | BadSignature => {
            "it is signed by nobody who is trusted here; name its authority with --tls_ca".to_owned()
        }
        Expired | ExpiredContext { .. } => "it has expired".to_owned(),
        NotValidYet | NotValidYetContext { .. } => "it is not good yet".to_owned(),
        NotValidForName | NotValidForNameContext { .. } => {
            format!(
                "it is for another host ({wrong}); distrack cert issue scheduler --host=NAME makes one for it"
            )
        }
        other => other.to_string(),
    };
    format!("its certificate is not trusted: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_not_trusted_is_found_however_deep_it_is_and_said_in_words() {
        let deep = |error: rustls::Error| io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        let said = |wrong| problem(&deep(rustls::Error::InvalidCertificate(wrong))).unwrap();
        assert!(said(CertificateError::UnknownIssuer).ends_with("name its authority with --tls_ca"));
        assert!(said(CertificateError::BadSignature).contains("--tls_ca"));
        assert!(said(CertificateError::Expired).contains("has expired"));
        assert!(said(CertificateError::NotValidForName).contains("for another host"));
        let no_tls = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert!(problem(&deep(no_tls)).unwrap().contains("use http://"));
        assert_eq!(problem(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
