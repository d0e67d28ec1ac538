//! Ports for processes that must come back on the same one.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{LazyLock, Mutex};

/// Below the range from which the kernel takes the ports of outgoing connections: one of those could otherwise
/// take the port while its process is down.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

static HANDED_OUT: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// Returns a port of 127.0.0.1 that nobody listens on, and that this process does not get twice.
///
/// # Panics
/// If no port of the range is free.
pub fn free_port() -> u16 {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    (0..1000)
        .map(|_| rand::random_range(RANGE))
        .find(|&port| !is_taken(port) && handed_out.insert(port))
        .expect("one of 20,000 ports is free")
}

/// Asks by connecting, not by listening for a moment: a process forked by another thread in that moment would
/// hold the port for a while.
fn is_taken(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_free_and_handed_out_once() {
        let ports: Vec<u16> = (0..50).map(|_| free_port()).collect();
        let different: HashSet<u16> = ports.iter().copied().collect();
        assert_eq!(different.len(), ports.len());
        for port in ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
