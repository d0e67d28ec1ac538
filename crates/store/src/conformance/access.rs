//! Who may call the scheduler: what is kept of tokens.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::{QueueName, Scope, Scopes};
use tokio::time::Instant;

use super::fixtures::PATIENCE;
use crate::{
    Access, AuditAction, AuditNote, AuditQuery, AuditToken, NewToken, ShownToken, Store, Token, TokenState,
};

/// The tokens of a store under test, and the store.
#[expect(missing_debug_implementations, reason = "a store is none that shows itself")]
pub struct Tokens {
    access: Arc<dyn Access>,
    store: Arc<dyn Store>,
}

impl<S: Access + Store> From<S> for Tokens {
    fn from(store: S) -> Self {
        let store = Arc::new(store);
        Self { access: Arc::clone(&store) as _, store }
    }
}

impl Deref for Tokens {
    type Target = dyn Access;

    fn deref(&self) -> &Self::Target {
        &*self.access
    }
}

/// Hands every case to the macro `$then`.
#[doc(hidden)]
#[macro_export]
macro_rules! access_cases {
    ($($then:ident)::+, $argument:tt) => {
        $($then)::+! { $argument
            a_stored_token_reads_back_as_it_was_made,
            tokens_are_listed_oldest_first_whatever_became_of_them,
            an_unknown_token_is_not_found_and_cannot_be_revoked,
            a_token_expires_by_the_clock_of_the_store,
            a_revoked_token_stays_revoked_since_then,
            a_token_keeps_when_it_was_last_used,
            a_token_that_is_made_or_revoked_is_noted_once_with_its_name_and_without_its_secret,
            a_token_that_is_not_stored_is_not_noted,
        }
    };
}

/// Stamps one `#[tokio::test]` for each case; `$new_access` as in [`store_conformance!`](crate::store_conformance).
#[macro_export]
macro_rules! access_conformance {
    ($new_access:ident) => {
        $crate::access_cases! { $crate::stamp_access_cases, $new_access }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! stamp_access_cases {
    ($new_access:ident $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (access, _guard) = $new_access().await;
                $crate::conformance::access::$case(access.into()).await;
            }
        )+
    };
}

fn new(name: &str) -> NewToken {
    let (_, ShownToken { id, secret_hash }) = ShownToken::draw();
    let scopes = Scopes::from_iter([Scope::Read, Scope::Submit]);
    NewToken { id, name: name.to_owned(), secret_hash, scopes, queues: None, lifetime: None }
}

async fn create(tokens: &Tokens, token: NewToken) -> Token {
    tokens.create_token(token).await.expect("a token is stored")
}

async fn find(tokens: &Tokens, id: &str) -> Option<Token> {
    tokens.find_token(id.to_owned()).await.expect("a token is looked for")
}

pub async fn a_stored_token_reads_back_as_it_was_made(tokens: Tokens) {
    let queue = |name: &str| name.parse::<QueueName>().expect("a good name");
    let lifetime = Duration::from_secs(3600);
    let plain = new("plain");
    let limited = NewToken {
        scopes: Scopes::from_iter([Scope::Admin]),
        queues: Some(vec![queue("a"), queue("b.c-1")]),
        lifetime: Some(lifetime),
        ..new("Zoë's \"laptop\" %")
    };
    for made in [plain, limited] {
        let created = create(&tokens, made.clone()).await;
        let found = find(&tokens, &made.id).await.expect("it is there");
        assert_eq!(Token { seen_at: created.seen_at, ..found.clone() }, created);
        assert_eq!((&found.id, &found.name), (&made.id, &made.name));
        assert!(found.secret_hash == made.secret_hash, "the hash is kept");
        assert_eq!((&found.scopes, &found.queues), (&made.scopes, &made.queues));
        let expires = made.lifetime.map(|lifetime| created.created_at + lifetime);
        assert_eq!((found.expires_at, found.last_used_at, found.revoked_at), (expires, None, None));
        assert!(found.seen_at >= created.created_at);
        let TokenState::Good(left) = found.state() else { panic!("it is good: {found:?}") };
        assert_eq!(left.is_some(), made.lifetime.is_some());
        assert!(left.is_none_or(|left| left <= lifetime));
    }
}

pub async fn tokens_are_listed_oldest_first_whatever_became_of_them(tokens: Tokens) {
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        ids.push(create(&tokens, new(name)).await.id);
    }
    tokens.revoke_token(ids[1].clone()).await.expect("it is revoked");
    let listed = tokens.tokens().await.expect("they are listed");
    assert_eq!(listed.iter().map(|token| token.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(
        listed.iter().map(|token| token.revoked_at.is_some()).collect::<Vec<_>>(),
        [false, true, false]
    );
}

pub async fn an_unknown_token_is_not_found_and_cannot_be_revoked(tokens: Tokens) {
    create(&tokens, new("another")).await;
    let (_, unknown) = ShownToken::draw();
    assert_eq!(find(&tokens, &unknown.id).await, None);
    assert_eq!(tokens.revoke_token(unknown.id.clone()).await.expect("it is looked for"), None);
    tokens.touch_tokens(vec![unknown.id]).await.expect("it is passed over");
    tokens.touch_tokens(Vec::new()).await.expect("nothing is nothing");
}

pub async fn a_token_expires_by_the_clock_of_the_store(tokens: Tokens) {
    let token = create(&tokens, NewToken { lifetime: Some(Duration::from_millis(50)), ..new("short") }).await;
    let limit = Instant::now() + PATIENCE;
    loop {
        let found = find(&tokens, &token.id).await.expect("it is there");
        let over = found.seen_at >= found.expires_at.expect("it expires");
        assert_eq!(found.state() == TokenState::Expired, over, "{found:?}");
        if over {
            break;
        }
        assert!(Instant::now() < limit, "it does not expire");
    }
}

pub async fn a_revoked_token_stays_revoked_since_then(tokens: Tokens) {
    let token = create(&tokens, new("gone")).await;
    let revoked = tokens.revoke_token(token.id.clone()).await.expect("it is revoked").expect("it is there");
    assert_eq!(revoked.state(), TokenState::Revoked);
    assert!(revoked.revoked_at.is_some_and(|at| at >= token.created_at));
    let again = tokens.revoke_token(token.id.clone()).await.expect("it is revoked").expect("it is there");
    assert_eq!(again.revoked_at, revoked.revoked_at);
    assert_eq!(find(&tokens, &token.id).await.expect("it is there").state(), TokenState::Revoked);
}

pub async fn a_token_keeps_when_it_was_last_used(tokens: Tokens) {
    let (used, idle) = (create(&tokens, new("used")).await, create(&tokens, new("idle")).await);
    let mut before = used.created_at;
    for _ in 0..2 {
        tokens.touch_tokens(vec![used.id.clone()]).await.expect("it is noted");
        let at = find(&tokens, &used.id).await.expect("it is there").last_used_at.expect("it was used");
        assert!(at >= before, "{at} {before}");
        before = at;
    }
    assert_eq!(find(&tokens, &idle.id).await.expect("it is there").last_used_at, None);
}

/// All notes, oldest first.
async fn notes(tokens: &Tokens) -> Vec<AuditNote> {
    let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    let entries = tokens.store.audit(query).await.expect("notes are read");
    entries.into_iter().rev().map(|entry| entry.note).collect()
}

pub async fn a_token_that_is_made_or_revoked_is_noted_once_with_its_name_and_without_its_secret(
    tokens: Tokens,
) {
    let token = create(&tokens, new("Zoë's laptop")).await;
    for _ in 0..2 {
        tokens.revoke_token(token.id.clone()).await.expect("it is revoked");
    }
    let (_, unknown) = ShownToken::draw();
    tokens.revoke_token(unknown.id).await.expect("it is looked for");
    let written = notes(&tokens).await;
    let actions: Vec<_> = written.iter().map(|note| note.action).collect();
    assert_eq!(actions, [AuditAction::TokenCreate, AuditAction::TokenRevoke]);
    let named = AuditToken { id: token.id, name: token.name };
    for note in written {
        assert_eq!(note.token.as_ref(), Some(&named));
        assert_eq!((note.task, note.count, note.address, note.queue), (None, 0, None, None));
        assert_eq!((note.other_task, note.command_hash), (None, None));
    }
}

pub async fn a_token_that_is_not_stored_is_not_noted(tokens: Tokens) {
    let token = new("once");
    create(&tokens, token.clone()).await;
    tokens.create_token(token).await.expect_err("its id is taken");
    assert_eq!(notes(&tokens).await.len(), 1);
}
