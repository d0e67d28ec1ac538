//! Says whether the database is there and new enough: to the log, to `/readyz`, to health checks, and to the
//! loops that wait for it.

use std::sync::Arc;
use std::time::Duration;

use distrack_proto::v1::coordinator_service_server::SERVICE_NAME;
use distrack_store::Schema;
use distrack_telemetry::Readiness;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

use crate::Coordinator;
use crate::pause::jittered;

/// How often to look while it is well, and while it is not.
const EVERY: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_millis(500);

/// Runs until the coordinator stops; says each change once.
pub(crate) async fn watch(coordinator: Arc<Coordinator>, readiness: Readiness, health: HealthReporter) {
    let mut said = None;
    loop {
        let state = look(&coordinator).await;
        if state.is_ok() {
            coordinator.current.cancel();
        }
        if said.as_ref() != Some(&state) {
            match &state {
                Ok(()) => info!("database ready"),
                Err(reason) => warn!(%reason, "waiting for the database"),
            }
            tell(&health, state.is_ok()).await;
        }
        readiness.set(state.clone());
        let pause = jittered(if state.is_ok() { EVERY } else { SOON });
        said = Some(state);
        if coordinator.wait(pause).await.is_stopping() {
            tell(&health, false).await;
            readiness.set(Err("the coordinator is stopping".to_owned()));
            return;
        }
    }
}

async fn look(coordinator: &Coordinator) -> Result<(), String> {
    match coordinator.store.schema().await {
        Ok(Schema::Current) => Ok(()),
        Ok(Schema::Older { found, needed }) => Err(format!(
            "the schema is at migration {found}, this build needs {needed}: run `distrack migrate`"
        )),
        Err(error) => Err(error.to_string()),
    }
}

async fn tell(health: &HealthReporter, well: bool) {
    let status = if well { ServingStatus::Serving } else { ServingStatus::NotServing };
    health.set_service_status(SERVICE_NAME, status).await;
    health.set_service_status("", status).await;
}
