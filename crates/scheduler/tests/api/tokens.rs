//! Tokens over a real socket: whose tasks one sees and touches, when one stops being good, and what is told of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use distrack_core::{Scope, Scopes, TaskId};
use distrack_scheduler::{Auth, AuthMode, Settings};
use distrack_store::{Access, NewToken, ShownToken, Store, StoreError, Token};
use distrack_store_sqlite::SqliteStore;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Answer, FaultyStore, Scheduler, log};

const LIMIT: Duration = Duration::from_secs(30);

/// The tokens of a database that can be away.
#[derive(Debug)]
struct Tokens {
    store: SqliteStore,
    down: AtomicBool,
}

#[async_trait]
impl Access for Tokens {
    async fn create_token(&self, token: NewToken) -> Result<Token, StoreError> {
        self.store.create_token(token).await
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.store.tokens().await
    }

    async fn find_token(&self, id: String) -> Result<Option<Token>, StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("away"));
        }
        self.store.find_token(id).await
    }

    async fn revoke_token(&self, id: String) -> Result<Option<Token>, StoreError> {
        self.store.revoke_token(id).await
    }

    async fn touch_tokens(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.store.touch_tokens(ids).await
    }
}

/// A scheduler that wants a token of everybody.
struct House {
    scheduler: Scheduler,
    tokens: Arc<Tokens>,
}

impl House {
    async fn start() -> Self {
        let store = FaultyStore::empty();
        store.real().migrate().await.unwrap();
        let tokens = Arc::new(Tokens { store: store.real().clone(), down: AtomicBool::new(false) });
        let auth = Auth {
            mode: AuthMode::Tokens,
            tokens: Some(Arc::clone(&tokens) as Arc<dyn Access>),
            ..Auth::default()
        };
        Self { scheduler: Scheduler::over(store, Settings { auth, ..Settings::default() }).await, tokens }
    }

    /// A token for everything, on these queues alone.
    async fn token(&self, queues: &[&str]) -> (String, String) {
        let (text, ShownToken { id, secret_hash }) = ShownToken::draw();
        let queues = queues.iter().map(|queue| queue.parse().unwrap()).collect::<Vec<_>>();
        let token = NewToken {
            id: id.clone(),
            name: "of a team".to_owned(),
            secret_hash,
            scopes: Scopes::from_iter([Scope::Admin]),
            queues: (!queues.is_empty()).then_some(queues),
            lifetime: None,
        };
        self.tokens.create_token(token).await.unwrap();
        (id, text)
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        Answer::of(self.scheduler.request(Method::GET, path).bearer_auth(token)).await
    }

    async fn post(&self, token: &str, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let request = self.scheduler.request(Method::POST, path).bearer_auth(token).json(body);
        Answer::of(match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        })
        .await
    }

    async fn submit(&self, token: &str, queue: &str) -> TaskId {
        let answer = self.post(token, "/v1/tasks", None, &in_queue(queue)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        id_of(&answer)
    }
}

fn in_queue(queue: &str) -> Value {
    json!({"command": "true", "delay_seconds": 3600, "queue": queue})
}

fn id_of(answer: &Answer) -> TaskId {
    answer.json()["task_id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_token_of_some_queues_finds_no_task_of_another_one_whatever_it_asks() {
    let house = House::start().await;
    let (_, all) = house.token(&[]).await;
    let (_, red) = house.token(&["red"]).await;
    let theirs = house.submit(&all, "blue").await;
    let own = house.submit(&red, "red").await;
    for (method, rest) in [
        ("GET", ""),
        ("GET", "/output"),
        ("GET", "/output?attempt=1"),
        ("GET", "/attempts"),
        ("GET", "/why"),
        ("GET", "/trace"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
    ] {
        let ask = async |id: TaskId| {
            let path = format!("/v1/tasks/{id}{rest}");
            Answer::of(house.scheduler.request(method.parse().unwrap(), &path).bearer_auth(&red)).await
        };
        let unknown = TaskId::new();
        let (beyond, absent) = (ask(theirs).await, ask(unknown).await);
        beyond.problem(404, "task_not_found");
        // To the letter what is said of a task that does not exist.
        let plain = |answer: &Answer, id: TaskId| {
            let mut body = answer.json();
            body["trace_id"] = Value::Null;
            body.to_string().replace(&id.to_string(), "ID")
        };
        assert_eq!(plain(&beyond, theirs), plain(&absent, unknown), "{method} {rest}");
        let known = ask(own).await;
        assert_ne!(known.json()["code"], "task_not_found", "{method} {rest}");
    }
    house.get(&red, &format!("/status?task_id={theirs}")).await.problem(404, "task_not_found");
    house.get(&red, &format!("/v1/tasks/{theirs}?wait=0s")).await.problem(404, "task_not_found");
    assert_eq!(house.scheduler.store.task(theirs).await.state.as_str(), "pending", "and it is as it was");
}

#[tokio::test]
async fn a_token_of_some_queues_is_shown_their_tasks_page_by_page_and_no_others() {
    let house = House::start().await;
    let (_, all) = house.token(&[]).await;
    let (_, warm) = house.token(&["red", "yellow"]).await;
    let mut expected = Vec::new();
    for n in 0..12 {
        let queue = ["red", "blue", "yellow", "blue"][n % 4];
        let id = house.submit(&all, queue).await;
        if queue != "blue" {
            expected.push(id.to_string());
        }
    }
    expected.reverse();
    let (mut seen, mut path) = (Vec::new(), "/v1/tasks?limit=4".to_owned());
    loop {
        let page = house.get(&warm, &path).await.json();
        let tasks = page["tasks"].as_array().unwrap();
        seen.extend(tasks.iter().map(|task| task["task_id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        assert_eq!(tasks.len(), 4, "only the last page is short");
        path = format!("/v1/tasks?limit=4&cursor={cursor}");
    }
    assert_eq!(seen, expected);
    let blue = house.get(&warm, "/v1/tasks?queue=blue").await.json();
    assert_eq!(blue["tasks"], json!([]));
    let queues = house.get(&warm, "/v1/queues").await.json();
    let mut names: Vec<&str> =
        queues["queues"].as_array().unwrap().iter().map(|queue| queue["queue"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["red", "yellow"]);
}

#[tokio::test]
async fn a_token_of_some_queues_submits_to_no_other_one() {
    let house = House::start().await;
    let (_, red) = house.token(&["red"]).await;
    for path in ["/v1/tasks", "/schedule"] {
        house.post(&red, path, None, &in_queue("blue")).await.problem(403, "forbidden");
        house.post(&red, path, None, &json!({"command": "true"})).await.problem(403, "forbidden");
    }
    let mixed = json!({"tasks": [in_queue("red"), in_queue("blue")]});
    house.post(&red, "/v1/tasks/batch", None, &mixed).await.problem(403, "forbidden");
    assert_eq!(house.scheduler.store.count().await, 0, "all or none");
    let own = json!({"tasks": [in_queue("red"), in_queue("red")]});
    assert_eq!(house.post(&red, "/v1/tasks/batch", None, &own).await.status, 201);
}

#[tokio::test]
async fn a_key_is_answered_with_no_task_of_another_queue_and_stands_in_nobodys_way() {
    let house = House::start().await;
    let (_, all) = house.token(&[]).await;
    let (_, red) = house.token(&["red"]).await;
    let (_, red_too) = house.token(&["red"]).await;
    let (_, blue) = house.token(&["blue"]).await;
    let key = Some("nightly");
    let first = house.post(&all, "/v1/tasks", key, &in_queue("red")).await;
    let own = house.post(&red, "/v1/tasks", key, &in_queue("red")).await;
    let other = house.post(&blue, "/v1/tasks", key, &in_queue("blue")).await;
    assert_eq!([first.status, own.status, other.status], [201; 3], "{}", other.text);
    let again = house.post(&red_too, "/v1/tasks", key, &in_queue("red")).await;
    assert_eq!((again.status, id_of(&again)), (200, id_of(&own)), "those who see the same share their keys");
    house.post(&red, "/v1/tasks", key, &in_queue("blue")).await.problem(403, "forbidden");
    house.post(&blue, "/v1/tasks", key, &in_queue("red")).await.problem(403, "forbidden");
    let batch = |queue: &str| json!({"tasks": [in_queue(queue), in_queue(queue)]});
    for (token, queue) in [(&red, "red"), (&blue, "blue")] {
        for status in [201, 200] {
            assert_eq!(house.post(token, "/v1/tasks/batch", Some("b"), &batch(queue)).await.status, status);
        }
    }
    // A retry under a key that somebody else used for it is one of its own, or none at all.
    let task = id_of(&own);
    let path = |rest: &str| format!("/v1/tasks/{task}/{rest}");
    assert_eq!(house.post(&red, &path("cancel"), None, &json!({})).await.status, 200);
    assert_eq!(house.post(&red, &path("retry"), Some("r"), &json!({})).await.status, 201);
    house.post(&blue, &path("retry"), Some("r"), &json!({})).await.problem(404, "task_not_found");
}

#[tokio::test]
async fn a_revoked_token_is_refused_within_seconds_and_an_unchecked_one_is_no_refusal() {
    let house = House::start().await;
    let ((revoked, gone), (_, kept)) = (house.token(&[]).await, house.token(&[]).await);
    for token in [&gone, &kept] {
        assert_eq!(house.get(token, "/v1/queues").await.status, 200);
    }
    house.tokens.revoke_token(revoked).await.unwrap();
    let limit = Instant::now() + LIMIT;
    loop {
        let answer = house.get(&gone, "/v1/queues").await;
        if answer.status != 200 {
            answer.problem(401, "unauthorized");
            assert!(answer.text.contains("revoked"), "{}", answer.text);
            break;
        }
        assert!(Instant::now() < limit, "it is still good");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The database of tokens goes away: whoever was let in just now is for some seconds, and then nobody knows.
    house.tokens.down.store(true, Ordering::SeqCst);
    let limit = Instant::now() + LIMIT;
    loop {
        let answer = house.get(&kept, "/v1/queues").await;
        if answer.status != 200 {
            answer.problem(503, "database_unavailable");
            break;
        }
        assert!(Instant::now() < limit, "it is good for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    house.get(&house.token(&[]).await.1, "/v1/queues").await.problem(503, "database_unavailable");
    assert_eq!(house.scheduler.get("/livez").await.status, 200);
    house.scheduler.get("/v1/queues").await.problem(401, "unauthorized");
    house.tokens.down.store(false, Ordering::SeqCst);
    assert_eq!(house.get(&kept, "/v1/queues").await.status, 200);
}

#[tokio::test]
async fn the_last_use_of_a_token_is_noted_soon_and_of_the_others_it_is_not() {
    let house = House::start().await;
    let ((used, token), (idle, _)) = (house.token(&[]).await, house.token(&[]).await);
    assert_eq!(house.get(&token, "/v1/queues").await.status, 200);
    let limit = Instant::now() + LIMIT;
    while house.tokens.find_token(used.clone()).await.unwrap().unwrap().last_used_at.is_none() {
        assert!(Instant::now() < limit, "its use is not noted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(house.tokens.find_token(idle).await.unwrap().unwrap().last_used_at, None);
}

#[tokio::test]
async fn what_a_token_is_refused_for_is_counted_and_no_secret_is_told() {
    log::keep();
    let house = House::start().await;
    let (id, token) = house.token(&["red"]).await;
    let secret = token.rsplit_once(&format!("{id}_")).unwrap().1.to_owned();
    let wrong = format!("{}A", &token[..token.len() - 1]);
    let mut told = String::new();
    for token in [&token, &wrong, &format!("{token}x")] {
        for path in ["/v1/queues", "/v1/tasks/1", "/v1/nowhere"] {
            let answer = house.get(token, path).await;
            told.push_str(&format!("{:?}{}", answer.headers, answer.text));
        }
    }
    told.push_str(&house.post(&token, "/v1/tasks", None, &in_queue("blue")).await.text);
    told.push_str(&house.scheduler.get("/metrics").await.text);
    for counted in [
        "http_response_status_code=\"401\"",
        "http_response_status_code=\"403\"",
        "distrack_tasks_rejected_total{reason=\"forbidden\"} 1",
    ] {
        assert!(told.contains(counted), "{counted} in {told}");
    }
    told.push_str(&format!("{:?}", log::lines(|_| true)));
    told.push_str(&format!("{:?}", house.tokens.tokens().await.unwrap()));
    assert!(!told.contains(&secret[..20]), "a secret is told");
}

#[tokio::test]
async fn that_nobody_is_checked_is_said_in_the_log_and_by_readyz_which_is_ready_all_the_same() {
    log::keep();
    let auth = Auth { mode: AuthMode::Off, ..Auth::default() };
    let scheduler = Scheduler::with(Settings { auth, ..Settings::default() }).await;
    let limit = Instant::now() + LIMIT;
    loop {
        let answer = scheduler.get("/readyz").await;
        if answer.status == 200 && answer.text.contains("\"auth\":\"OFF: ") {
            break;
        }
        assert!(Instant::now() < limit, "{}", answer.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let said =
        log::lines(|line| line["message"].as_str().is_some_and(|text| text.contains("NO AUTHENTICATION")));
    assert!(!said.is_empty() && said.iter().all(|line| line["level"] == "ERROR"), "{said:?}");
    let checked = Scheduler::start().await;
    assert!(!checked.get("/readyz").await.text.contains("auth"));
}
