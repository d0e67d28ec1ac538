//! Who may call the scheduler: the [`Access`] trait, over the same database as the tasks, and its types.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use distrack_core::{QueueName, Scopes};

#[cfg(doc)]
use crate::audit::AuditNote;
use crate::detached::Detached;
use crate::store::Result;
use crate::token::SecretHash;

/// Tokens, kept durably. Each method is one atomic step, and what it changes is noted in it (see [`AuditNote`]).
#[async_trait]
pub trait Access: Debug + Send + Sync + 'static {
    /// Stores a token.
    async fn create_token(&self, token: NewToken) -> Result<Token>;

    /// Every token, oldest first, those that are good no more included.
    async fn tokens(&self) -> Result<Vec<Token>>;

    /// The token of this id; `None` for no such token.
    async fn find_token(&self, id: String) -> Result<Option<Token>>;

    /// Revokes a token, for good. One that is revoked already stays so since then; `None` for no such token.
    async fn revoke_token(&self, id: String) -> Result<Option<Token>>;

    /// Notes that these tokens are used now. Ids of no token are passed over.
    async fn touch_tokens(&self, ids: Vec<String>) -> Result<()>;
}

/// A token to be stored.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its public part.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Of its secret part.
    pub secret_hash: SecretHash,
    /// What it may be used for.
    pub scopes: Scopes,
    /// The queues whose tasks it may see and touch; `None` for all.
    pub queues: Option<Vec<QueueName>>,
    /// How long it is good; `None` for ever.
    pub lifetime: Option<Duration>,
}

/// A token as it is stored, at one instant of the store's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its public part.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Of its secret part.
    pub secret_hash: SecretHash,
    /// What it may be used for.
    pub scopes: Scopes,
    /// The queues whose tasks it may see and touch; `None` for all.
    pub queues: Option<Vec<QueueName>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it is good no more.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to within seconds.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was looked at.
    pub seen_at: DateTime<Utc>,
}

/// Whether a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It is, for so long at least; `None` for ever.
    Good(Option<Duration>),
    /// It was until it expired.
    Expired,
    /// It was until it was revoked.
    Revoked,
}

impl Token {
    /// Whether it was this very step that revoked it.
    pub fn is_revoked_now(&self) -> bool {
        self.revoked_at == Some(self.seen_at)
    }

    /// Whether it was good when it was looked at.
    pub fn state(&self) -> TokenState {
        if self.revoked_at.is_some() {
            return TokenState::Revoked;
        }
        let Some(expires_at) = self.expires_at else { return TokenState::Good(None) };
        match (expires_at - self.seen_at).to_std() {
            Ok(left) if !left.is_zero() => TokenState::Good(Some(left)),
            Ok(_) | Err(_) => TokenState::Expired,
        }
    }
}

#[async_trait]
impl<S: Access> Access for Detached<S> {
    async fn create_token(&self, token: NewToken) -> Result<Token> {
        self.run(|store| async move { store.create_token(token).await }).await
    }

    async fn tokens(&self) -> Result<Vec<Token>> {
        self.run(|store| async move { store.tokens().await }).await
    }

    async fn find_token(&self, id: String) -> Result<Option<Token>> {
        self.run(|store| async move { store.find_token(id).await }).await
    }

    async fn revoke_token(&self, id: String) -> Result<Option<Token>> {
        self.run(|store| async move { store.revoke_token(id).await }).await
    }

    async fn touch_tokens(&self, ids: Vec<String>) -> Result<()> {
        self.run(|store| async move { store.touch_tokens(ids).await }).await
    }
}
