//! What is to be reported, in batches: a moment's worth, bounded in number and size.

use std::collections::VecDeque;
use std::time::Duration;

use distrack_core::{AttemptRef, SessionId};
use distrack_proto::{MAX_BATCH, MAX_MESSAGE, convert, v1};
use prost::Message;
use tokio::time::Instant;

use crate::clock::Moment;
use crate::spool::Spooled;

/// How long a start waits: most commands have ended by then, and their result says when they started.
const STARTED_WAITS: Duration = Duration::from_millis(20);
/// How long an item that cannot be delivered waits for its next turn, so that others have theirs.
const ASIDE_FOR: Duration = Duration::from_secs(30);
/// The most bytes of a batch, well below what a message may have.
const MAX_BYTES: usize = MAX_MESSAGE / 2;

/// Something to be reported.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most are of the large kind, and a box would cost each of them"
)]
pub(crate) enum Item {
    /// A command runs.
    Started(AttemptRef, Moment),
    /// An attempt ended, and its result is safe.
    Finished(Spooled),
}

/// What is to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    started: VecDeque<(Instant, AttemptRef, Moment)>,
    finished: VecDeque<Spooled>,
    /// What is to go alone, because it spoilt a batch or may have, in the order of when.
    alone: VecDeque<(Instant, Item)>,
}

/// What is sent at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Attempts whose command runs, and since when.
    pub(crate) started: Vec<(AttemptRef, Moment)>,
    /// Results.
    pub(crate) finished: Vec<Spooled>,
    /// Whether its one item goes alone on purpose.
    alone: bool,
}

impl Outbox {
    /// Takes an item.
    pub(crate) fn put(&mut self, item: Item) {
        let now = Instant::now();
        match item {
            Item::Started(attempt, since) => self.started.push_back((now + STARTED_WAITS, attempt, since)),
            Item::Finished(spooled) => self.finished.push_back(spooled),
        }
    }

    /// When the next batch is to go; `None` when there is nothing to send.
    pub(crate) fn due(&self) -> Option<Instant> {
        let started = self.started.front().map(|(due, ..)| *due);
        // A result has waited for others before: those of one sync come together.
        let finished = (!self.finished.is_empty()).then(Instant::now);
        let alone = self.alone.front().map(|(due, _)| *due);
        [started, finished, alone].into_iter().flatten().min()
    }

    /// The next batch. A start whose attempt no longer `runs` is dropped: its result says it all.
    pub(crate) fn batch(&mut self, runs: impl Fn(AttemptRef) -> bool) -> Batch {
        let now = Instant::now();
        while let Some((_, item)) = self.alone.pop_front_if(|(due, _)| *due <= now) {
            match item {
                Item::Started(attempt, _) if !runs(attempt) => {}
                item @ (Item::Started(..) | Item::Finished(_)) => return Batch::alone(item),
            }
        }
        let mut batch = Batch::default();
        while batch.len() < MAX_BATCH
            && let Some((_, attempt, since)) = self.started.pop_front_if(|(due, ..)| *due <= now)
        {
            if runs(attempt) {
                batch.started.push((attempt, since));
            }
        }
        let mut bytes = 0;
        while batch.len() < MAX_BATCH
            && let Some(next) = self.finished.front()
        {
            bytes += next.finished.encoded_len() + 64;
            if bytes > MAX_BYTES && batch.len() > 0 {
                break;
            }
            batch.finished.extend(self.finished.pop_front());
        }
        batch
    }

    /// Puts back a batch that was not received, to be sent first.
    pub(crate) fn put_back(&mut self, batch: Batch) {
        if batch.alone {
            return self.put_back_alone(batch);
        }
        let now = Instant::now();
        for spooled in batch.finished.into_iter().rev() {
            self.finished.push_front(spooled);
        }
        for (attempt, since) in batch.started.into_iter().rev() {
            self.started.push_front((now, attempt, since));
        }
    }

    /// Puts back a batch of which some item was refused, to be sent one by one.
    pub(crate) fn put_back_alone(&mut self, batch: Batch) {
        let now = Instant::now();
        for item in batch.items().rev() {
            self.alone.push_front((now, item));
        }
    }

    /// Puts away what cannot be delivered now, and lets everything else go first.
    pub(crate) fn put_aside(&mut self, batch: Batch) {
        let due = Instant::now() + ASIDE_FOR;
        self.alone.extend(batch.items().map(|item| (due, item)));
    }
}

impl Batch {
    fn alone(item: Item) -> Self {
        let mut batch = Self { alone: true, ..Self::default() };
        match item {
            Item::Started(attempt, since) => batch.started.push((attempt, since)),
            Item::Finished(spooled) => batch.finished.push(spooled),
        }
        batch
    }

    /// What it is made of, in the order of the message.
    fn items(self) -> impl DoubleEndedIterator<Item = Item> {
        let started = self.started.into_iter().map(|(attempt, since)| Item::Started(attempt, since));
        started.chain(self.finished.into_iter().map(Item::Finished))
    }

    /// How many items it has.
    pub(crate) fn len(&self) -> usize {
        self.started.len() + self.finished.len()
    }

    /// The attempts it is about, in the order of the message.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = AttemptRef> {
        let started = self.started.iter().map(|(attempt, _)| *attempt);
        started.chain(self.finished.iter().map(|spooled| spooled.attempt))
    }

    /// The message: starts first, then results, in order.
    pub(crate) fn request(&self, session: SessionId) -> v1::ReportAttemptsRequest {
        let now = Moment::now();
        let started = self.started.iter().map(|(attempt, since)| {
            let started = v1::Started { ago_us: convert::micros(now.since(*since)) };
            v1::AttemptReport {
                attempt: Some((*attempt).into()),
                event: Some(v1::attempt_report::Event::Started(started)),
                // Nothing is recorded below a start.
                trace: None,
            }
        });
        let finished = self.finished.iter().map(|spooled| spooled.report(now.since(spooled.ended)));
        v1::ReportAttemptsRequest {
            session_id: convert::id_bytes(session.as_uuid()),
            items: started.chain(finished).collect(),
        }
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
