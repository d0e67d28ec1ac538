//! Who may call: a caller of this machine, or one with a token, as [`AuthMode`] has it.
//!
//! Each route says in [`crate::router`] what it asks of its caller; [`authorize`] stands before its handler.
//! A token that is sent is always checked: a wrong one is never as good as none.

mod bucket;
pub(crate) mod gateway;
mod keep;
mod reach;
mod verifier;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use distrack_core::Scope;
use distrack_store::ShownToken;

pub(crate) use keep::keep;
pub(crate) use reach::Reach;
pub(crate) use verifier::Verifier;

use crate::app::App;
use crate::caller::{Caller, CallerToken};
use crate::problem::{Code, Problem};
use crate::settings::AuthMode;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: it holds no command, no output and no environment.
    Nothing,
    /// This scope, if the caller has a token; who needs none may do everything.
    Scope(Scope),
    /// The same, and a token that is for all queues: it tells of all of them.
    Whole(Scope),
}

impl Needs {
    /// The scope, if it asks for one.
    pub(crate) fn scope(self) -> Option<Scope> {
        match self {
            Self::Nothing => None,
            Self::Scope(scope) | Self::Whole(scope) => Some(scope),
        }
    }
}

/// Headers by which a proxy says that somebody else asks through it.
const PROXIED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Lets a request through to its handler, or refuses it.
pub(crate) async fn authorize(
    State((app, needs)): State<(App, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(scope) = needs.scope() else { return next.run(request).await };
    let caller = Caller::without_token(request.extensions());
    match admit(&app, scope, caller, request.uri(), request.headers()).await {
        Ok((_, reach)) if reach.is_limited() && matches!(needs, Needs::Whole(_)) => {
            Problem::new(Code::Forbidden, "a token for some queues does not see what concerns all")
                .into_response()
        }
        Ok((caller, reach)) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(reach);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(
    app: &App,
    scope: Scope,
    caller: Caller,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(Caller, Reach), Problem> {
    let Some(shown) = shown(headers)? else {
        let free = match app.settings.auth.mode {
            AuthMode::Local => is_of_this_machine(app, &caller, uri, headers),
            AuthMode::Tokens => false,
            AuthMode::Off => true,
        };
        return if free { Ok((caller, Reach::all())) } else { Err(wanted(app.settings.auth.mode)) };
    };
    let known = app.verifier.verify(app, &shown, caller.address).await?;
    if !known.scopes.permit(scope) {
        return Err(Problem::new(Code::Forbidden, format!("the token lacks the scope {scope}")));
    }
    let token = CallerToken { id: shown.id, name: known.name.clone() };
    Ok((Caller { token: Some(token), ..caller }, known.reach.clone()))
}

/// The token of a request, if it shows one. Anything else in its place is refused.
fn shown(headers: &HeaderMap) -> Result<Option<ShownToken>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bearer = |text: &str| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| ShownToken::parse(token.trim_matches(' ')))?
    };
    let token = value.to_str().ok().and_then(bearer).filter(|_| values.next().is_none());
    let refused = || unauthorized("the Authorization header must be `Bearer` and one token, dt_…");
    token.map(Some).ok_or_else(refused)
}

/// Whether a caller without a token is a process of this machine that asked for this machine.
///
/// The name that was asked for must be one that nobody else can have pointed here, and no proxy may have sent it on
/// for somebody else.
fn is_of_this_machine(app: &App, caller: &Caller, uri: &Uri, headers: &HeaderMap) -> bool {
    let near = caller.address.is_loopback() || app.settings.auth.gateway == Some(caller.address);
    let proxied = PROXIED.iter().any(|name| headers.contains_key(*name));
    near && !proxied && app.hosts.is_of_this_machine(uri, headers)
}

fn wanted(mode: AuthMode) -> Problem {
    unauthorized(match mode {
        AuthMode::Local => {
            "callers from elsewhere need a token, and so does whoever asks by a name that is not this machine's: \
             send `Authorization: Bearer` and a token that `distrack token create` made"
        }
        AuthMode::Tokens | AuthMode::Off => {
            "send `Authorization: Bearer` and a token that `distrack token create` made"
        }
    })
}

/// A caller who is not known.
fn unauthorized(detail: &'static str) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
