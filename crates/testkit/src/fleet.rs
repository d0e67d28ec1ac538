//! A whole system of real processes over one database: schedulers, coordinators and workers, each of which a
//! test may kill and start again on the same ports and folders.

mod builder;
mod member;
mod up;

use std::path::Path;

use tempfile::TempDir;

use crate::api::Api;
pub use builder::FleetBuilder;
pub use member::Member;
pub use up::Up;

/// A running fleet; killed on drop, its folders removed unless the test is failing.
#[derive(Debug)]
pub struct Fleet {
    schedulers: Vec<Member>,
    coordinators: Vec<Member>,
    workers: Vec<Member>,
    folder: Option<TempDir>,
}

impl Fleet {
    /// Starts to describe a fleet of `program`, the released binary, over the database at `database_url`.
    pub fn builder(program: impl AsRef<Path>, database_url: impl Into<String>) -> FleetBuilder {
        FleetBuilder::new(program.as_ref().to_owned(), database_url.into())
    }

    /// Returns a client of the first scheduler.
    pub fn api(&self) -> Api {
        self.scheduler(0).api()
    }

    /// Returns scheduler `n`, from 0.
    ///
    /// # Panics
    /// If there are not that many; this holds for the next two as well.
    pub fn scheduler(&self, n: usize) -> &Member {
        &self.schedulers[n]
    }

    /// Returns coordinator `n`, from 0.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn coordinator(&self, n: usize) -> &Member {
        &self.coordinators[n]
    }

    /// Returns worker `n`, from 0.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn worker(&self, n: usize) -> &Member {
        &self.workers[n]
    }

    /// Returns all members: schedulers, coordinators, workers.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.schedulers.iter().chain(&self.coordinators).chain(&self.workers)
    }

    /// Returns the last lines that each member has printed.
    pub fn log_tails(&self) -> String {
        self.members().map(|member| member.process().log_tail()).collect::<Vec<_>>().join("\n\n")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tails());
            if let Some(folder) = self.folder.take() {
                eprintln!("logs and output are kept in {}", folder.keep().display());
            }
        }
    }
}
