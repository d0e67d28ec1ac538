//! Looks on during a run: reads the effect log as it grows, sees which commands live, and which transactions idle.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::effects::Effects;
use super::history::IdleTransaction;

const LOOK_EVERY: Duration = Duration::from_millis(25);
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Who looks on; ends when dropped.
#[derive(Debug)]
pub struct Watch {
    effects: Arc<Mutex<Log>>,
    idle: Arc<Mutex<HashMap<String, Duration>>>,
    _looking: JoinSet<()>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    read: u64,
    effects: Effects,
}

impl Watch {
    /// Starts to look at an effect log and at the connections to a database.
    pub fn start(effects: &Path, database: String) -> Self {
        let log = Log { path: effects.to_owned(), read: 0, effects: Effects::default() };
        let effects = Arc::new(Mutex::new(log));
        let idle = Arc::new(Mutex::default());
        let mut looking = JoinSet::new();
        looking.spawn(look(effects.clone()));
        looking.spawn(ask(database, idle.clone()));
        Self { effects, idle, _looking: looking }
    }

    /// What commands did, up to this moment.
    pub fn effects(&self) -> Effects {
        let mut log = locked(&self.effects);
        log.look();
        log.effects.clone()
    }

    /// How many runs have ended by their own word, and how many run.
    pub fn counts(&self) -> (usize, usize) {
        let log = locked(&self.effects);
        let ended = log.effects.runs.iter().filter(|run| run.ended.is_some()).count();
        (ended, log.effects.running())
    }

    /// Transactions that were seen idle, each with the longest that it was.
    pub fn idle(&self) -> Vec<IdleTransaction> {
        let idle = locked(&self.idle);
        idle.iter()
            .map(|(statement, lasted)| IdleTransaction { statement: statement.clone(), lasted: *lasted })
            .collect()
    }
}

impl Log {
    fn look(&mut self) {
        let mut text = Vec::new();
        if let Ok(mut file) = std::fs::File::open(&self.path) {
            let _ = file.seek(SeekFrom::Start(self.read)).and_then(|_| file.read_to_end(&mut text));
        }
        self.read += text.len() as u64;
        self.effects.add(&String::from_utf8_lossy(&text));
        self.effects.look();
    }
}

async fn look(log: Arc<Mutex<Log>>) {
    loop {
        locked(&log).look();
        sleep(LOOK_EVERY).await;
    }
}

/// Asks for as long as it lives. A database that is away has no idle transactions.
async fn ask(database: String, idle: Arc<Mutex<HashMap<String, Duration>>>) {
    loop {
        let _ = asking(&database, &idle).await;
        sleep(ASK_EVERY).await;
    }
}

async fn asking(database: &str, idle: &Mutex<HashMap<String, Duration>>) -> Result<()> {
    let mut connection = PgConnection::connect(database).await?;
    loop {
        let seen: Vec<(String, f64)> = sqlx::query_as(
            "SELECT pid || ': ' || query, extract(epoch FROM clock_timestamp() - state_change)::float8 \
             FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%' \
             AND application_name <> 'chaos'",
        )
        .fetch_all(&mut connection)
        .await?;
        for (statement, seconds) in seen {
            let lasted = Duration::from_secs_f64(seconds.max(0.0));
            let mut idle = locked(idle);
            let longest = idle.entry(statement).or_default();
            *longest = lasted.max(*longest);
        }
        sleep(ASK_EVERY).await;
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
