//! What the machine can do without distrack, measured in the same minute as distrack.
//!
//! Machines differ by a factor of two from one minute to the next: only a figure's ratio to one of these can be compared
//! with that of another run.

mod bare_http;
mod postgres;
mod spawn;
mod sqlite;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::Value;

use crate::http::Call;
use crate::settings::DatabaseUrl;
use crate::target::{Kind, System};

/// Something that the machine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Calibrator {
    /// `sh -c 'echo hello'` with both pipes read, commands a second, the best of four and eight at a time.
    Spawn,
    /// The same one at a time, milliseconds each.
    SpawnOne,
    /// Rows inserted a second, a thousand a statement, over one connection to the database.
    Insert,
    /// Rows claimed and finished a second, 500 a statement, over one connection to the database.
    ClaimFinish,
    /// Single rows committed a second, from 16 connections; one for SQLite.
    Commits,
    /// Requests a second that a bare server takes, with the bodies of a submission.
    BareHttp,
}

impl Calibrator {
    /// Its name in reports.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::SpawnOne => "spawn_one",
            Self::Insert => "insert",
            Self::ClaimFinish => "claim_finish",
            Self::Commits => "commits",
            Self::BareHttp => "bare_http",
        }
    }

    fn is_of_database(self) -> bool {
        matches!(self, Self::Insert | Self::ClaimFinish | Self::Commits)
    }
}

/// What a bare database can do, each a second.
struct Bare {
    insert: f64,
    claim_finish: f64,
    commits: f64,
}

/// What was measured; nothing of what could not be.
pub(crate) type Measured = BTreeMap<Calibrator, f64>;

/// The machine.
pub(crate) struct Machine {
    kind: Kind,
    database: Option<DatabaseUrl>,
    folder: PathBuf,
    connections: usize,
    /// A submission and its answer.
    exchange: (Call, Value),
}

impl Machine {
    /// The machine under a system. `exchange` is what the bare server reads and answers.
    pub(crate) fn of(system: &System, connections: usize, exchange: (Call, Value)) -> Self {
        let (database, folder) = (system.database.clone(), system.folder.clone());
        Self { kind: system.kind, database, folder, connections, exchange }
    }

    /// Measures these. A database that is not known is not measured.
    pub(crate) async fn measure(&self, wanted: &[Calibrator]) -> Result<Measured> {
        let mut measured = Measured::new();
        if wanted.iter().any(|one| one.is_of_database())
            && let Some(bare) = self.bare().await?
        {
            measured.extend([
                (Calibrator::Insert, bare.insert),
                (Calibrator::ClaimFinish, bare.claim_finish),
                (Calibrator::Commits, bare.commits),
            ]);
        }
        for one in wanted {
            let value = match one {
                Calibrator::Spawn => spawn::rate().await?,
                Calibrator::SpawnOne => spawn::one().await?,
                Calibrator::BareHttp => {
                    let (call, answer) = self.exchange.clone();
                    bare_http::rate(self.connections, &call, answer).await?
                }
                Calibrator::Insert | Calibrator::ClaimFinish | Calibrator::Commits => continue,
            };
            measured.insert(*one, value);
        }
        Ok(measured)
    }

    async fn bare(&self) -> Result<Option<Bare>> {
        match (self.kind, &self.database) {
            (Kind::Postgres, Some(url)) => postgres::measure(url).await.map(Some),
            (Kind::Sqlite, _) => sqlite::measure(&self.folder).await.map(Some),
            _ => Ok(None),
        }
    }
}
