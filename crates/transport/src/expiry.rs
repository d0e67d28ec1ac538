//! When certificates expire, said in time for somebody to do something about it.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};

/// How long before its end a certificate is spoken of.
const SAID_BEFORE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How many looks there are from one warning to the next: a day's.
const LOOKS: u32 = 24 * 60;

/// The end of a certificate, in seconds since 1970.
pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<i64, String> {
    let parsed = x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
    Ok(parsed.1.validity().not_after.timestamp())
}

/// Warns of a certificate that expires soon, every day, for ever. Looks at its files meanwhile, so that what is wrong
/// with them is said before anybody needs them.
pub async fn watch(expires: impl Fn() -> i64) {
    let mut looks = 0;
    loop {
        let left = left(expires(), UnixTime::now());
        if left >= SAID_BEFORE {
            looks = 0;
        } else if looks % LOOKS == 0 {
            let hours = left.as_secs() / 3600;
            tracing::warn!(hours, "the TLS certificate expires soon: issue a new one in its place");
        }
        looks += u32::from(left < SAID_BEFORE);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn left(expires: i64, now: UnixTime) -> Duration {
    Duration::from_secs(u64::try_from(expires).unwrap_or(0).saturating_sub(now.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_certificate_is_never_less_than_nothing() {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1000));
        assert_eq!(left(1600, now), Duration::from_secs(600));
        assert_eq!(left(10, now), Duration::ZERO);
        assert_eq!(left(-1, now), Duration::ZERO);
    }
}
