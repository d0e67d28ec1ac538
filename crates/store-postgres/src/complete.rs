//! The end that most attempts come to, in one statement: a success.
//!
//! Nothing of a success depends on what the task permits, so that its row need not be read and judged first. Whatever
//! the statement leaves out is judged like every other report.

use std::collections::HashMap;

use distrack_core::{AttemptRef, TaskId};
use distrack_store::shared::{CompletedRow, to_bigint, to_micros};
use distrack_store::{AttemptEvent, AttemptReport, Progress};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;
use crate::trouble::commit_error;

/// The successes among reports, as columns.
#[derive(Default)]
pub(crate) struct Successes {
    id: Vec<Uuid>,
    epoch: Vec<i64>,
    /// None where nobody's word is doubted.
    session: Vec<Option<Uuid>>,
    ago_us: Vec<i64>,
    ran_us: Vec<Option<i64>>,
    max_rss_bytes: Vec<Option<i64>>,
    cpu_user_us: Vec<Option<i64>>,
    cpu_system_us: Vec<Option<i64>>,
    /// None where nothing was printed.
    stdout_head: Vec<Option<Vec<u8>>>,
    stdout_tail: Vec<Option<Vec<u8>>>,
    stdout_bytes: Vec<i64>,
    stderr_head: Vec<Option<Vec<u8>>>,
    stderr_tail: Vec<Option<Vec<u8>>>,
    stderr_bytes: Vec<i64>,
}

impl Successes {
    /// Those of tasks of which the same call tells nothing else, in the order in which everybody locks rows.
    pub(crate) fn among(reports: &[AttemptReport]) -> Self {
        let mut told: HashMap<TaskId, usize> = HashMap::new();
        for report in reports {
            *told.entry(report.attempt.task).or_default() += 1;
        }
        let mut once: Vec<_> = reports.iter().filter(|report| told[&report.attempt.task] == 1).collect();
        once.sort_unstable_by_key(|report| report.attempt.task.as_uuid());
        let mut successes = Self::default();
        once.into_iter().for_each(|report| successes.push(report));
        successes
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.id.len()
    }

    fn push(&mut self, report: &AttemptReport) {
        let AttemptEvent::Finished { ago, ran, outcome, output } = &report.event else { return };
        if outcome.cause.is_some() {
            return;
        }
        self.id.push(report.attempt.task.as_uuid());
        self.epoch.push(report.attempt.epoch);
        self.session.push(report.session.map(|session| session.as_uuid()));
        self.ago_us.push(to_micros(*ago));
        self.ran_us.push(ran.map(to_micros));
        self.max_rss_bytes.push(outcome.usage.and_then(|usage| usage.max_rss_bytes).map(to_bigint));
        self.cpu_user_us.push(outcome.usage.map(|usage| to_micros(usage.cpu_user)));
        self.cpu_system_us.push(outcome.usage.map(|usage| to_micros(usage.cpu_system)));
        let printed = |bytes: &Vec<u8>| (!output.is_empty()).then(|| bytes.clone());
        self.stdout_head.push(printed(&output.stdout.head));
        self.stdout_tail.push(printed(&output.stdout.tail));
        self.stdout_bytes.push(to_bigint(output.stdout.bytes));
        self.stderr_head.push(printed(&output.stderr.head));
        self.stderr_tail.push(printed(&output.stderr.tail));
        self.stderr_bytes.push(to_bigint(output.stderr.bytes));
    }

    /// Ends their attempts; returns what became of those that are ended by this.
    pub(crate) async fn complete(
        &self,
        connection: &mut PgConnection,
    ) -> Result<HashMap<AttemptRef, Progress>> {
        if self.id.is_empty() {
            return Ok(HashMap::new());
        }
        let completed = sqlx::query_file_as!(
            CompletedRow,
            "sql/complete.sql",
            &self.id,
            &self.epoch,
            &self.session as &[Option<Uuid>],
            &self.ago_us,
            &self.ran_us as &[Option<i64>],
            &self.max_rss_bytes as &[Option<i64>],
            &self.cpu_user_us as &[Option<i64>],
            &self.cpu_system_us as &[Option<i64>],
            &self.stdout_head as &[Option<Vec<u8>>],
            &self.stdout_tail as &[Option<Vec<u8>>],
            &self.stdout_bytes,
            &self.stderr_head as &[Option<Vec<u8>>],
            &self.stderr_tail as &[Option<Vec<u8>>],
            &self.stderr_bytes,
        )
        .fetch_all(connection)
        .await
        .map_err(commit_error)?;
        Ok(completed.into_iter().map(|row| (row.attempt_ref(), row.into())).collect())
    }
}
