//! Workers' sessions: opening, continuing, renewing and ending them.

use std::time::Duration;

use distrack_core::protocol::reconcile::{self, Admission, Live, Process};
use distrack_core::{AttemptRef, CoordinatorId, SessionId};
use distrack_store::shared::{
    Changed, Ending, HeldRow, admit, overtaken, sort_held, sort_left, to_bigint, to_int, to_micros,
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
    let live = current.as_ref().map(|current| Live {
        instance: current.instance_id.into(),
        host: &current.host,
        leased: current.leased,
    });
    let mut registered = match (admit(live, &new)?, &current) {
        (Admission::Continue, Some(current)) => continue_session(&mut step, &new, current.id).await?,
        (_, Some(current)) => supersede(&mut step, &new, current.id).await?,
        (_, None) => open(&mut step, &new).await?,
    };
    registered.kill = reconcile::kill(&new.held, &registered.kept);
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
    let missing = sort_held(&held_by(step, id).await?, new, Process::Same, &mut registered)?;
    registered.released = give_back(step, &missing.released).await?;
    registered.lost = lose(step, &missing.lost).await?;
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
    let missing = sort_held(&held_by(step, old).await?, new, Process::Gone, &mut registered)?;
    sqlx::query_file!("sql/session_move.sql", old, registered.session.as_uuid(), refs(&registered.kept))
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    registered.lost = lose(step, &missing.lost).await?;
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
    let held = sort_left(&held_by(&mut step, session.as_uuid()).await?)?;
    let released = give_back(&mut step, &held.released).await?;
    let lost = lose(&mut step, &held.lost).await?;
    step.commit().await?;
    let changed = released.attempts > 0 || !lost.is_empty();
    Ok((lost, Changed { due: changed, done: changed }))
}
