//! Workers' sessions: opening, continuing, renewing and ending them.

use std::collections::HashSet;
use std::time::Duration;

use distrack_core::{AttemptRef, CoordinatorId, SessionId};
use distrack_store::shared::{
    Changed, Ending, HeldRow, Missing, overtaken, refuse_stranger, sort_held, to_bigint, to_int, to_micros,
};
use distrack_store::{HeartbeatSeen, Progress, Registered, Registration, Renewed};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Result;
use crate::claim::give_back;
use crate::database::{Database, Step};
use crate::ending;
use crate::error::store_error;
use crate::row::{Instant, LockedRow, batch, ids, refs};

pub(crate) async fn register(database: &Database, new: Registration) -> Result<Registered> {
    let mut step = database.begin().await?;
    let now = step.now;
    let current = sqlx::query_file!("sql/session_of_worker.sql", new.worker.as_uuid(), now)
        .fetch_optional(step.connection())
        .await
        .map_err(store_error)?;
    let mut registered = match current {
        Some(current) if current.instance_id == new.instance.as_uuid() => {
            continue_session(&mut step, &new, current.id).await?
        }
        // The old process is dead: on the same host its state directory is free again, elsewhere its lease ran out.
        Some(current) => {
            if current.leased {
                refuse_stranger(&new, &current.host, current.instance_id.into())?;
            }
            supersede(&mut step, &new, current.id).await?
        }
        None => open(&mut step, &new).await?,
    };
    let kept: HashSet<_> = registered.kept.iter().copied().collect();
    registered.kill = new.held.iter().copied().filter(|attempt| !kept.contains(attempt)).collect();
    step.commit().await?;
    Ok(registered)
}

async fn open(step: &mut Step, new: &Registration) -> Result<Registered> {
    let session = SessionId::new();
    let now = step.now;
    sqlx::query_file!(
        "sql/session_open.sql",
        session.as_uuid(),
        new.worker.as_uuid(),
        new.instance.as_uuid(),
        new.host,
        new.name,
        new.address,
        new.version,
        new.coordinator.as_uuid(),
        to_int(new.slots),
        queues(new),
        json!(new.labels),
        to_micros(new.lost_after),
        now,
        to_bigint(new.sequence),
        new.isolation,
    )
    .execute(step.connection())
    .await
    .map_err(store_error)?;
    Ok(Registered::new(session, 1))
}

async fn continue_session(step: &mut Step, new: &Registration, id: Uuid) -> Result<Registered> {
    let now = step.now;
    let continued = sqlx::query_file!(
        "sql/session_continue.sql",
        id,
        new.coordinator.as_uuid(),
        new.name,
        new.address,
        new.version,
        to_int(new.slots),
        queues(new),
        json!(new.labels),
        to_micros(new.lost_after),
        now,
        to_bigint(new.sequence),
        new.isolation,
    )
    .fetch_optional(step.connection())
    .await
    .map_err(store_error)?
    .ok_or_else(|| overtaken(new))?;
    let mut registered = Registered::new(id.into(), continued.attach);
    let missing = sort_held(&held_by(step, id).await?, new, &mut registered)?;
    // The same process never got what it does not hold, unless it said that it had started it.
    registered.released = give_back(step, &missing.dispatched).await?;
    registered.lost = lose(step, &missing.running).await?;
    Ok(registered)
}

async fn supersede(step: &mut Step, new: &Registration, old: Uuid) -> Result<Registered> {
    let now = step.now;
    sqlx::query_file!("sql/session_end.sql", old, now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    let mut registered = open(step, new).await?;
    // What the old process ran is dead with it; what it finished lies in the spool and is held.
    let missing = sort_held(&held_by(step, old).await?, new, &mut registered)?;
    sqlx::query_file!("sql/session_move.sql", old, registered.session.as_uuid(), refs(&registered.kept))
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    registered.lost = lose(step, &missing.all()).await?;
    Ok(registered)
}

async fn held_by(step: &mut Step, session: Uuid) -> Result<Vec<HeldRow>> {
    sqlx::query_file_as!(HeldRow, "sql/held_by_session.sql", session)
        .fetch_all(step.connection())
        .await
        .map_err(store_error)
}

async fn lose(step: &mut Step, attempts: &[AttemptRef]) -> Result<Vec<Progress>> {
    let now = step.now;
    let rows = sqlx::query_file_as!(
        LockedRow,
        "sql/lock_attempts.sql",
        ids(attempts.iter().map(|attempt| attempt.task)),
        now,
    )
    .fetch_all(step.connection())
    .await
    .map_err(store_error)?;
    let rows: Vec<_> = rows.into_iter().map(LockedRow::read).collect();
    let (endings, lost) = Ending::lose(&rows)?;
    ending::write(step, endings).await?;
    Ok(lost)
}

fn queues(new: &Registration) -> Option<Value> {
    new.queues.as_ref().map(|queues| json!(queues))
}

pub(crate) async fn renew(
    database: &Database,
    coordinator: CoordinatorId,
    heartbeats: &[HeartbeatSeen],
    lost_after: Duration,
) -> Result<Renewed> {
    let mut alive = Vec::new();
    if !heartbeats.is_empty() {
        let seen =
            heartbeats.iter().map(|seen| (seen.session, to_micros(seen.ago), seen.busy, seen.draining));
        let seen = batch(seen);
        let mut step = database.begin().await?;
        let now = step.now;
        let rows =
            sqlx::query_file!("sql/renew.sql", coordinator.as_uuid(), seen, to_micros(lost_after), now)
                .fetch_all(step.connection())
                .await
                .map_err(store_error)?;
        step.commit().await?;
        alive = rows.into_iter().map(|row| row.id.into()).collect();
    }
    let marks = sqlx::query_file!("sql/cancel_marks.sql", coordinator.as_uuid())
        .fetch_all(database.readers())
        .await
        .map_err(store_error)?;
    let cancel = marks
        .into_iter()
        .map(|row| (row.session_id.into(), AttemptRef { task: row.id.into(), epoch: row.epoch }))
        .collect();
    Ok(Renewed { alive, cancel })
}

pub(crate) async fn deregister(database: &Database, session: SessionId) -> Result<(Vec<Progress>, Changed)> {
    let mut step = database.begin().await?;
    let now = step.now;
    sqlx::query_file!("sql/session_end.sql", session.as_uuid(), now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    let held = Missing::sort(held_by(&mut step, session.as_uuid()).await?)?;
    let released = give_back(&mut step, &held.dispatched).await?;
    let lost = lose(&mut step, &held.running).await?;
    step.commit().await?;
    let changed = released.attempts > 0 || !lost.is_empty();
    Ok((lost, Changed { due: changed, done: changed }))
}
