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
        let state = match found {
            Ok(schema) => judge(schema),
            Err(_) => Err("the database did not answer in time".to_owned()),
        };
        if state != readiness.get() {
            match &state {
                Ok(()) => tracing::info!("scheduler is ready"),
                Err(reason) => tracing::warn!(reason, "scheduler is not ready"),
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

fn judge(schema: Result<Schema, StoreError>) -> Result<(), String> {
    match schema {
        Ok(Schema::Current) => Ok(()),
        Ok(Schema::Older { found, needed }) => {
            Err(format!("schema is at migration {found}, this build needs {needed}: run `distrack migrate`"))
        }
        Err(error) => Err(error.to_string()),
    }
}
