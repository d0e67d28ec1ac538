//! Keeps sessions alive: one renewal for all workers that were heard, and cancels passed on to them.

use std::sync::Arc;
use std::time::Duration;

use distrack_core::{AttemptRef, SessionId};
use distrack_proto::{MAX_BATCH, convert, v1};
use distrack_store::Wakeup;
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};

use crate::Coordinator;

/// How often leases are renewed; more often where they are short.
const TICK: Duration = Duration::from_secs(1);
const LEAST_TICK: Duration = Duration::from_millis(50);
const CANCEL: &str = "distrack.v1.WorkerService/CancelAttempts";
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Runs until the coordinator stops.
pub(crate) async fn run(coordinator: Arc<Coordinator>, mut cancelled: Wakeup) {
    let mut reachable = true;
    // Outside of the loop: hints that come faster than it ticks must not put renewals off.
    let lost_after = coordinator.settings.lost_after;
    let mut ticks = tokio::time::interval((lost_after / 12).clamp(LEAST_TICK, TICK));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let hinted = tokio::select! {
            () = cancelled.wait() => true,
            _ = ticks.tick() => false,
            () = coordinator.shutdown.cancelled() => return,
        };
        coordinator.metrics.attached.set(coordinator.fleet.count());
        for worker in coordinator.fleet.detach_silent(lost_after) {
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
    // A hint is about cancels only: leases are renewed once a second, whatever happens.
    let heard = if hinted { Vec::new() } else { coordinator.fleet.take_unsaved() };
    if heard.is_empty() && !hinted {
        coordinator.renewals.succeeded();
        return Ok(());
    }
    if !heard.is_empty() {
        coordinator.renewals.begin();
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
    if !sessions.is_empty() {
        coordinator.renewals.succeeded();
    }
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
    for (session, untold) in coordinator.fleet.mark(marks) {
        for attempts in untold.chunks(MAX_BATCH) {
            let found = coordinator.fleet.with_session(session, |attached| {
                (attached.attach, attached.client.clone(), attached.name.clone())
            });
            let Some((attach, mut client, worker)) = found else { continue };
            let request = v1::CancelAttemptsRequest {
                session_id: convert::id_bytes(session.as_uuid()),
                attach,
                attempts: attempts.iter().copied().map(Into::into).collect(),
            };
            let calls = coordinator.calls.clone();
            coordinator.deliveries.spawn(async move {
                match tokio::time::timeout(CALL_LIMIT, calls.observe(CANCEL, client.cancel_attempts(request)))
                    .await
                {
                    Ok(Ok(_)) => {}
                    Ok(Err(status)) => debug!(worker, error = %status, "cancel not passed on"),
                    Err(_) => debug!(worker, "cancel unanswered"),
                }
            });
        }
    }
}
