//! Who this worker is: an id that outlives the process, kept in a directory that one live worker owns.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use distrack_core::{InstanceId, WorkerId};
use rustix::fs::{FlockOperation, flock};

use crate::ServeError;

/// A worker's identity. Holds its state directory for as long as it lives.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The same after each restart.
    pub(crate) worker: WorkerId,
    /// New at each start.
    pub(crate) instance: InstanceId,
    /// Tells machines, and their boots, apart.
    pub(crate) host: String,
    /// The directory, for what else is kept there.
    pub(crate) dir: PathBuf,
    /// Tells the directory from a copy of it.
    pub(crate) place: u64,
    _lock: File,
}

impl Identity {
    /// Takes `dir`, which is made when it is missing, and the id in it, which is too.
    ///
    /// # Errors
    /// When another worker has the directory, or it cannot be used.
    pub(crate) fn open(dir: &Path) -> Result<Self, ServeError> {
        let failed = |path: &Path, source| ServeError::StateDir { path: path.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| failed(dir, error))?;
        let lock = lock(dir)?;
        let file = dir.join("worker_id");
        let worker = worker_id(&file).map_err(|error| failed(&file, error))?;
        let place = lock.metadata().map_err(|error| failed(dir, error))?.ino();
        let (instance, host, dir) = (InstanceId::new(), host_id(), dir.to_owned());
        Ok(Self { worker, instance, host, dir, place, _lock: lock })
    }

    /// Takes the first of `<first>-1`, `<first>-2`, … that no live worker has, as [`Identity::open`] does.
    pub(crate) fn first_free(first: &Path) -> Result<Self, ServeError> {
        let mut number = 1_u32;
        loop {
            let mut dir = first.as_os_str().to_owned();
            dir.push(format!("-{number}"));
            match Self::open(Path::new(&dir)) {
                Err(ServeError::StateDirInUse { .. }) => number += 1,
                taken => return taken,
            }
        }
    }
}

fn lock(dir: &Path) -> Result<File, ServeError> {
    let path = dir.join("lock");
    let failed = |source| ServeError::StateDir { path: path.clone(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // Only to name it: an unreadable file changes nothing about the refusal.
            let _ = file.read_to_string(&mut holder);
            let holder = Some(holder.trim()).filter(|pid| !pid.is_empty()).unwrap_or("unknown").to_owned();
            return Err(ServeError::StateDirInUse { path: dir.to_owned(), holder });
        }
        Err(error) => return Err(failed(error.into())),
    }
    // Only so that a refusal can name this process: a full disk is no reason not to start.
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn worker_id(path: &Path) -> io::Result<WorkerId> {
    match fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "holds no UUID; remove it to start anew")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = WorkerId::new();
            let draft = path.with_extension("new");
            let mut file = File::create(&draft)?;
            writeln!(file, "{id}")?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            Ok(id)
        }
        Err(error) => Err(error),
    }
}

/// This boot of this machine.
fn host_id() -> String {
    let machine = first_line("/etc/machine-id").unwrap_or_else(host_name);
    format!("{machine}/{}", boot_id())
}

/// This boot, of whatever machine; empty where the kernel does not tell.
pub(crate) fn boot_id() -> String {
    first_line("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// What the machine calls itself.
pub(crate) fn host_name() -> String {
    let name = hostname::get().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_keeps_its_id_and_gets_a_new_instance_at_each_start() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::open(&dir.path().join("state")).unwrap();
        let (worker, instance) = (first.worker, first.instance);
        drop(first);
        let second = Identity::open(&dir.path().join("state")).unwrap();
        assert_eq!(second.worker, worker);
        assert_ne!(second.instance, instance);
    }

    #[test]
    fn a_second_worker_with_the_same_state_dir_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Identity::open(dir.path()).unwrap();
        let refusal = Identity::open(dir.path()).unwrap_err().to_string();
        assert!(refusal.contains(&dir.path().display().to_string()), "{refusal}");
        assert!(refusal.contains(&std::process::id().to_string()), "{refusal}");
    }

    #[test]
    fn of_a_row_of_state_dirs_the_first_one_that_is_free_is_taken_with_its_id() {
        let row = tempfile::tempdir().unwrap();
        let open = || Identity::first_free(&row.path().join("auto")).unwrap();
        let (first, second) = (open(), open());
        assert_eq!((&first.dir, &second.dir), (&row.path().join("auto-1"), &row.path().join("auto-2")));
        let worker = first.worker;
        drop(first);
        assert_eq!(open().worker, worker);
        assert_ne!(second.worker, worker);
    }

    #[test]
    fn a_spoilt_id_file_is_refused_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("worker_id"), "rubbish").unwrap();
        assert!(matches!(Identity::open(dir.path()), Err(ServeError::StateDir { .. })));
        assert_eq!(fs::read_to_string(dir.path().join("worker_id")).unwrap(), "rubbish");
    }
}
