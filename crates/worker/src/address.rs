//! Where coordinators dial this worker, found out so that many workers need no setting each.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use distrack_transport::Dialer;
use tokio::time::timeout;

use crate::identity::host_name;

/// How long a name service may think about a coordinator's name.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(2);

/// The `host:port` to advertise to `coordinator` (`host:port`).
///
/// In this order: the host that was set; the address that the listener is bound to; the source address that
/// the machine uses towards the coordinator; the machine's name.
pub(crate) async fn advertised(
    dialer: &Dialer,
    host: Option<&str>,
    bound: SocketAddr,
    coordinator: &str,
) -> String {
    let port = bound.port();
    if let Some(host) = host {
        return join(host, port);
    }
    if !bound.ip().is_unspecified() {
        return bound.to_string();
    }
    match in_time(source_towards(dialer, coordinator)).await {
        Some(ip) => SocketAddr::new(ip, port).to_string(),
        None => join(&host_name(), port),
    }
}

/// What was found out; nothing when that takes too long, for the registration waits for it.
async fn in_time<T>(found: impl Future<Output = Option<T>>) -> Option<T> {
    timeout(LOOK_UP_WITHIN, found).await.ok().flatten()
}

/// The address from which packets to `target` leave.
async fn source_towards(dialer: &Dialer, target: &str) -> Option<IpAddr> {
    for target in dialer.resolve(target).await.ok()? {
        if let Some(source) = dialer.source_towards(target).await {
            return Some(source);
        }
    }
    None
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn from(host: Option<&str>, bound: &str) -> String {
        advertised(&Dialer::tcp(), host, bound.parse().unwrap(), "127.0.0.1:8080").await
    }

    #[tokio::test]
    async fn the_advertised_host_is_what_was_set_else_what_is_bound_else_the_way_to_the_coordinator() {
        assert_eq!(from(Some("worker-7"), "0.0.0.0:8000").await, "worker-7:8000");
        assert_eq!(from(Some("::1"), "0.0.0.0:8000").await, "[::1]:8000");
        assert_eq!(from(None, "127.0.0.1:8001").await, "127.0.0.1:8001");
        assert_eq!(from(None, "192.0.2.7:8001").await, "192.0.2.7:8001");
        assert_eq!(from(None, "0.0.0.0:8002").await, "127.0.0.1:8002");
    }

    #[tokio::test]
    async fn without_a_way_to_the_coordinator_the_host_name_is_advertised() {
        let bound = "0.0.0.0:8003".parse().unwrap();
        assert_eq!(
            advertised(&Dialer::tcp(), None, bound, "no such host").await,
            format!("{}:8003", host_name())
        );
    }

    #[tokio::test]
    async fn a_name_service_that_does_not_answer_is_not_waited_for() {
        let never = in_time::<IpAddr>(std::future::pending());
        assert_eq!(timeout(Duration::from_secs(15), never).await, Ok(None));
    }
}
