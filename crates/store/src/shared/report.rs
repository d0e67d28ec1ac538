//! Judging what workers say of attempts.

use std::collections::HashMap;
use std::time::Duration;

use distrack_core::protocol::report::{self, Current, Judgement, Said};
use distrack_core::{AttemptRef, Cause, Ended, Output, TaskState};
use uuid::Uuid;

use super::ending::{Ending, LockedRow};
use super::value::task_state;
use crate::store::Result;
use crate::types::{AttemptEvent, AttemptReport, Progress, Receipt, Reported};

/// The reports of one call that change something, judged against the locked rows.
#[derive(Debug, Default)]
pub struct Batch {
    rows: HashMap<Uuid, LockedRow>,
    /// Attempts that started, and how long ago.
    pub starts: HashMap<AttemptRef, Duration>,
    /// Attempts that ended.
    pub endings: Vec<Ending>,
    /// What attempts printed, by task and number.
    pub outputs: Vec<(Uuid, i32, Output)>,
    progress: HashMap<AttemptRef, Progress>,
}

impl Batch {
    /// Judges reports in order; `rows` are the locked rows of their tasks, as far as those exist.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`](crate::StoreError::Corrupt) when a row cannot be read.
    pub fn judge(rows: Vec<LockedRow>, reports: Vec<AttemptReport>) -> Result<(Reported, Self)> {
        let mut batch = Self { rows: rows.into_iter().map(|row| (row.id, row)).collect(), ..Self::default() };
        let receipts = reports.into_iter().map(|report| batch.add(report)).collect::<Result<_>>()?;
        let progress = std::mem::take(&mut batch.progress).into_values().collect();
        Ok((Reported { receipts, progress }, batch))
    }

    fn add(&mut self, report: AttemptReport) -> Result<Receipt> {
        let Some(row) = self.rows.get_mut(&report.attempt.task.as_uuid()) else {
            return Ok(receipt(report::judge(None, report.attempt.epoch, said(&report.event))));
        };
        let current = row.current()?;
        let judgement = report::judge(Some(current), report.attempt.epoch, said(&report.event));
        // Epochs are small numbers, which anybody can guess; a session is not.
        let stranger = report.session.is_some_and(|session| row.session_id != Some(session.as_uuid()));
        if stranger && current.state.is_held() {
            return Ok(Receipt::Stale);
        }
        match (judgement, report.event) {
            (Judgement::Starts, AttemptEvent::Started { ago }) => {
                row.state = TaskState::Running.code();
                let mut progress = row.progress();
                progress.started_at = Some(progress.picked_at.max(row.instant(ago)));
                progress.starts = true;
                self.progress.insert(report.attempt, progress);
                self.starts.insert(report.attempt, ago);
                Ok(Receipt::Recorded)
            }
            (Judgement::Ends, AttemptEvent::Finished { ago, ran, outcome, output }) => {
                // One statement writes the end; a start of the same batch rides along.
                let started = self.starts.remove(&report.attempt);
                let ran = ran.or_else(|| started.map(|started| started.saturating_sub(ago)));
                let began = report::began(current.state, ran.is_some());
                let ended = Ended::Reported { outcome: &outcome, began };
                let mut ending = Ending::decide(row, ended, report.jitter)?;
                ending.ran = ran;
                ending.ago = ago;
                self.progress.insert(report.attempt, ending.progress(row));
                row.state = ending.next.code();
                row.cause = ending.verdict.outcome.cause.map(Cause::code);
                row.exit_code = Some(0).filter(|_| row.cause.is_none());
                if !output.is_empty() {
                    self.outputs.push((row.id, row.attempt, output));
                }
                self.endings.push(ending);
                Ok(Receipt::Recorded)
            }
            (judgement, _) => Ok(receipt(judgement)),
        }
    }
}

impl LockedRow {
    /// The task as far as a report is concerned.
    fn current(&self) -> Result<Current> {
        let lost = Cause::WorkerLost.code();
        let reported = self.cause.map_or(self.exit_code.is_some(), |cause| cause != lost);
        Ok(Current { epoch: self.epoch, state: task_state(self.state)?, reported })
    }
}

fn said(event: &AttemptEvent) -> Said {
    match event {
        AttemptEvent::Started { .. } => Said::Started,
        AttemptEvent::Finished { .. } => Said::Finished,
    }
}

fn receipt(judgement: Judgement) -> Receipt {
    match judgement {
        Judgement::Stale => Receipt::Stale,
        Judgement::Duplicate => Receipt::Duplicate,
        Judgement::Starts | Judgement::Ends => Receipt::Recorded,
    }
}
