//! Who gets in: every route of the table × every kind of credential × every kind of caller.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Method;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use distrack_core::{NewTask, QueueName, Scopes, TaskDraft, TaskId, TraceContext};
use distrack_store::{Access, ListQuery, NewToken, Store, Submission, SubmitMode};
use distrack_store_sqlite::SqliteStore;
use distrack_telemetry::{Metrics, Readiness, Traces};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::router::{ROUTES, Route, router};
use crate::settings::{Auth, Settings};

const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));

/// What a caller shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Malformed(&'static str),
    Twice,
    WrongSecret,
    UnknownId,
    Expired,
    Revoked,
    Good(Scope),
    OtherQueue,
}

const SHOWN: [Shown; 17] = [
    Shown::Nothing,
    Shown::Malformed(""),
    Shown::Malformed("Bearer"),
    Shown::Malformed("Bearer "),
    Shown::Malformed("Bearer dt_"),
    Shown::Malformed("Bearer null"),
    Shown::Malformed("Basic YTpi"),
    Shown::Twice,
    Shown::WrongSecret,
    Shown::UnknownId,
    Shown::Expired,
    Shown::Revoked,
    Shown::Good(Scope::Read),
    Shown::Good(Scope::Submit),
    Shown::Good(Scope::Cancel),
    Shown::Good(Scope::Admin),
    Shown::OtherQueue,
];

/// Where a caller is. Each time at another address, so that no limit of wrong tokens is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Loopback,
    Mapped,
    Gateway,
    Foreign,
}

impl Peer {
    fn address(self) -> IpAddr {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        match self {
            Self::Loopback => Ipv4Addr::new(127, 1, high, low).into(),
            Self::Mapped => Ipv4Addr::new(127, 2, high, low).to_ipv6_mapped().into(),
            Self::Gateway => GATEWAY,
            Self::Foreign => Ipv4Addr::new(198, 18, high, low).into(),
        }
    }
}

/// A scheduler without its socket, and one token of each kind.
struct House {
    app: App,
    router: Router,
    store: SqliteStore,
    tokens: Vec<(Shown, String)>,
    _folder: TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

async fn make(
    store: &SqliteStore,
    scope: Scope,
    queues: Option<&str>,
    lifetime: Option<u64>,
) -> (String, String) {
    let (text, ShownToken { id, secret_hash }) = ShownToken::draw();
    let token = NewToken {
        id: id.clone(),
        name: "test".to_owned(),
        secret_hash,
        scopes: Scopes::from_iter([scope]),
        queues: queues.map(|queue| vec![queue.parse().unwrap()]),
        lifetime: lifetime.map(std::time::Duration::from_micros),
    };
    store.create_token(token).await.unwrap();
    (id, text)
}

impl House {
    async fn new(mode: AuthMode) -> Self {
        Self::with(Auth { mode, gateway: Some(GATEWAY), rate_limit: 0, ..Auth::default() }).await
    }

    async fn with(auth: Auth) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("distrack.db")).unwrap();
        store.migrate().await.unwrap();
        let mut tokens = Vec::new();
        for scope in Scope::ALL {
            tokens.push((Shown::Good(scope), make(&store, scope, None, None).await.1));
        }
        tokens.push((Shown::OtherQueue, make(&store, Scope::Admin, Some("other"), None).await.1));
        tokens.push((Shown::Expired, make(&store, Scope::Admin, None, Some(1)).await.1));
        let (id, revoked) = make(&store, Scope::Admin, None, None).await;
        store.revoke_token(id).await.unwrap();
        tokens.push((Shown::Revoked, revoked));
        tokens.push((Shown::UnknownId, ShownToken::draw().0));
        let id = ShownToken::parse(&tokens[0].1).unwrap().id;
        let wrong = ShownToken::draw().0;
        tokens.push((Shown::WrongSecret, format!("dt_{id}_{}", wrong.splitn(3, '_').last().unwrap())));
        let auth = Auth { tokens: Some(Arc::new(store.clone())), ..auth };
        let settings = Settings {
            auth,
            allowed_hosts: vec!["*".to_owned(), "fleet.lan".to_owned()],
            ..Settings::default()
        };
        let metrics = Metrics::new("scheduler");
        let (app, _) =
            App::start(Arc::new(store.clone()), settings, &metrics, Traces::off(), CancellationToken::new());
        let router = router(app.clone(), metrics, Readiness::waiting("testing"));
        Self { app, router, store, tokens, _folder: folder }
    }

    fn token(&self, shown: Shown) -> &str {
        self.tokens.iter().find(|(kind, _)| *kind == shown).map(|(_, text)| &**text).unwrap()
    }

    /// Asks as a caller at `from` who shows a token and has these headers besides.
    async fn ask(
        &self,
        (method, path): (&Method, &str),
        from: IpAddr,
        shown: Shown,
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = match path {
            "/schedule" | "/v1/tasks" => r#"{"command":"true","delay_seconds":3600}"#,
            "/v1/tasks/batch" => r#"{"tasks":[{"command":"true","delay_seconds":3600}]}"#,
            _ => "",
        };
        let mut request = axum::http::Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(HOST, "localhost:8081");
        }
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let texts = match shown {
            Shown::Nothing => Vec::new(),
            Shown::Malformed(text) => vec![text.to_owned()],
            Shown::Twice => vec![format!("Bearer {}", self.token(Shown::Good(Scope::Admin))); 2],
            Shown::WrongSecret
            | Shown::UnknownId
            | Shown::Expired
            | Shown::Revoked
            | Shown::Good(_)
            | Shown::OtherQueue => vec![format!("bearer {}", self.token(shown))],
        };
        for text in texts {
            request = request.header(AUTHORIZATION, text);
        }
        let body = if method == Method::POST { Body::from(body) } else { Body::empty() };
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((from, 50_000))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    /// Shows a token again and again at one instant, far ahead, so that no time passes meanwhile; tells how often it
    /// was heard, and what it was refused for then.
    async fn exhaust(&self, shown: Shown, from: IpAddr) -> (u32, Code) {
        let token = ShownToken::parse(self.token(shown)).unwrap();
        let ahead = std::time::Instant::now() + std::time::Duration::from_secs(3600);
        for heard in 0..1000 {
            let verified = self.app.verifier.verify_at(ahead, &self.app, &token, from).await;
            if let Err(problem) = verified
                && problem.code != Code::Unauthorized
            {
                return (heard, problem.code);
            }
        }
        panic!("it goes on for ever");
    }

    /// A new task of the queue `default`, cancelled already if it is to be retried.
    async fn task(&self, ended: bool) -> TaskId {
        let draft = TaskDraft {
            command: Some("true".to_owned()),
            delay_seconds: Some(3600.0),
            ..TaskDraft::default()
        };
        let task = NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap();
        let id = task.id;
        self.store.submit(vec![Submission { task, key: None }], SubmitMode::Each).await.unwrap();
        if ended {
            self.store.cancel(id).await.unwrap();
        }
        id
    }

    /// What a route is asked by, so that it succeeds if it may.
    async fn path(&self, route: &Route, standing: TaskId) -> String {
        let id = match route.path {
            "/v1/tasks/{id}/cancel" => self.task(false).await,
            "/v1/tasks/{id}/retry" => self.task(true).await,
            _ => standing,
        };
        match route.path {
            "/status" => format!("/status?task_id={id}"),
            path => path.replace("{id}", &id.to_string()),
        }
    }

    async fn count(&self) -> usize {
        let all = ListQuery { limit: 1_000_000, ..ListQuery::default() };
        self.store.list(all).await.unwrap().len()
    }
}

/// What must come of a request.
#[derive(Debug, PartialEq, Eq)]
enum Must {
    Succeed,
    Be(u16, &'static str),
}

fn must(route: &Route, mode: AuthMode, peer: Peer, shown: Shown) -> Must {
    let Some(needed) = route.needs.scope() else { return Must::Succeed };
    let unauthorized = Must::Be(401, "unauthorized");
    match shown {
        Shown::Nothing => match (mode, peer) {
            (AuthMode::Off, _) => Must::Succeed,
            (AuthMode::Local, Peer::Loopback | Peer::Mapped | Peer::Gateway) => Must::Succeed,
            (AuthMode::Local, Peer::Foreign) | (AuthMode::Tokens, _) => unauthorized,
        },
        Shown::Malformed(_)
        | Shown::Twice
        | Shown::WrongSecret
        | Shown::UnknownId
        | Shown::Expired
        | Shown::Revoked => unauthorized,
        Shown::Good(scope) if scope == needed || scope == Scope::Admin => Must::Succeed,
        Shown::Good(_) => Must::Be(403, "forbidden"),
        Shown::OtherQueue if route.path.contains("{id}") || route.path == "/status" => {
            Must::Be(404, "task_not_found")
        }
        Shown::OtherQueue if needed == Scope::Submit || matches!(route.needs, Needs::Whole(_)) => {
            Must::Be(403, "forbidden")
        }
        Shown::OtherQueue => Must::Succeed,
    }
}

async fn hold_against_the_table(mode: AuthMode) {
    let house = House::new(mode).await;
    let standing = house.task(false).await;
    let mut expected = house.count().await;
    for route in &ROUTES {
        for peer in [Peer::Loopback, Peer::Mapped, Peer::Gateway, Peer::Foreign] {
            for shown in SHOWN {
                // The gateway has one address, and so many wrong tokens from there are refused for that.
                let wrong = !matches!(shown, Shown::Nothing | Shown::Good(_) | Shown::OtherQueue);
                if peer == Peer::Gateway && wrong {
                    continue;
                }
                let path = house.path(route, standing).await;
                expected += usize::from(route.path.ends_with("/cancel") || route.path.ends_with("/retry"));
                let answer = house.ask((&route.method, &path), peer.address(), shown, &[]).await;
                let said =
                    format!("{} {} {mode:?} {peer:?} {shown:?}: {}", route.method, route.path, answer.body);
                match must(route, mode, peer, shown) {
                    Must::Succeed => {
                        assert!((200..300).contains(&answer.status), "{} {said}", answer.status);
                        expected += usize::from(route.needs == Needs::Scope(Scope::Submit));
                    }
                    Must::Be(status, code) => {
                        assert_eq!((answer.status, answer.code()), (status, code), "{said}")
                    }
                }
                let challenge = answer.headers.get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap());
                assert_eq!(challenge, (answer.status == 401).then_some("Bearer"), "{said}");
                if shown == Shown::OtherQueue && route.needs != Needs::Nothing {
                    assert!(!answer.body.to_string().contains("\"default\""), "{said}");
                }
            }
        }
    }
    assert_eq!(house.count().await, expected, "what was refused was not done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_its_line_in_the_table_permits_and_nobody_else_in_local_mode() {
    hold_against_the_table(AuthMode::Local).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_its_line_in_the_table_permits_and_nobody_else_in_tokens_mode() {
    hold_against_the_table(AuthMode::Tokens).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_everybody_but_who_shows_a_wrong_token_when_the_check_is_off() {
    hold_against_the_table(AuthMode::Off).await;
}

#[tokio::test]
async fn no_page_of_another_site_gets_in_whatever_it_shows() {
    for mode in [AuthMode::Local, AuthMode::Tokens, AuthMode::Off] {
        let house = House::new(mode).await;
        let (standing, before) = (house.task(false).await, house.count().await);
        for route in &ROUTES {
            let path = match route.path {
                "/status" => format!("/status?task_id={standing}"),
                path => path.replace("{id}", &standing.to_string()),
            };
            for shown in [Shown::Nothing, Shown::Good(Scope::Admin)] {
                for headers in [
                    [(ORIGIN.as_str(), "http://evil.example")],
                    [(ORIGIN.as_str(), "null")],
                    [("sec-fetch-site", "cross-site")],
                ] {
                    let answer =
                        house.ask((&route.method, &path), Peer::Loopback.address(), shown, &headers).await;
                    assert_eq!(
                        (answer.status, answer.code()),
                        (403, "foreign_origin"),
                        "{path} {shown:?} {headers:?}"
                    );
                }
            }
        }
        assert_eq!(house.count().await, before);
    }
}

#[tokio::test]
async fn without_a_token_this_machine_is_asked_by_a_name_of_its_own_and_not_through_a_proxy() {
    let house = House::new(AuthMode::Local).await;
    for (headers, free) in [
        ([("host", "localhost")], true),
        ([("host", "127.0.0.1:8081")], true),
        ([("host", "[::1]:8081")], true),
        ([("host", "LOCALHOST.:1")], true),
        ([("host", "fleet.lan")], true),
        // That any name is permitted does not make it one of this machine.
        ([("host", "evil.example")], false),
        ([("host", "localhost.evil.example")], false),
        ([("host", "192.0.2.1:8081")], false),
        ([("host", "0.0.0.0:8081")], false),
        ([("x-forwarded-for", "192.0.2.1")], false),
        ([("forwarded", "for=192.0.2.1")], false),
        ([("x-real-ip", "127.0.0.1")], false),
        ([("via", "1.1 proxy")], false),
    ] {
        for route in ROUTES.iter().filter(|route| route.needs != Needs::Nothing) {
            let path = route.path.replace("{id}", &TaskId::new().to_string());
            let at = (&route.method, &*path);
            for peer in [Peer::Loopback, Peer::Gateway] {
                let answer = house.ask(at, peer.address(), Shown::Nothing, &headers).await;
                assert_eq!(answer.status != 401, free, "{path} {peer:?} {headers:?}: {}", answer.status);
            }
            let answer = house.ask(at, Peer::Loopback.address(), Shown::Good(Scope::Admin), &headers).await;
            assert_ne!(
                answer.status, 401,
                "a token is good by any name that is permitted: {path} {headers:?}"
            );
        }
    }
    let unknown: IpAddr = Ipv4Addr::new(172, 17, 0, 2).into();
    let answer = house.ask((&Method::GET, "/v1/tasks"), unknown, Shown::Nothing, &[]).await;
    assert_eq!(answer.status, 401, "another container is not this machine");
}

#[tokio::test]
async fn whoever_shows_too_many_wrong_tokens_is_not_heard_for_a_while_but_others_are() {
    let house = House::new(AuthMode::Tokens).await;
    let (from, other) = (Peer::Foreign.address(), Peer::Foreign.address());
    let ask = async |from, shown| house.ask((&Method::GET, "/v1/tasks"), from, shown, &[]).await;
    assert_eq!(ask(from, Shown::Good(Scope::Read)).await.status, 200);
    assert_eq!(house.exhaust(Shown::WrongSecret, from).await, (verifier::FAILURES, Code::RateLimited));
    let refused = ask(from, Shown::WrongSecret).await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"));
    assert!(refused.headers.contains_key(RETRY_AFTER));
    assert_eq!(
        ask(from, Shown::Good(Scope::Read)).await.status,
        200,
        "who is known already gets in from there"
    );
    assert_eq!(ask(other, Shown::WrongSecret).await.status, 401);
    assert_eq!(ask(other, Shown::Good(Scope::Admin)).await.status, 200);
}

#[tokio::test]
async fn a_token_makes_so_many_requests_a_second_and_no_more() {
    let house = House::with(Auth { rate_limit: 3, ..Auth::default() }).await;
    let from = Peer::Loopback.address();
    let ask = async |shown| house.ask((&Method::GET, "/v1/queues"), from, shown, &[]).await;
    assert_eq!(ask(Shown::Good(Scope::Read)).await.status, 200);
    assert_eq!(house.exhaust(Shown::Good(Scope::Read), from).await, (3, Code::RateLimited));
    let refused = ask(Shown::Good(Scope::Read)).await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"));
    assert_eq!(refused.headers[RETRY_AFTER], "1");
    assert_eq!(ask(Shown::Good(Scope::Admin)).await.status, 200, "another token has a rate of its own");
    assert_eq!(ask(Shown::Nothing).await.status, 200, "and who needs none has none");
}

#[test]
fn the_keys_of_callers_with_another_reach_are_other_keys() {
    let queue = |name: &str| name.parse::<QueueName>().unwrap();
    let key = |reach: &Reach| {
        reach.key(distrack_store::IdempotencyKey { key: "k".to_owned(), request_hash: [0; 32] }).key
    };
    let of = |names: &[&str]| key(&Reach::of(Some(names.iter().map(|name| queue(name)).collect())));
    assert_eq!(key(&Reach::all()), "k");
    assert_eq!(of(&["a", "b"]), of(&["b", "a", "b"]));
    let keys = [of(&["a", "b"]), of(&["ab"]), of(&["a"]), of(&[]), key(&Reach::all())];
    for (place, key) in keys.iter().enumerate() {
        assert!(!keys[..place].contains(key), "{keys:?}");
    }
}
