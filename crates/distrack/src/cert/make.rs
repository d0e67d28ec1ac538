//! Makes the authority and what it signs.

use std::path::Path;

use anyhow::{Context, bail};
use distrack_transport::Role;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::UnixTime;
use time::{Duration, OffsetDateTime};

use super::Subject;
use super::files::{self, Mode};

const AUTHORITY: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca.key";
/// How long an authority is good.
const AUTHORITY_DAYS: i64 = 3650;
/// Machines' clocks differ.
const SINCE: Duration = Duration::hours(1);
/// Where every service may be reached on its own machine.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes an authority in `folder`, unless it has one.
pub(super) fn authority(folder: &Path) -> anyhow::Result<String> {
    files::folder(folder)?;
    let (cert, key) = (folder.join(AUTHORITY), folder.join(AUTHORITY_KEY));
    // Written last: a key without it has signed nothing.
    if cert.exists() {
        bail!(
            "{} is there already; a new authority would make all its certificates worthless",
            cert.display()
        );
    }
    let pair = KeyPair::generate().context("cannot make a key")?;
    let mut params = params(&[], "distrack authority", AUTHORITY_DAYS)?;
    // It signs services, and no further authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let made = params.self_signed(&pair).context("cannot make a certificate")?;
    files::write(&key, &pair.serialize_pem(), Mode::Secret)?;
    files::write(&cert, &made.pem(), Mode::Public)?;
    Ok(format!(
        "{}\n{}\nKeep {AUTHORITY_KEY} to yourself: who has it can join the fleet as anybody.\nNext: distrack cert issue coordinator, and distrack cert issue worker; for HTTPS distrack cert issue scheduler",
        cert.display(),
        key.display()
    ))
}

/// Makes a certificate of `subject`, signed by the authority in `folder`.
pub(super) fn issue(folder: &Path, subject: Subject, hosts: &[String], days: u32) -> anyhow::Result<String> {
    let signer =
        files::read(&folder.join(AUTHORITY_KEY)).context("make an authority first: distrack cert init")?;
    let signer = KeyPair::from_pem(&signer).context("the authority's key cannot be read")?;
    let issuer = Issuer::from_ca_cert_pem(&files::read(&folder.join(AUTHORITY))?, signer);
    let issuer = issuer.context("the authority cannot be read")?;

    let role = match subject {
        Subject::Coordinator => Some(Role::Coordinator),
        Subject::Worker => Some(Role::Worker),
        // It acts as nobody towards the other services.
        Subject::Scheduler => None,
    };
    let mut names: Vec<String> = role.into_iter().map(|role| role.name().to_owned()).collect();
    names.extend(HERE.map(str::to_owned));
    names.extend(hosts.iter().cloned());
    let mut params = params(&names, &format!("distrack {}", subject.name()), days.into())?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if role.is_some() {
        // They call each other.
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    let pair = KeyPair::generate().context("cannot make a key")?;
    let made = params.signed_by(&pair, &issuer).context("cannot make a certificate")?;
    let at = |kind: &str| folder.join(format!("{}.{kind}", subject.name()));
    files::write(&at("key"), &pair.serialize_pem(), Mode::Secret)?;
    files::write(&at("pem"), &made.pem(), Mode::Public)?;
    Ok(format!("{}\n{}", at("pem").display(), at("key").display()))
}

fn params(names: &[String], subject: &str, days: i64) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names).context("--host: must be a DNS name or an address")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    let now = i64::try_from(UnixTime::now().as_secs()).context("the clock is wrong")?;
    let now = OffsetDateTime::from_unix_timestamp(now).context("the clock is wrong")?;
    (params.not_before, params.not_after) = (now - SINCE, now + Duration::days(days));
    Ok(params)
}
