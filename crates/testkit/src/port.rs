//! Ports for processes that must come back on the same one.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Below the range from which the kernel takes the ports of outgoing connections: one of those could otherwise
/// take the port while its process is down.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// One locked file for each port that was handed out. The kernel unlocks them with the end of this process.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Returns a port of 127.0.0.1 that nobody listens on, and that no process gets while this one lives.
///
/// # Panics
/// If no port of the range is free.
pub fn free_port() -> u16 {
    (0..1000)
        .map(|_| rand::random_range(RANGE))
        .find(|&port| take(port))
        .unwrap_or_else(|| panic!("none of 1,000 ports is free, or {} cannot be used", folder().display()))
}

/// Asks by connecting, not by listening for a moment: a process forked by another thread in that moment would
/// hold the port for a while.
fn is_listened_on(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Takes a port for the life of this process, unless somebody has it.
fn take(port: u16) -> bool {
    let Ok(file) = lock_file(port) else {
        return false;
    };
    // The lock comes first: whoever has it may be about to listen.
    if file.try_lock().is_err() || is_listened_on(port) {
        return false;
    }
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(file);
    true
}

/// Opens the file of a port, which is never removed: two processes could otherwise lock two files of one name.
fn lock_file(port: u16) -> std::io::Result<File> {
    let folder = folder();
    if DirBuilder::new().mode(0o777).create(&folder).is_ok() {
        // Other accounts test here, too, and the mask has taken their rights.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o1777))?;
    }
    let path = folder.join(port.to_string());
    match File::open(&path) {
        // Not created when it exists: some kernels refuse to, if it is another account's.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => return opened,
    }
    let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o666).open(&path);
    match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => File::open(&path),
        created => created,
    }
}

fn folder() -> PathBuf {
    std::env::temp_dir().join("distrack-ports")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
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

    #[test]
    fn a_port_that_was_handed_out_is_nobody_elses() {
        let port = free_port();
        // The lock is the file's: a file opened anew is refused here as it is in another process.
        assert!(lock_file(port).unwrap().try_lock().is_err());
        assert!(!take(port));
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_taken() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!take(listener.local_addr().unwrap().port()));
    }

    #[test]
    fn the_file_of_a_port_can_be_opened_by_every_account() {
        let port = free_port();
        let file = std::fs::metadata(folder().join(port.to_string())).unwrap();
        assert_eq!(file.permissions().mode() & 0o444, 0o444);
    }
}
