//! Who may call the scheduler. On the lane of submissions: lists must not keep a caller from being known.

use async_trait::async_trait;
use distrack_store::shared::TokenValues;
use distrack_store::{Access, AuditAction, AuditNote, NewToken, Token};
use sqlx::{Connection, PgConnection};

use crate::audit;
use crate::lane::take;
use crate::row::TokenRow;
use crate::trouble::{commit_error, store_error};
use crate::{PgStore, Result};

#[async_trait]
impl Access for PgStore {
    async fn create_token(&self, token: NewToken) -> Result<Token> {
        take!(self.lanes.accept, Once, to => create(to, &token))
    }

    async fn tokens(&self) -> Result<Vec<Token>> {
        take!(self.lanes.accept, Looks, to => list(to))
    }

    async fn find_token(&self, id: String) -> Result<Option<Token>> {
        take!(self.lanes.accept, Looks, to => find(to, &id))
    }

    async fn revoke_token(&self, id: String) -> Result<Option<Token>> {
        take!(self.lanes.accept, Repeatable, to => revoke(to, &id))
    }

    async fn touch_tokens(&self, ids: Vec<String>) -> Result<()> {
        take!(self.lanes.accept, Repeatable, to => touch(to, &ids))
    }
}

async fn create(connection: &mut PgConnection, token: &NewToken) -> Result<Token> {
    let TokenValues { scopes, queues, lifetime } = TokenValues::from(token);
    let hash = token.secret_hash.as_bytes();
    let mut transaction = connection.begin().await.map_err(store_error)?;
    let created: Token = sqlx::query_file_as!(
        TokenRow,
        "sql/token_create.sql",
        token.id,
        token.name,
        hash,
        scopes,
        queues,
        lifetime
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(store_error)?
    .try_into()?;
    audit::write(&mut transaction, AuditNote::of_token(AuditAction::TokenCreate, &created)).await?;
    transaction.commit().await.map_err(commit_error)?;
    Ok(created)
}

async fn list(connection: &mut PgConnection) -> Result<Vec<Token>> {
    let rows = sqlx::query_file_as!(TokenRow, "sql/token_list.sql").fetch_all(connection).await;
    rows.map_err(store_error)?.into_iter().map(Token::try_from).collect()
}

async fn find(connection: &mut PgConnection, id: &str) -> Result<Option<Token>> {
    let row = sqlx::query_file_as!(TokenRow, "sql/token_find.sql", id).fetch_optional(connection).await;
    row.map_err(store_error)?.map(Token::try_from).transpose()
}

async fn revoke(connection: &mut PgConnection, id: &str) -> Result<Option<Token>> {
    let mut transaction = connection.begin().await.map_err(store_error)?;
    let row = sqlx::query_file_as!(TokenRow, "sql/token_revoke.sql", id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(store_error)?;
    let token = row.map(Token::try_from).transpose()?;
    if let Some(token) = token.as_ref().filter(|token| token.is_revoked_now()) {
        audit::write(&mut transaction, AuditNote::of_token(AuditAction::TokenRevoke, token)).await?;
    }
    transaction.commit().await.map_err(commit_error)?;
    Ok(token)
}

async fn touch(connection: &mut PgConnection, ids: &[String]) -> Result<()> {
    let touched = sqlx::query_file!("sql/tokens_touch.sql", ids).execute(connection).await;
    touched.map(|_| ()).map_err(store_error)
}
