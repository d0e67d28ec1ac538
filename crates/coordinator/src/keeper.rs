//! Keeps sessions alive: one renewal for all workers that were heard, and cancels passed on to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::{AttemptRef, SessionId};
use distrack_proto::{convert, v1};
use distrack_store::Wakeup;
use tracing::{debug, info, warn};

use crate::Coordinator;

const TICK: Duration = Duration::from_secs(1);
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Runs until the coordinator stops.
pub(crate) async fn run(coordinator: Arc<Coordinator>, mut cancelled: Wakeup) {
    let mut reachable = true;
    loop {
        let hinted = tokio::select! {
            () = cancelled.wait() => true,
            () = tokio::time::sleep(TICK) => false,
            () = coordinator.shutdown.cancelled() => return,
        };
        for worker in coordinator.fleet.detach_silent(coordinator.settings.lost_after) {
            info!(worker, "worker not heard any more");
        }
        if let Err(error) = renew(&coordinator, hinted).await {
            if std::mem::replace(&mut reachable, false) {
                warn!(%error, "cannot renew leases");
            }
        } else {
            reachable = true;
        }
    }
}

async fn renew(coordinator: &Arc<Coordinator>, hinted: bool) -> Result<(), distrack_store::StoreError> {
    let heard = coordinator.fleet.take_unsaved();
    if heard.is_empty() && !hinted {
        return Ok(());
    }
    let sessions: Vec<SessionId> = heard.iter().map(|seen| seen.session).collect();
    let renewed = match coordinator.store.renew(coordinator.id, heard, coordinator.settings.lost_after).await
    {
        Ok(renewed) => renewed,
        Err(error) => {
            for session in sessions {
                coordinator.fleet.with_session(session, |attached| attached.unsaved = true);
            }
            return Err(error);
        }
    };
    for session in sessions.into_iter().filter(|session| !renewed.alive.contains(session)) {
        // Lost, ended, or attached to another coordinator: its next heartbeat is answered NOT_FOUND.
        if let Some(attach) = coordinator.fleet.with_session(session, |attached| attached.attach) {
            coordinator.fleet.detach(session, attach);
        }
    }
    pass_on(coordinator, renewed.cancel);
    Ok(())
}

/// Tells workers which attempts to stop. A call that is lost is made good by the next heartbeat's answer.
fn pass_on(coordinator: &Arc<Coordinator>, marks: Vec<(SessionId, AttemptRef)>) {
    let mut by_session: HashMap<SessionId, Vec<AttemptRef>> = HashMap::new();
    for (session, attempt) in marks {
        by_session.entry(session).or_default().push(attempt);
    }
    for (session, attempts) in by_session {
        let found = coordinator.fleet.with_session(session, |attached| {
            let news: Vec<_> =
                attempts.into_iter().filter(|attempt| attached.cancel.insert(*attempt)).collect();
            (news, attached.attach, attached.client.clone(), attached.name.clone())
        });
        let Some((news, attach, mut client, worker)) = found else { continue };
        if news.is_empty() {
            continue;
        }
        let request = v1::CancelAttemptsRequest {
            session_id: convert::id_bytes(session.as_uuid()),
            attach,
            attempts: news.into_iter().map(Into::into).collect(),
        };
        coordinator.deliveries.spawn(async move {
            match tokio::time::timeout(CALL_LIMIT, client.cancel_attempts(request)).await {
                Ok(Ok(_)) => {}
                Ok(Err(status)) => debug!(worker, error = %status, "cancel not passed on"),
                Err(_) => debug!(worker, "cancel unanswered"),
            }
        });
    }
}
