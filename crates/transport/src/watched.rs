//! Files that are read again when they change, and kept as they were when what they became cannot be used.

use std::fmt::Debug;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What tells one content of a file from another without reading it.
type Stamp = Option<(u64, u64, i64, i64)>;

/// What was read of some files.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    read: Box<Read<T>>,
    state: Mutex<State<T>>,
}

type Read<T> = dyn Fn(&[PathBuf]) -> Result<T, String> + Send + Sync;

struct State<T> {
    value: Arc<T>,
    stamps: Vec<Stamp>,
    looked: Instant,
}

impl<T> Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}

impl<T> Watched<T> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// What `read` says, when they cannot be used.
    pub(crate) fn new(
        files: Vec<PathBuf>,
        read: impl Fn(&[PathBuf]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        // Before the reading: what changes in between is read again.
        let stamps = stamps(&files);
        let value = Arc::new(read(&files)?);
        let state = Mutex::new(State { value, stamps, looked: Instant::now() });
        Ok(Self { files, read: Box::new(read), state })
    }

    /// What the files say now, or said last.
    pub(crate) fn get(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() < LOOK_EVERY {
            return Arc::clone(&state.value);
        }
        state.looked = Instant::now();
        let stamps = stamps(&self.files);
        if stamps != state.stamps {
            let files =
                self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
            state.stamps = stamps;
            match (self.read)(&self.files) {
                Ok(value) => {
                    tracing::info!(files, "read again");
                    state.value = Arc::new(value);
                }
                Err(error) => {
                    tracing::error!(files, error, "changed and cannot be used; what was read before stays")
                }
            }
        }
        Arc::clone(&state.value)
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        let file = std::fs::metadata(file).ok()?;
        Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
    };
    files.iter().map(stamp).collect()
}

/// Reads a text file; the error names it.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
