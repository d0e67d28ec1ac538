//! Whether a token is good: asked of the database, and remembered for a few seconds.
//!
//! While the database is away nobody new is let in, and who is known only for so long: what cannot be checked
//! is answered with 503, never with 401.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distrack_core::Scopes;
use distrack_store::{Access, SecretHash, ShownToken, Token, TokenState};

use super::bucket::{Bucket, Buckets, Rate, network};
use super::{Reach, unauthorized};
use crate::app::App;
use crate::problem::{Code, Problem};
use crate::settings::Auth;

/// How long a token is taken for good after it was: so long may a revocation take.
const MEMORY: Duration = Duration::from_secs(5);
/// The most tokens that are remembered.
const MOST_TOKENS: usize = 10_000;
/// Wrong tokens that one network may show in a second. The next ones are refused unread.
pub(super) const FAILURES: u32 = 20;
/// The most networks that are counted apart.
const MOST_NETWORKS: usize = 10_000;

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Verifier {
    tokens: Option<Arc<dyn Access>>,
    rate: Option<Rate>,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    known: HashMap<String, Entry>,
    failures: Buckets<IpAddr>,
    /// Since it was last written down.
    used: HashSet<String>,
}

#[derive(Debug)]
struct Entry {
    secret_hash: SecretHash,
    known: Arc<Known>,
    until: Instant,
    bucket: Bucket,
}

/// What a good token is good for.
#[derive(Debug)]
pub(crate) struct Known {
    pub(super) name: String,
    pub(super) scopes: Scopes,
    pub(super) reach: Reach,
}

impl Verifier {
    pub(crate) fn new(auth: &Auth) -> Self {
        let rate = Rate::new(FAILURES).expect("it is a limit");
        let failures = Buckets::new(rate, MOST_NETWORKS);
        let memory = Memory { known: HashMap::new(), failures, used: HashSet::new() };
        Self { tokens: auth.tokens.clone(), rate: Rate::new(auth.rate_limit), memory: Mutex::new(memory) }
    }

    /// What a token is good for, if it is.
    pub(super) async fn verify(
        &self,
        app: &App,
        shown: &ShownToken,
        from: IpAddr,
    ) -> Result<Arc<Known>, Problem> {
        self.verify_at(Instant::now(), app, shown, from).await
    }

    /// The same at an instant.
    pub(super) async fn verify_at(
        &self,
        now: Instant,
        app: &App,
        shown: &ShownToken,
        from: IpAddr,
    ) -> Result<Arc<Known>, Problem> {
        let from = network(from);
        if let Some(known) = self.remembered(shown, from, now)? {
            return self.limited(&shown.id, known, now);
        }
        let tokens = self.tokens.as_ref().ok_or_else(|| unauthorized("this scheduler knows no tokens"))?;
        let token = app.ask(tokens.find_token(shown.id.clone())).await?;
        match judge(shown, token) {
            // Counted from before the question, so that a revocation is heeded in time.
            Ok((known, left)) => {
                let known = Arc::new(known);
                self.lock().remember(shown, Arc::clone(&known), now + left.min(MEMORY));
                self.limited(&shown.id, known, now)
            }
            Err(problem) => {
                let mut memory = self.lock();
                // Not by somebody who has but guessed its id.
                if memory.known.get(&shown.id).is_some_and(|entry| entry.secret_hash == shown.secret_hash) {
                    memory.known.remove(&shown.id);
                }
                memory.failures.take(from, now);
                Err(problem)
            }
        }
    }

    /// What is known of a token; `None` if the database must be asked.
    fn remembered(
        &self,
        shown: &ShownToken,
        from: IpAddr,
        now: Instant,
    ) -> Result<Option<Arc<Known>>, Problem> {
        let memory = &mut *self.lock();
        let same = match memory.known.get(&shown.id) {
            Some(entry) if entry.secret_hash == shown.secret_hash => {
                if now < entry.until {
                    return Ok(Some(Arc::clone(&entry.known)));
                }
                true
            }
            Some(_) | None => false,
        };
        // A token that was good a moment ago is asked about, whoever else shows wrong ones from there.
        if !same && memory.failures.is_empty(&from, now) {
            return Err(Problem::new(Code::RateLimited, "too many wrong tokens came from this address"));
        }
        Ok(None)
    }

    /// A token within its rate.
    fn limited(&self, id: &str, known: Arc<Known>, now: Instant) -> Result<Arc<Known>, Problem> {
        let memory = &mut *self.lock();
        if let (Some(rate), Some(entry)) = (self.rate, memory.known.get_mut(id))
            && !entry.bucket.take(rate, now)
        {
            return Err(Problem::new(Code::RateLimited, "the token's requests a second are used up"));
        }
        if !memory.used.contains(id) {
            memory.used.insert(id.to_owned());
        }
        Ok(known)
    }

    /// Writes down which tokens were used since the last time.
    pub(super) async fn note_used(&self, app: &App) {
        let used: Vec<String> = self.lock().used.drain().collect();
        let Some(tokens) = self.tokens.as_ref().filter(|_| !used.is_empty()) else { return };
        if let Err(problem) = app.ask(tokens.touch_tokens(used.clone())).await {
            tracing::debug!(cause = problem.cause.as_deref(), "the last use of tokens is not noted yet");
            self.lock().used.extend(used);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn remember(&mut self, shown: &ShownToken, known: Arc<Known>, until: Instant) {
        if self.known.len() >= MOST_TOKENS && !self.known.contains_key(&shown.id) {
            // Nothing is lost but a question to the database each.
            self.known.clear();
        }
        let bucket = self.known.get(&shown.id).map(|entry| entry.bucket).unwrap_or_default();
        let entry = Entry { secret_hash: shown.secret_hash, known, until, bucket };
        self.known.insert(shown.id.clone(), entry);
    }
}

/// What a token is good for, and how long at least.
fn judge(shown: &ShownToken, found: Option<Token>) -> Result<(Known, Duration), Problem> {
    // Only who has the secret may learn more of a token than that it is not good.
    let token = found.filter(|token| token.secret_hash == shown.secret_hash);
    let token = token.ok_or_else(|| unauthorized("there is no such token"))?;
    let left = match token.state() {
        TokenState::Good(left) => left.unwrap_or(Duration::MAX),
        TokenState::Expired => return Err(unauthorized("the token has expired")),
        TokenState::Revoked => return Err(unauthorized("the token was revoked")),
    };
    Ok((Known { name: token.name, scopes: token.scopes, reach: Reach::of(token.queues) }, left))
}
