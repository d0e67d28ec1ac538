//! The spool's file: appended to, cut when everything in it is acknowledged, written anew when most is.
//! Everything here blocks.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use distrack_core::AttemptRef;

use crate::spool::Spooled;
use crate::spool_file::{self, Contents};

/// From which size an empty journal is cut to nothing, in bytes.
const CUT_FROM: u64 = 1024 * 1024;
/// From which size a journal that is mostly acknowledged is written anew, in bytes.
const REWRITE_FROM: u64 = 64 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    size: u64,
    /// Where the results are that nobody acknowledged.
    live: BTreeMap<AttemptRef, Range<u64>>,
    live_bytes: u64,
}

impl Journal {
    /// Opens the journal in `dir`, with what an earlier process left in it.
    pub(crate) fn open(dir: &Path, boot: &str) -> io::Result<(Self, Contents)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join("reports");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let contents = spool_file::read(&bytes, boot);
        let mut journal =
            Self { file: open(&path)?, path, size: bytes.len() as u64, live: BTreeMap::new(), live_bytes: 0 };
        if !bytes.is_empty() {
            // Written anew, a torn end or rubbish cannot swallow what is appended next.
            let records = contents.results.iter().map(|kept| (kept.attempt, spool_file::result(kept, boot)));
            journal.rewrite(records.collect())?;
        }
        Ok((journal, contents))
    }

    /// Appends results and acknowledgements. When it returns without an error, the results are on the disk.
    ///
    /// After an error nothing of it is in the journal.
    pub(crate) fn append(
        &mut self,
        results: &[(AttemptRef, Vec<u8>)],
        acknowledged: &[AttemptRef],
    ) -> io::Result<()> {
        let acknowledged: Vec<_> =
            acknowledged.iter().copied().filter(|attempt| self.live.contains_key(attempt)).collect();
        let mut bytes = Vec::new();
        if !acknowledged.is_empty() {
            bytes.extend(spool_file::acknowledged(&acknowledged));
        }
        let mut places = Vec::with_capacity(results.len());
        for (attempt, record) in results {
            let start = self.size + bytes.len() as u64;
            bytes.extend_from_slice(record);
            places.push((*attempt, start..start + record.len() as u64));
        }
        if let Err(error) = self.write(&bytes, !results.is_empty()) {
            // Half a record must not stay in front of whole ones; if it has to, it is skipped when read.
            if self.file.set_len(self.size).is_err() {
                self.size = self.file.metadata()?.len();
            }
            return Err(error);
        }
        self.size += bytes.len() as u64;
        self.forget(&acknowledged);
        for (attempt, place) in places {
            self.live_bytes += place.end - place.start;
            self.live.insert(attempt, place);
        }
        Ok(())
    }

    /// Makes room if it is worth it; at the end of the process it always is.
    pub(crate) fn tidy(&mut self, at_end: bool) -> io::Result<()> {
        if self.live.is_empty() && self.size > if at_end { 0 } else { CUT_FROM } {
            self.file.set_len(0)?;
            self.size = 0;
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

    /// How many results are kept.
    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// Makes every write fail, or no longer.
    #[cfg(test)]
    pub(crate) fn refuse(&mut self, refuse: bool) {
        self.file = if refuse { File::open(&self.path) } else { open(&self.path) }.unwrap();
    }

    fn write(&mut self, bytes: &[u8], sync: bool) -> io::Result<()> {
        self.file.write_all(bytes)?;
        // An acknowledgement that is lost only makes the result be sent again.
        if sync { self.file.sync_data() } else { Ok(()) }
    }

    fn rewrite(&mut self, records: Vec<(AttemptRef, Vec<u8>)>) -> io::Result<()> {
        let draft = self.path.with_extension("new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut anew = Self {
            path: self.path.clone(),
            file: open(&draft)?,
            size: 0,
            live: BTreeMap::new(),
            live_bytes: 0,
        };
        anew.append(&records, &[])?;
        fs::rename(&draft, &self.path)?;
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        *self = anew;
        Ok(())
    }

    fn forget(&mut self, acknowledged: &[AttemptRef]) {
        for attempt in acknowledged {
            if let Some(place) = self.live.remove(attempt) {
                self.live_bytes -= place.end - place.start;
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// The record of a result, with its name.
pub(crate) fn record(spooled: &Spooled, boot: &str) -> (AttemptRef, Vec<u8>) {
    (spooled.attempt, spool_file::result(spooled, boot))
}
