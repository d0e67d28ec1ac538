//! A connection that only looks whether the server is there, what it says if it is not, and which schema it has.
//!
//! It waits behind no step, so that an exhausted lane is not taken for a server that is away.

use std::sync::Arc;
use std::time::Duration;

use distrack_store::{Schema, StoreError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::shared::Shared;
use crate::trouble::{Trouble, in_words, of, store_error};
use crate::{Result, schema};

/// How long the server may take, to connect and to answer. A test's machine may stall this long.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct Watch {
    options: PgConnectOptions,
    connection: Mutex<Option<PgConnection>>,
    shared: Arc<Shared>,
}

impl Watch {
    pub(crate) fn new(options: PgConnectOptions, shared: Arc<Shared>) -> Self {
        Self { options, connection: Mutex::default(), shared }
    }

    pub(crate) async fn schema(&self) -> Result<Schema> {
        // One look at a time; who comes meanwhile is answered by the next.
        let mut kept = self.connection.lock().await;
        let mut seen = self.look(kept.take()).await;
        if matches!(&seen, Err(error) if is_broken(error)) {
            // That one was old: a server that restarted is back on a new one.
            seen = self.look(None).await;
        }
        match seen {
            Ok((connection, schema)) => {
                *kept = Some(connection);
                self.shared.note(None);
                Ok(schema)
            }
            Err(error) => {
                if let StoreError::Unavailable(reason) = &error {
                    self.shared.note(Some(reason.to_string()));
                }
                Err(error)
            }
        }
    }

    async fn look(&self, connection: Option<PgConnection>) -> Result<(PgConnection, Schema)> {
        let look = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => PgConnection::connect_with(&self.options).await?,
            };
            let read_only: String =
                sqlx::query_scalar("SHOW transaction_read_only").fetch_one(&mut connection).await?;
            let schema = schema::schema(&mut connection).await?;
            Ok((connection, schema, read_only == "on"))
        };
        match timeout(ANSWERS_WITHIN, look).await {
            Ok(Ok((_, _, true))) => {
                // The primary is somewhere else by now, or will be.
                self.shared.renewal.renew();
                Err(StoreError::unavailable("the server only reads: it is a standby, or was told so"))
            }
            Ok(Ok((connection, schema, false))) => Ok((connection, schema)),
            Ok(Err(error)) => Err(said(error)),
            Err(_) => {
                self.shared.renewal.renew();
                Err(StoreError::unavailable(format!("no answer within {ANSWERS_WITHIN:?}")))
            }
        }
    }
}

/// An error in the server's own words.
fn said(error: sqlx::Error) -> StoreError {
    match of(&error) {
        Trouble::TakenBack | Trouble::Broken | Trouble::ReadOnly | Trouble::Lasting => {
            StoreError::Unavailable(Said { words: in_words(&error), error }.into())
        }
        Trouble::Bug => store_error(error),
    }
}

/// A short word for an error, for `/readyz`.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
struct Said {
    words: String,
    #[source]
    error: sqlx::Error,
}

fn is_broken(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    source.downcast_ref::<Said>().is_some_and(|said| of(&said.error) == Trouble::Broken)
}
