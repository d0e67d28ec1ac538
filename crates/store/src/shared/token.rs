//! Rows of tokens, both ways.
#![expect(missing_docs, reason = "each field is the column of its name")]

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::value::json as read_json;
use crate::access::{NewToken, Token};
use crate::error::StoreError;
use crate::store::Result;
use crate::token::SecretHash;

/// A row of the token statements.
#[derive(Debug)]
pub struct TokenRow<I> {
    pub id: String,
    pub name: String,
    pub secret_hash: Vec<u8>,
    pub scopes: String,
    pub queues: Option<Value>,
    pub created_at: I,
    pub expires_at: Option<I>,
    pub last_used_at: Option<I>,
    pub revoked_at: Option<I>,
    pub seen_at: I,
}

impl<I: Into<DateTime<Utc>>> TryFrom<TokenRow<I>> for Token {
    type Error = StoreError;

    fn try_from(row: TokenRow<I>) -> Result<Self> {
        let hash = SecretHash::from_bytes(&row.secret_hash);
        Ok(Self {
            secret_hash: hash.ok_or_else(|| StoreError::corrupt(format!("hash of token {}", row.id)))?,
            // One that this build does not know may mean anything: such a token is not good for less.
            scopes: row
                .scopes
                .parse()
                .map_err(|_| StoreError::corrupt(format!("scopes of token {}", row.id)))?,
            queues: row.queues.map(read_json).transpose()?,
            id: row.id,
            name: row.name,
            created_at: row.created_at.into(),
            expires_at: row.expires_at.map(Into::into),
            last_used_at: row.last_used_at.map(Into::into),
            revoked_at: row.revoked_at.map(Into::into),
            seen_at: row.seen_at.into(),
        })
    }
}

/// What is stored of a new token, beside what is plain already.
#[derive(Debug)]
pub struct TokenValues {
    pub scopes: String,
    pub queues: Option<Value>,
    pub lifetime: Option<i64>,
}

impl From<&NewToken> for TokenValues {
    fn from(token: &NewToken) -> Self {
        let micros = |lifetime: std::time::Duration| i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX);
        Self {
            scopes: token.scopes.to_string(),
            queues: token.queues.as_ref().map(|queues| json!(queues)),
            lifetime: token.lifetime.map(micros),
        }
    }
}
