//! Who may call the scheduler.

use async_trait::async_trait;
use distrack_store::shared::TokenValues;
use distrack_store::{Access, AuditAction, AuditNote, NewToken, Token};
use serde_json::Value;

use crate::audit;
use crate::error::store_error;
use crate::row::{Instant, TokenRow, batch};
use crate::{Result, SqliteStore};

#[async_trait]
impl Access for SqliteStore {
    async fn create_token(&self, token: NewToken) -> Result<Token> {
        let TokenValues { scopes, queues, lifetime } = TokenValues::from(&token);
        let hash = token.secret_hash.as_bytes();
        let mut step = self.database.begin().await?;
        let now = step.now;
        let created: Token = sqlx::query_file_as!(
            TokenRow,
            "sql/token_create.sql",
            token.id,
            token.name,
            hash,
            scopes,
            queues,
            lifetime,
            now
        )
        .fetch_one(step.connection())
        .await
        .map_err(store_error)?
        .try_into()?;
        audit::write(&mut step, [AuditNote::of_token(AuditAction::TokenCreate, &created)]).await?;
        step.commit().await?;
        Ok(created)
    }

    async fn tokens(&self) -> Result<Vec<Token>> {
        let rows = sqlx::query_file_as!(TokenRow, "sql/token_list.sql", self.database.now())
            .fetch_all(self.database.readers())
            .await;
        rows.map_err(store_error)?.into_iter().map(Token::try_from).collect()
    }

    async fn find_token(&self, id: String) -> Result<Option<Token>> {
        let row = sqlx::query_file_as!(TokenRow, "sql/token_find.sql", id, self.database.now())
            .fetch_optional(self.database.readers())
            .await;
        row.map_err(store_error)?.map(Token::try_from).transpose()
    }

    async fn revoke_token(&self, id: String) -> Result<Option<Token>> {
        let mut step = self.database.begin().await?;
        let now = step.now;
        let row = sqlx::query_file_as!(TokenRow, "sql/token_revoke.sql", id, now)
            .fetch_optional(step.connection())
            .await
            .map_err(store_error)?;
        let token = row.map(Token::try_from).transpose()?;
        let revoked = token.as_ref().filter(|token| token.is_revoked_now());
        let note = revoked.map(|token| AuditNote::of_token(AuditAction::TokenRevoke, token));
        audit::write(&mut step, note).await?;
        step.commit().await?;
        Ok(token)
    }

    async fn touch_tokens(&self, ids: Vec<String>) -> Result<()> {
        let mut step = self.database.begin().await?;
        let (ids, now) = (batch(ids), step.now);
        sqlx::query_file!("sql/tokens_touch.sql", ids, now)
            .execute(step.connection())
            .await
            .map_err(store_error)?;
        step.commit().await
    }
}
