//! One stream of a command, from its pipe to the file and to what is kept.
//!
//! The pipe is always drained, however much comes and whether or not the file can be written: a command
//! must never wait for us for longer than the disk takes.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::StreamOutput;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::kept::Kept;
use crate::output_file::OutputFile;

/// How much is gathered before it goes to the file.
const CHUNK: usize = 64 * 1024;
/// The first read of a stream, which is all there is of most.
const FIRST_READ: usize = 4 * 1024;
/// How long a byte may wait for more before it goes to the file: people watch it grow.
const FLUSH_AFTER: Duration = Duration::from_millis(200);
/// How long a hung disk may keep an attempt that has ended.
const LAST_WRITE: Duration = Duration::from_secs(5);
/// How much is taken at the end of what lies in the pipe: all that one can hold, unless somebody privileged
/// made it bigger. Whoever left the group may write on for ever.
const REST: usize = 1024 * 1024;

/// A stream that is being read. Reading can be given up at any point; what was read is kept.
#[derive(Debug)]
pub(crate) struct Stream {
    pipe: Receiver,
    kept: Kept,
    /// Read and not given to the file.
    pending: Vec<u8>,
    flush_at: Option<Instant>,
    /// How much the file takes, and how much of that is left.
    cap: u64,
    room: u64,
    /// Whether more than that came, and whether the file says so.
    over_limit: bool,
    marked: bool,
    writer: Writer,
    limit: Arc<Notify>,
}

/// What became of a stream.
#[derive(Debug)]
pub(crate) struct Captured {
    /// What goes with the report.
    pub(crate) output: StreamOutput,
    /// Whether more came than the file takes.
    pub(crate) over_limit: bool,
    /// Why the file is not whole, if it is not.
    pub(crate) failure: Option<String>,
}

#[derive(Debug)]
enum Writer {
    Idle(OutputFile),
    Busy(JoinHandle<OutputFile>),
    Broken,
}

impl Stream {
    /// The stream behind `pipe`. `limit` is told when more than `cap` bytes have come.
    pub(crate) fn new(
        pipe: OwnedFd,
        file: OutputFile,
        cap: u64,
        limit: Arc<Notify>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            pipe: Receiver::from_owned_fd(pipe)?,
            kept: Kept::default(),
            pending: Vec::new(),
            flush_at: None,
            cap,
            room: cap,
            over_limit: false,
            marked: false,
            writer: Writer::Idle(file),
            limit,
        })
    }

    /// Reads until nobody can write any more.
    pub(crate) async fn pump(&mut self) {
        loop {
            if self.flush_at.is_some_and(|at| at <= Instant::now()) || self.pending.len() >= CHUNK {
                self.flush().await;
            }
            match self.read().await {
                None => {}
                Some(0) => return,
                Some(count) => self.take(count),
            }
        }
    }

    /// Reads once: `Some(0)` at the end, `None` when it is time to flush.
    async fn read(&mut self) -> Option<usize> {
        let more = if self.kept.bytes() == 0 { FIRST_READ } else { CHUNK };
        self.pending.reserve_exact(more);
        let read = self.pipe.read_buf(&mut self.pending);
        let read = match self.flush_at {
            Some(at) => tokio::time::timeout_at(at, read).await.ok()?,
            None => read.await,
        };
        // A pipe has no errors but programming ones; an end is the safe reading of any.
        Some(read.unwrap_or(0))
    }

    fn take(&mut self, count: usize) {
        let fresh = self.pending.len() - count;
        self.kept.take(&self.pending[fresh..]);
        let kept = usize::try_from(self.room).unwrap_or(usize::MAX).min(count);
        self.pending.truncate(fresh + kept);
        self.room -= kept as u64;
        if kept < count && !self.over_limit {
            self.over_limit = true;
            self.limit.notify_one();
        }
        if !self.pending.is_empty() || self.owes_mark() {
            self.flush_at.get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
        }
    }

    /// Gives what is pending to the file, once the chunk before it is written.
    async fn flush(&mut self) {
        self.written().await;
        self.flush_at = None;
        let mut chunk = std::mem::take(&mut self.pending);
        if self.owes_mark() {
            self.marked = true;
            chunk.extend_from_slice(format!("\n[distrack: output cut at {} bytes]\n", self.cap).as_bytes());
        }
        if chunk.is_empty() {
            return;
        }
        self.writer = match std::mem::replace(&mut self.writer, Writer::Broken) {
            Writer::Idle(mut file) => Writer::Busy(tokio::task::spawn_blocking(move || {
                file.append(&chunk);
                file
            })),
            other @ (Writer::Busy(_) | Writer::Broken) => other,
        };
    }

    fn owes_mark(&self) -> bool {
        self.over_limit && !self.marked
    }

    /// Waits until nothing is being written. Giving up leaves the write to end by itself.
    async fn written(&mut self) {
        if let Writer::Busy(write) = &mut self.writer {
            self.writer = write.await.map_or(Writer::Broken, Writer::Idle);
        }
    }

    /// Takes what lies in the pipe without waiting for more: a slow disk may have kept us from it until the
    /// time for reading was over.
    fn rest(&mut self) {
        let mut room = REST;
        while room > 0 {
            self.pending.reserve(CHUNK);
            // Not by way of the runtime, which may not have heard of what came last.
            let read = rustix::io::read(&self.pipe, rustix::buffer::spare_capacity(&mut self.pending));
            let Ok(count @ 1..) = read else { return };
            self.take(count);
            room = room.saturating_sub(count);
        }
    }

    /// Takes and writes what is left, and tells what came. For when nobody of the command's group lives.
    pub(crate) async fn finish(mut self) -> Captured {
        self.rest();
        let last = async {
            self.flush().await;
            self.written().await;
        };
        let failure = match tokio::time::timeout(LAST_WRITE, last).await {
            Err(_) => Some("the disk does not answer".to_owned()),
            Ok(()) => match &self.writer {
                Writer::Idle(file) => file.failure().map(str::to_owned),
                Writer::Busy(_) | Writer::Broken => Some("its writer failed".to_owned()),
            },
        };
        Captured { output: self.kept.finish(), over_limit: self.over_limit, failure }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::output_file::OutputDir;
    use crate::testing::assignment;

    #[tokio::test]
    async fn what_lies_in_the_pipe_when_the_time_for_reading_is_over_is_kept_and_no_more_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (read, mut write) = std::io::pipe().unwrap();
        let attempt = assignment("").attempt;
        let file = OutputFile::new(&OutputDir::open(dir.path()).unwrap(), attempt, 1, "stdout");
        let stream = Stream::new(read.into(), file, 1024 * 1024, Arc::default()).unwrap();
        // Nobody pumps: that is what a disk that hangs comes to. The other end stays open.
        write.write_all(&[b'x'; 60_000]).unwrap();
        let captured = tokio::time::timeout(Duration::from_secs(15), stream.finish()).await.unwrap();
        assert_eq!((captured.output.bytes, captured.failure), (60_000, None));
        let written = std::fs::read(dir.path().join(attempt.task.to_string()).join("1.stdout")).unwrap();
        assert_eq!(written, [b'x'; 60_000]);
    }
}
