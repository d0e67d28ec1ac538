//! Looks at the database once a second and says whether the scheduler can accept.

use std::sync::Arc;
use std::time::Duration;

use distrack_store::{Schema, Store, StoreError};
use distrack_telemetry::Readiness;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(1);

/// Keeps `readiness` true to the database until `shutdown`; logs each change once.
pub(crate) async fn watch(
    store: Arc<dyn Store>,
    readiness: Readiness,
    limit: Duration,
    shutdown: CancellationToken,
) {
    loop {
        let found = tokio::select! {
            found = tokio::time::timeout(limit, store.schema()) => found,
            () = shutdown.cancelled() => break,
        };
        let found = match found {
            Ok(found) => found,
            Err(_) => Err(StoreError::unavailable("no answer in time")),
        };
        let error = found.as_ref().err().map(tracing::field::display);
        let state = judge(&found);
        if state != readiness.get() {
            match &state {
                Ok(()) => tracing::info!("scheduler is ready"),
                Err(reason) => tracing::warn!(reason, error, "scheduler is not ready"),
            }
            readiness.set(state);
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = shutdown.cancelled() => break,
        }
    }
    readiness.set(Err("the scheduler is shutting down".to_owned()));
}

fn judge(found: &Result<Schema, StoreError>) -> Result<(), String> {
    match found {
        Ok(Schema::Current) => Ok(()),
        Ok(Schema::Older { found, needed }) => {
            Err(format!("schema is at migration {found}, this build needs {needed}: run `distrack migrate`"))
        }
        // In the database's own words, which have no secrets: whoever looks here wants to know what to mend.
        Err(StoreError::Unavailable(reason) | StoreError::Unanswered(reason)) => {
            Err(format!("the database is unavailable: {reason}"))
        }
        Err(_) => Err("the database's schema cannot be read".to_owned()),
    }
}
