//! Workers' sessions: opening, continuing, renewing and ending them.

use std::collections::HashSet;
use std::time::Duration;

use distrack_core::{AttemptRef, CoordinatorId, Ended, SessionId, TaskState};
use distrack_store::{HeartbeatSeen, Registered, Registration, Renewed, StoreError};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Result;
use crate::claim::split;
use crate::ending::{self, Changed, Ending, LockedRow};
use crate::error::{corrupt, store_error};
use crate::row::{task_state, to_int, to_micros};

pub(crate) async fn register(pool: &PgPool, new: Registration) -> Result<Registered> {
    let mut transaction = pool.begin().await.map_err(store_error)?;
    let current = sqlx::query_file!("sql/session_of_worker.sql", new.worker.as_uuid())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(store_error)?;
    let mut registered = match current {
        Some(current) if current.instance_id == new.instance.as_uuid() => {
            continue_session(&mut transaction, &new, current.id).await?
        }
        Some(current) if current.leased && current.host != new.host => {
            return Err(StoreError::Conflict(format!(
                "worker {} lives on another host ({}); give each worker its own state directory",
                new.worker, current.host
            )));
        }
        // The old process is dead: on the same host its state directory is free again, elsewhere its lease ran out.
        Some(current) => supersede(&mut transaction, &new, current.id).await?,
        None => open(&mut transaction, &new).await?,
    };
    let kept: HashSet<_> = registered.kept.iter().copied().collect();
    registered.kill = new.held.iter().copied().filter(|attempt| !kept.contains(attempt)).collect();
    transaction.commit().await.map_err(store_error)?;
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
    )
    .execute(connection)
    .await;
    match opened {
        Ok(_) => Ok(Registered {
            session,
            attach: 1,
            kept: Vec::new(),
            kill: Vec::new(),
            cancel: Vec::new(),
            released: 0,
            lost: 0,
        }),
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
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(store_error)?;
    let mut registered = Registered {
        session: id.into(),
        attach: continued.attach,
        kept: Vec::new(),
        kill: Vec::new(),
        cancel: Vec::new(),
        released: 0,
        lost: 0,
    };
    let missing = sort_held(connection, id, new, &mut registered).await?;
    // The same process never got what it does not hold, unless it said that it had started it.
    let (lost, released): (Vec<_>, Vec<_>) = missing.into_iter().partition(|(_, state)| *state == TaskState::Running);
    registered.released = release(connection, &refs(&released)).await?;
    registered.lost = lose(connection, &refs(&lost)).await?;
    Ok(registered)
}

async fn supersede(connection: &mut PgConnection, new: &Registration, old: Uuid) -> Result<Registered> {
    sqlx::query_file!("sql/session_end.sql", old).execute(&mut *connection).await.map_err(store_error)?;
    let mut registered = open(connection, new).await?;
    // What the old process ran is dead with it; what it finished lies in the spool and is held.
    let missing = sort_held(connection, old, new, &mut registered).await?;
    let (ids, epochs) = split(&registered.kept);
    sqlx::query_file!("sql/session_move.sql", old, registered.session.as_uuid(), &ids, &epochs)
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
    registered.lost = lose(connection, &refs(&missing)).await?;
    Ok(registered)
}

/// Sorts the session's attempts by whether the worker holds them; returns those that it does not.
async fn sort_held(
    connection: &mut PgConnection,
    session: Uuid,
    new: &Registration,
    registered: &mut Registered,
) -> Result<Vec<(AttemptRef, TaskState)>> {
    let held: HashSet<_> = new.held.iter().copied().collect();
    let rows =
        sqlx::query_file!("sql/held_by_session.sql", session).fetch_all(connection).await.map_err(store_error)?;
    let mut missing = Vec::new();
    for row in rows {
        let attempt = AttemptRef { task: row.id.into(), epoch: row.epoch };
        if !held.contains(&attempt) {
            missing.push((attempt, task_state(row.state)?));
            continue;
        }
        registered.kept.push(attempt);
        if row.cancel_requested {
            registered.cancel.push(attempt);
        }
    }
    Ok(missing)
}

fn refs(attempts: &[(AttemptRef, TaskState)]) -> Vec<AttemptRef> {
    attempts.iter().map(|(attempt, _)| *attempt).collect()
}

async fn release(connection: &mut PgConnection, attempts: &[AttemptRef]) -> Result<u64> {
    let (ids, epochs) = split(attempts);
    let released =
        sqlx::query_file!("sql/release.sql", &ids, &epochs).execute(&mut *connection).await.map_err(store_error)?;
    let cancelled =
        sqlx::query_file!("sql/release_cancelled.sql", &ids, &epochs).execute(connection).await.map_err(store_error)?;
    Ok(released.rows_affected() + cancelled.rows_affected())
}

/// Loses attempts whose rows this transaction has locked.
async fn lose(connection: &mut PgConnection, attempts: &[AttemptRef]) -> Result<u64> {
    let (ids, _) = split(attempts);
    let rows = sqlx::query_file_as!(LockedRow, "sql/lock_attempts.sql", &ids)
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    let endings = rows.iter().map(|row| Ending::decide(row, Ended::Lost, 1.0)).collect::<Result<Vec<_>>>()?;
    let lost = endings.len() as u64;
    ending::write(connection, endings).await?;
    Ok(lost)
}

fn queues(new: &Registration) -> Option<Value> {
    new.queues.as_ref().map(|queues| serde_json::json!(queues))
}

pub(crate) async fn renew(
    pool: &PgPool,
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
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
        alive = rows.into_iter().map(|row| row.id.into()).collect();
    }
    let marks =
        sqlx::query_file!("sql/cancel_marks.sql", coordinator.as_uuid()).fetch_all(pool).await.map_err(store_error)?;
    let cancel = marks
        .into_iter()
        .map(|row| (row.session_id.into(), AttemptRef { task: row.id.into(), epoch: row.epoch }))
        .collect();
    Ok(Renewed { alive, cancel })
}

pub(crate) async fn deregister(pool: &PgPool, session: SessionId) -> Result<Changed> {
    let mut transaction = pool.begin().await.map_err(store_error)?;
    sqlx::query_file!("sql/session_end.sql", session.as_uuid())
        .execute(&mut *transaction)
        .await
        .map_err(store_error)?;
    let rows = sqlx::query_file!("sql/held_by_session.sql", session.as_uuid())
        .fetch_all(&mut *transaction)
        .await
        .map_err(store_error)?;
    let held: Vec<AttemptRef> =
        rows.into_iter().map(|row| AttemptRef { task: row.id.into(), epoch: row.epoch }).collect();
    let lost = lose(&mut transaction, &held).await?;
    transaction.commit().await.map_err(store_error)?;
    if lost != held.len() as u64 {
        return Err(corrupt("a locked attempt vanished"));
    }
    Ok(Changed { due: lost > 0, done: lost > 0 })
}
