//! Clients that submit and cancel tasks while everything breaks, and remember what they were told.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::boot::Boot;
use super::command::{self, Item};
use crate::api::{Answer, Api};

/// How long a client tries on with one submission.
const TRY_FOR: Duration = Duration::from_secs(45);

/// One call, as its client saw it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// When it was sent.
    pub sent: Boot,
    /// When it was answered or given up.
    pub answered: Boot,
    /// The status; `None` if no answer came.
    pub status: Option<u16>,
    /// The task of the answer.
    pub task: Option<String>,
    /// What went wrong, if something did.
    pub error: Option<String>,
    /// Whether the answer says when to ask again.
    pub says_when: bool,
}

impl Call {
    /// Whether the client may count on the task.
    pub fn accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// One task, submitted once or again and again under one key.
#[derive(Clone, Debug)]
pub struct Submission {
    /// What was submitted.
    pub item: Item,
    /// The Idempotency-Key, if it had one; a batch has one for all of it, with the item's place here.
    pub key: Option<String>,
    /// Each try.
    pub calls: Vec<Call>,
}

/// What clients remember.
#[derive(Clone, Debug, Default)]
pub struct ClientLog {
    /// Their submissions.
    pub submissions: Vec<Submission>,
    /// Their cancels: the task of each is the one that was to be cancelled.
    pub cancels: Vec<Call>,
}

impl ClientLog {
    /// How many submissions were accepted.
    pub fn accepted(&self) -> usize {
        self.submissions.iter().filter(|one| one.calls.iter().any(Call::accepted)).count()
    }
}

/// How clients behave.
#[derive(Clone, Debug)]
pub struct Habits {
    /// How many of them there are.
    pub clients: u64,
    /// How long each rests between two submissions.
    pub pause: Duration,
    /// The kind of every task; the usual mix if `None`.
    pub only: Option<&'static str>,
    /// The part of submissions, 0 to 1, that are batches.
    pub batches: f64,
    /// The most submissions altogether.
    pub most: usize,
}

impl Default for Habits {
    fn default() -> Self {
        Self { clients: 4, pause: Duration::from_millis(150), only: None, batches: 0.1, most: usize::MAX }
    }
}

/// Running clients.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: tokio::sync::Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Shared {
    apis: Vec<Api>,
    effects: PathBuf,
    habits: Habits,
    next: AtomicUsize,
    stopping: AtomicBool,
    log: Mutex<ClientLog>,
}

impl Load {
    /// Starts clients of the schedulers at `bases`.
    pub fn start(bases: Vec<String>, effects: PathBuf, habits: Habits, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            apis: bases.into_iter().map(Api::impatient).collect(),
            effects,
            habits,
            next: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            log: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for client in 0..shared.habits.clients {
            let dice = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(client));
            clients.spawn(submit_on(shared.clone(), client, dice));
        }
        Self { shared, clients: tokio::sync::Mutex::new(clients) }
    }

    /// What was told so far.
    pub fn log(&self) -> ClientLog {
        self.shared.log().clone()
    }

    /// How many submissions were accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.log().accepted()
    }

    /// Whether all that was to be submitted was begun.
    pub fn is_over(&self) -> bool {
        self.shared.is_over()
    }

    /// Lets every client come to the end of what it has begun.
    pub async fn finish(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let mut clients = self.clients.lock().await;
        while clients.join_next().await.is_some() {}
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, ClientLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.next.load(Ordering::Relaxed) >= self.habits.most
    }

    fn draw(&self, dice: &mut StdRng) -> Item {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        match self.habits.only {
            Some(kind) => command::of_kind(kind, n, dice, &self.effects),
            None => command::draw(n, dice, &self.effects),
        }
    }
}

async fn submit_on(shared: Arc<Shared>, client: u64, mut dice: StdRng) {
    let mut cancels = JoinSet::new();
    let mut submitted = 0_u64;
    while !shared.is_over() {
        submitted += 1;
        let count = if dice.random_bool(shared.habits.batches) { dice.random_range(2..12) } else { 1 };
        let items: Vec<Item> = (0..count).map(|_| shared.draw(&mut dice)).collect();
        // One in five is sent once and left to its fate.
        let key = dice.random_bool(0.8).then(|| format!("chaos-{client}-{submitted}"));
        for (item, task) in submit(&shared, items, key, &mut dice).await {
            if let (Some(wait), Some(task)) = (item.cancel_after, task) {
                cancels.spawn(cancel(shared.clone(), task, wait));
            }
        }
        sleep(shared.habits.pause.mul_f64(dice.random_range(0.2..1.8))).await;
    }
    while cancels.join_next().await.is_some() {}
}

/// Submits one task, or several as a batch, until they are accepted. Without a key there is one try.
async fn submit(
    shared: &Shared,
    items: Vec<Item>,
    key: Option<String>,
    dice: &mut StdRng,
) -> Vec<(Item, Option<String>)> {
    let deadline = Instant::now() + TRY_FOR;
    let mut tries: Vec<Vec<Call>> = vec![Vec::new(); items.len()];
    let mut turn = dice.random_range(0..shared.apis.len());
    loop {
        let calls = try_once(&shared.apis[turn % shared.apis.len()], &items, key.as_deref()).await;
        // What the scheduler refuses for its content stays refused.
        let again = calls.iter().any(|call| call.status.is_none_or(|status| status == 429 || status >= 500));
        tries.iter_mut().zip(calls).for_each(|(tries, call)| tries.push(call));
        if !again || key.is_none() || Instant::now() >= deadline {
            break;
        }
        turn += 1;
        sleep(Duration::from_millis(dice.random_range(50..300))).await;
    }
    let is_batch = items.len() > 1;
    let tasks = tries.iter().map(|calls| calls.iter().find_map(|call| call.task.clone())).collect::<Vec<_>>();
    let mut log = shared.log();
    for (place, (item, calls)) in items.iter().zip(tries).enumerate() {
        let key = key.as_ref().map(|key| if is_batch { format!("{key}#{place}") } else { key.clone() });
        log.submissions.push(Submission { item: item.clone(), key, calls });
    }
    items.into_iter().zip(tasks).collect()
}

async fn try_once(api: &Api, items: &[Item], key: Option<&str>) -> Vec<Call> {
    let sent = Boot::now();
    let request = match items {
        [one] => api.request(Method::POST, "/v1/tasks").json(&one.body),
        many => {
            let bodies: Vec<&Value> = many.iter().map(|item| &item.body).collect();
            api.request(Method::POST, "/v1/tasks/batch").json(&json!({"tasks": bodies}))
        }
    };
    let request = key.iter().fold(request, |request, key| request.header("Idempotency-Key", *key));
    let answer = api.send(request).await;
    let answered = Boot::now();
    let place = |place: usize| {
        let mut call = Call { sent, answered, ..told(&answer) };
        if let Ok(answer) = &answer {
            let body = answer.json();
            let task = if items.len() == 1 { &body["task_id"] } else { &body["tasks"][place]["task_id"] };
            call.task = task.as_str().map(str::to_owned).filter(|_| call.accepted());
        }
        call
    };
    (0..items.len()).map(place).collect()
}

fn told(answer: &Result<Answer>) -> Call {
    match answer {
        Ok(answer) if answer.status >= 300 => {
            let (error, says_when) = (Some(answer.text()), answer.headers.contains_key(RETRY_AFTER));
            Call { status: Some(answer.status), error, says_when, ..Call::default() }
        }
        Ok(answer) => Call { status: Some(answer.status), ..Call::default() },
        Err(error) => Call { error: Some(format!("{error:#}")), ..Call::default() },
    }
}

/// Cancels a task after a while, and again while no answer comes.
async fn cancel(shared: Arc<Shared>, task: String, wait: Duration) {
    sleep(wait).await;
    let deadline = Instant::now() + TRY_FOR;
    let mut turn = 0;
    loop {
        let sent = Boot::now();
        let api = &shared.apis[turn % shared.apis.len()];
        let answer = api.post(&format!("/v1/tasks/{task}/cancel"), &json!({})).await;
        let call = Call { sent, answered: Boot::now(), task: Some(task.clone()), ..told(&answer) };
        let again = call.status.is_none_or(|status| status == 429 || status >= 500);
        shared.log().cancels.push(call);
        if !again || Instant::now() >= deadline {
            return;
        }
        turn += 1;
        sleep(Duration::from_millis(100)).await;
    }
}
