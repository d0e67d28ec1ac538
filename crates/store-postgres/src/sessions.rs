//! Workers' sessions: opening, continuing, renewing and ending them.

use std::time::Duration;

use distrack_core::protocol::reconcile::{self, Admission, Live, Process};
use distrack_core::{AttemptRef, CoordinatorId, SessionId};
use distrack_store::shared::{
    Changed, Ending, HeldRow, LockedRow, admit, overtaken, sort_held, sort_left, to_bigint, to_int, to_micros,
};
use distrack_store::{HeartbeatSeen, Progress, Registered, Registration, Renewed, StoreError};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tracing::debug;
use uuid::Uuid;

use crate::Result;
use crate::claim::{give_back, split};
use crate::ending;
use crate::trouble::{commit_error, store_error};

pub(crate) async fn register(connection: &mut PgConnection, new: &Registration) -> Result<Registered> {
    let mut transaction = connection.begin().await.map_err(store_error)?;
    let current = sqlx::query_file!("sql/session_of_worker.sql", new.worker.as_uuid())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(store_error)?;
    let live = current.as_ref().map(|current| Live {
        instance: current.instance_id.into(),
        host: &current.host,
        leased: current.leased,
    });
    let mut registered = match (admit(live, new)?, &current) {
        (Admission::Continue, Some(current)) => continue_session(&mut transaction, new, current.id).await?,
        (_, Some(current)) => supersede(&mut transaction, new, current.id).await?,
        (_, None) => open(&mut transaction, new).await?,
    };
    registered.kill = reconcile::kill(&new.held, &registered.kept);
    transaction.commit().await.map_err(commit_error)?;
    Ok(registered)
}

async fn open(connection: &mut PgConnection, new: &Registration) -> Result<Registered> {
    let session = SessionId::new();
    let opened = sqlx::query_file!(
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
        serde_json::json!(new.labels),
        to_micros(new.lost_after),
        to_bigint(new.sequence),
        new.isolation,
    )
    .execute(connection)
    .await;
    match opened {
        Ok(_) => Ok(Registered::new(session, 1)),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(StoreError::unavailable(format!("worker {} registers twice at once", new.worker)))
        }
        Err(error) => Err(store_error(error)),
    }
}

async fn continue_session(connection: &mut PgConnection, new: &Registration, id: Uuid) -> Result<Registered> {
    let continued = sqlx::query_file!(
        "sql/session_continue.sql",
        id,
        new.coordinator.as_uuid(),
        new.name,
        new.address,
        new.version,
        to_int(new.slots),
        queues(new),
        serde_json::json!(new.labels),
        to_micros(new.lost_after),
        to_bigint(new.sequence),
        new.isolation,
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(store_error)?
    .ok_or_else(|| overtaken(new))?;
    let mut registered = Registered::new(id.into(), continued.attach);
    let missing = sort_held(&held_by(connection, id).await?, new, Process::Same, &mut registered)?;
    registered.released = give_back(connection, &missing.released).await?;
    registered.lost = lose(connection, &missing.lost).await?;
    Ok(registered)
}

async fn supersede(connection: &mut PgConnection, new: &Registration, old: Uuid) -> Result<Registered> {
    sqlx::query_file!("sql/session_end.sql", old).execute(&mut *connection).await.map_err(store_error)?;
    let mut registered = open(connection, new).await?;
    // What the old process ran is dead with it; what it finished lies in the spool and is held.
    let missing = sort_held(&held_by(connection, old).await?, new, Process::Gone, &mut registered)?;
    let (ids, epochs) = split(&registered.kept);
    sqlx::query_file!("sql/session_move.sql", old, registered.session.as_uuid(), &ids, &epochs)
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
    registered.lost = lose(connection, &missing.lost).await?;
    Ok(registered)
}

async fn held_by(connection: &mut PgConnection, session: Uuid) -> Result<Vec<HeldRow>> {
    sqlx::query_file_as!(HeldRow, "sql/held_by_session.sql", session)
        .fetch_all(connection)
        .await
        .map_err(store_error)
}

/// Loses attempts whose rows this transaction has locked.
async fn lose(connection: &mut PgConnection, attempts: &[AttemptRef]) -> Result<Vec<Progress>> {
    let (ids, _) = split(attempts);
    let rows = sqlx::query_file_as!(LockedRow, "sql/lock_attempts.sql", &ids)
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    let (endings, lost) = Ending::lose(&rows)?;
    ending::write(connection, endings).await?;
    Ok(lost)
}

fn queues(new: &Registration) -> Option<Value> {
    new.queues.as_ref().map(|queues| serde_json::json!(queues))
}

pub(crate) async fn renew(
    connection: &mut PgConnection,
    coordinator: CoordinatorId,
    heartbeats: &[HeartbeatSeen],
    lost_after: Duration,
) -> Result<Renewed> {
    let sessions: Vec<Uuid> = heartbeats.iter().map(|seen| seen.session.as_uuid()).collect();
    let ago: Vec<i64> = heartbeats.iter().map(|seen| to_micros(seen.ago)).collect();
    let busy: Vec<i32> = heartbeats.iter().map(|seen| to_int(seen.busy)).collect();
    let draining: Vec<bool> = heartbeats.iter().map(|seen| seen.draining).collect();
    let mut alive = Vec::new();
    if !sessions.is_empty() {
        let rows = sqlx::query_file!(
            "sql/renew.sql",
            coordinator.as_uuid(),
            &sessions,
            &ago,
            &busy,
            &draining,
            to_micros(lost_after),
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(commit_error)?;
        alive = rows.into_iter().map(|row| row.id.into()).collect();
    }
    let marks =
        sqlx::query_file!("sql/cancel_marks.sql", coordinator.as_uuid()).fetch_all(&mut *connection).await;
    let marks = match marks {
        // What is renewed is committed, whatever becomes of the marks: they are read again at the next renewal.
        Err(error) if !sessions.is_empty() => {
            debug!(%error, "no marks of cancels");
            Vec::new()
        }
        marks => marks.map_err(store_error)?,
    };
    let cancel = marks
        .into_iter()
        .map(|row| (row.session_id.into(), AttemptRef { task: row.id.into(), epoch: row.epoch }))
        .collect();
    Ok(Renewed { alive, cancel })
}

pub(crate) async fn deregister(
    connection: &mut PgConnection,
    session: SessionId,
) -> Result<(Vec<Progress>, Changed)> {
    let mut transaction = connection.begin().await.map_err(store_error)?;
    sqlx::query_file!("sql/session_end.sql", session.as_uuid())
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    let held = sort_left(&held_by(&mut transaction, session.as_uuid()).await?)?;
    let released = give_back(&mut transaction, &held.released).await?;
    let lost = lose(&mut transaction, &held.lost).await?;
    transaction.commit().await.map_err(commit_error)?;
    let changed = released.attempts > 0 || !lost.is_empty();
    Ok((lost, Changed { due: changed, done: changed }))
}
