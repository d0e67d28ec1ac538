//! Tells what is in a certificate, for people.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// Each certificate of a file.
pub(super) fn show(file: &Path) -> anyhow::Result<String> {
    let unreadable = || format!("cannot read {}", file.display());
    let read = CertificateDer::pem_file_iter(file).with_context(unreadable)?;
    let chain: Vec<_> = read.collect::<Result<_, _>>().with_context(unreadable)?;
    if chain.is_empty() {
        bail!("there is no certificate in {}", file.display());
    }
    let told: Vec<String> = chain.iter().map(tell).collect::<Result<_, _>>().with_context(unreadable)?;
    Ok(told.join("\n\n"))
}

fn tell(der: &CertificateDer<'_>) -> anyhow::Result<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)?;
    let validity = certificate.validity();
    let (since, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let now = i64::try_from(UnixTime::now().as_secs())?;
    let standing = match (until - now).div_euclid(24 * 3600) {
        _ if now < since => "not good yet".to_owned(),
        ..0 => "EXPIRED".to_owned(),
        days => format!("{days} days left"),
    };
    let mut text = format!("subject  {}\nissuer   {}", certificate.subject(), certificate.issuer());
    let names = names(&certificate)?;
    if !names.is_empty() {
        write!(text, "\nnames    {}", names.join(", "))?;
    }
    write!(text, "\nfrom     {}\nuntil    {} ({standing})", instant(since)?, instant(until)?)?;
    if certificate.is_ca() {
        text.push_str("\nan authority: it signs others");
    }
    Ok(text)
}

fn names(certificate: &X509Certificate<'_>) -> anyhow::Result<Vec<String>> {
    let Some(names) = certificate.subject_alternative_name()? else { return Ok(Vec::new()) };
    let name = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) = name {
            return (*name).to_owned();
        }
        if let GeneralName::IPAddress(bytes) = name {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            return address.map_or_else(|_| format!("{bytes:?}"), |address| address.to_string());
        }
        name.to_string()
    };
    Ok(names.value.general_names.iter().map(name).collect())
}

fn instant(seconds: i64) -> anyhow::Result<String> {
    let instant = DateTime::from_timestamp(seconds, 0).context("a date is out of range")?;
    Ok(instant.to_rfc3339_opts(SecondsFormat::Secs, true))
}
