//! The spool's file: appended to, cut when everything in it is acknowledged, written anew when most is or
//! when rubbish is in it. Everything here blocks.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
#[cfg(test)]
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use distrack_core::AttemptRef;
use tracing::warn;

use crate::spool::Spooled;
use crate::spool_file::{self, Contents};

/// From which size an empty journal is cut to nothing, in bytes.
const CUT_FROM: u64 = 1024 * 1024;
/// From which size a journal that is mostly acknowledged is written anew, in bytes.
const REWRITE_FROM: u64 = 64 * 1024 * 1024;

/// What a journal may grow to before no new work is taken, in bytes of results that nobody acknowledged.
pub(crate) const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    size: u64,
    /// Where the results are that nobody acknowledged.
    live: BTreeMap<AttemptRef, Range<u64>>,
    live_bytes: u64,
    /// Acknowledgements that are not in the file yet.
    owed: Vec<AttemptRef>,
    #[cfg(test)]
    refusal: Arc<Refusal>,
}

/// A disk that can be made to refuse, and how often it did.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) on: AtomicBool,
    /// Whether it takes half of what it is given before it refuses the rest.
    pub(crate) half: AtomicBool,
    pub(crate) met: AtomicUsize,
}

/// What a journal was found to hold.
#[derive(Debug)]
pub(crate) struct Opened {
    /// To go on with.
    pub(crate) journal: Journal,
    /// What an earlier process left in it.
    pub(crate) contents: Contents,
    /// Why it could not be written, if it had to be: it can be read all the same.
    pub(crate) unwritable: Option<io::Error>,
}

impl Journal {
    /// Opens the journal in `dir`.
    ///
    /// # Errors
    /// When it cannot be read, or made where there is none.
    pub(crate) fn open(dir: &Path, boot: &str) -> io::Result<Opened> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join("reports");
        let (bytes, is_new) = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), true),
            read => (read?, false),
        };
        let contents = spool_file::read(&bytes, boot);
        let mut journal = Self::empty(open(&path)?, path);
        if is_new {
            // Or a power failure could take the file away with all that was synced in it.
            File::open(dir)?.sync_all()?;
        }
        journal.size = bytes.len() as u64;
        journal.live_bytes = contents.places.values().map(|place| place.end - place.start).sum();
        journal.live = contents.places.clone();
        let unwritable = if contents.rubbish > 0 {
            if contents.rubbish > contents.torn {
                journal.set_aside();
            }
            // What is appended behind rubbish is found again, but each reading would search all of it.
            let records = contents.results.iter().map(|kept| record(kept, boot)).collect();
            journal.rewrite(records).err()
        } else {
            None
        };
        Ok(Opened { journal, contents, unwritable })
    }

    fn empty(file: File, path: PathBuf) -> Self {
        Self {
            path,
            file,
            size: 0,
            live: BTreeMap::new(),
            live_bytes: 0,
            owed: Vec::new(),
            #[cfg(test)]
            refusal: Arc::default(),
        }
    }

    /// Appends results and acknowledgements. When it returns without an error, the results are on the disk.
    ///
    /// After an error none of the results is in the journal; the acknowledgements go with the next ones.
    pub(crate) fn append(
        &mut self,
        results: &[(AttemptRef, Vec<u8>)],
        acknowledged: &[AttemptRef],
    ) -> io::Result<()> {
        self.forget(acknowledged);
        let mut bytes = Vec::new();
        if !self.owed.is_empty() {
            bytes.extend(spool_file::acknowledged(&self.owed));
        }
        let mut places = Vec::with_capacity(results.len());
        for (attempt, record) in results {
            let start = self.size + bytes.len() as u64;
            bytes.extend_from_slice(record);
            places.push((*attempt, start..start + record.len() as u64));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        // An acknowledgement that is lost only makes the result be sent again.
        self.write(&bytes, !results.is_empty())?;
        self.size += bytes.len() as u64;
        self.owed.clear();
        for (attempt, place) in places {
            self.live_bytes += place.end - place.start;
            if let Some(older) = self.live.insert(attempt, place) {
                self.live_bytes -= older.end - older.start;
            }
        }
        Ok(())
    }

    /// Sees whether the disk takes a result.
    pub(crate) fn probe(&mut self) -> io::Result<()> {
        self.write(&spool_file::probe(), true)?;
        self.back()
    }

    /// Makes room if it is worth it; at the end of the process it always is.
    pub(crate) fn tidy(&mut self, at_end: bool) -> io::Result<()> {
        // What the file owes, it need not be given once it is empty: that also makes room on a full disk.
        let cut_from = if at_end || !self.owed.is_empty() { 0 } else { CUT_FROM };
        if self.live.is_empty() && self.size > cut_from {
            self.file.set_len(0)?;
            self.size = 0;
            self.owed.clear();
        } else if self.size > REWRITE_FROM && self.live_bytes < self.size / 2 {
            let mut records = Vec::with_capacity(self.live.len());
            for (attempt, place) in &self.live {
                let length = usize::try_from(place.end - place.start).map_err(io::Error::other)?;
                let mut record = vec![0; length];
                self.file.read_exact_at(&mut record, place.start)?;
                records.push((*attempt, record));
            }
            self.rewrite(records)?;
        }
        Ok(())
    }

    /// How large the file is.
    pub(crate) fn bytes(&self) -> u64 {
        self.size
    }

    /// How many bytes of it are results that nobody acknowledged.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// How many results are kept.
    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// What makes it fail.
    #[cfg(test)]
    pub(crate) fn refusal(&self) -> Arc<Refusal> {
        Arc::clone(&self.refusal)
    }

    /// Writes at the end, or leaves the file as it was.
    fn write(&mut self, bytes: &[u8], sync: bool) -> io::Result<()> {
        #[cfg(test)]
        let bytes = self.refusal.lets_through(bytes)?;
        let written = self.file.write_all(bytes);
        #[cfg(test)]
        let written = written.and_then(|()| self.refusal.after());
        let written = written.and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        if written.is_err() {
            self.back()?;
        }
        written
    }

    /// Cuts off what was written last. Half a record must not stay in front of whole ones; if it has to, it
    /// is skipped when read.
    fn back(&mut self) -> io::Result<()> {
        if self.file.set_len(self.size).is_err() {
            self.size = self.file.metadata()?.len();
        }
        Ok(())
    }

    fn rewrite(&mut self, records: Vec<(AttemptRef, Vec<u8>)>) -> io::Result<()> {
        let draft = self.path.with_extension("new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut anew = Self::empty(open(&draft)?, self.path.clone());
        anew.append(&records, &[])?;
        fs::rename(&draft, &self.path)?;
        #[cfg(test)]
        {
            anew.refusal = self.refusal();
        }
        // From here on the old file has no name: what is written must go to the new one, whatever fails below.
        *self = anew;
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }

    /// Keeps the file under another name before it is written anew without what cannot be read: a later build
    /// may have written that, or a person may read more of it.
    fn set_aside(&self) {
        let aside = self.path.with_extension("spoilt");
        let kept = match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => fs::hard_link(&self.path, &aside),
        };
        match kept {
            Ok(()) => warn!(copy = %aside.display(), "what cannot be read of the spool is kept in a copy"),
            Err(error) => warn!(%error, "the spool cannot be copied before it is written anew"),
        }
    }

    fn forget(&mut self, acknowledged: &[AttemptRef]) {
        for attempt in acknowledged {
            if let Some(place) = self.live.remove(attempt) {
                self.live_bytes -= place.end - place.start;
                self.owed.push(*attempt);
            }
        }
    }
}

#[cfg(test)]
impl Refusal {
    /// How much of `bytes` is written at all.
    fn lets_through<'a>(&self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        if !self.on.load(Ordering::SeqCst) {
            return Ok(bytes);
        }
        self.met.fetch_add(1, Ordering::SeqCst);
        if self.half.load(Ordering::SeqCst) {
            return Ok(&bytes[..bytes.len() / 2]);
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    /// Refuses what is missing behind them.
    fn after(&self) -> io::Result<()> {
        if self.on.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// The record of a result, with its name.
pub(crate) fn record(spooled: &Spooled, boot: &str) -> (AttemptRef, Vec<u8>) {
    (spooled.attempt, spool_file::result(spooled, boot))
}
