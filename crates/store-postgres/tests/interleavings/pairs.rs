//! The steps, the world in which they meet, and what they leave.

use std::time::Duration;

use distrack_core::{
    AttemptRef, Cause, InstanceId, NewTask, Outcome, Output, StreamOutput, TaskDraft, TaskId, TraceContext,
    TracePolicy, WorkerId,
};
use distrack_store::{
    AttemptEvent, AttemptReport, ClaimRequest, HeartbeatSeen, IdempotencyKey, Registration, Retention, Slot,
    Store, StoreError, Submission, SubmitMode,
};
use distrack_store_postgres::PgStore;

/// What there is before the two steps.
#[derive(Clone, Copy, Debug)]
pub(crate) enum World {
    /// A due task, and a worker with a free slot.
    Pending,
    /// The same, and its deadline to start has passed.
    Overdue,
    /// The worker holds the task.
    Held,
    /// It does, and its lease has run out.
    Silent,
    /// The task failed once and waits.
    FailedOnce,
    /// The task failed once, and the worker holds it again.
    HeldAgain,
    /// The task has ended.
    Ended,
}

/// A step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Submit,
    Claim,
    Cancel,
    Expire,
    Release,
    Start,
    Succeed,
    Fail,
    OldReport,
    Sweep,
    Register,
    RegisterHolding,
    Restart,
    Renew,
    Deregister,
    Prune,
}

/// What was made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    task: TaskId,
    /// The last attempt, and the one before it.
    attempt: AttemptRef,
    worker: Registration,
    slot: Slot,
    submission: Submission,
}

/// What two steps answered, and what they left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) answers: (String, String),
    pub(crate) left: String,
}

impl World {
    pub(crate) async fn make(self, store: &PgStore) -> Made {
        clear(store).await;
        let draft = TaskDraft {
            command: Some("true".to_owned()),
            max_attempts: Some(3),
            backoff_initial: Some(Duration::ZERO),
            backoff_max: Some(Duration::ZERO),
            ..TaskDraft::default()
        };
        let new = |draft| NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap();
        let key = IdempotencyKey { key: "one".to_owned(), request_hash: [7; 32] };
        let submission = Submission { task: new(draft.clone()), key: Some(key) };
        let task = new(draft);
        let id = task.id;
        store.submit(vec![Submission { task, key: None }], SubmitMode::Each).await.unwrap();
        let worker = Registration {
            worker: WorkerId::new(),
            instance: InstanceId::new(),
            sequence: 1,
            name: "w".to_owned(),
            host: "h".to_owned(),
            address: "h:1".to_owned(),
            coordinator: distrack_core::CoordinatorId::new(),
            slots: 1,
            queues: None,
            labels: Default::default(),
            isolation: None,
            version: "1".to_owned(),
            held: Vec::new(),
            lost_after: Duration::from_secs(3600),
        };
        let registered = store.register(worker.clone()).await.unwrap();
        let slot = Slot { session: registered.session, attach: registered.attach };
        let attempt = AttemptRef { task: id, epoch: 1 };
        let made = Made { task: id, attempt, worker, slot, submission };
        self.advance(store, made).await
    }

    async fn advance(self, store: &PgStore, mut made: Made) -> Made {
        let then: &[Op] = match self {
            Self::Pending | Self::Overdue => &[],
            Self::Held | Self::Silent => &[Op::Claim],
            Self::FailedOnce => &[Op::Claim, Op::Fail],
            Self::HeldAgain => &[Op::Claim, Op::Fail, Op::Claim],
            Self::Ended => &[Op::Claim, Op::Succeed],
        };
        for op in then {
            op.run(store, &made).await;
        }
        let sql = match self {
            Self::HeldAgain => {
                made.attempt.epoch = 2;
                return made;
            }
            Self::Overdue => "UPDATE tasks SET expires_at = now() - interval '1 second'",
            Self::Silent => "UPDATE sessions SET lease_expires_at = now() - interval '1 second'",
            Self::Pending | Self::Held | Self::FailedOnce | Self::Ended => return made,
        };
        sqlx::raw_sql(sql).execute(store.pool()).await.unwrap();
        made
    }
}

impl Made {
    /// What is left, without anything that differs from round to round.
    pub(crate) async fn left(&self, store: &PgStore) -> String {
        let left = "SELECT concat_ws(' ',
            (SELECT string_agg(concat_ws(',', 'task', state, 'epoch', epoch, 'attempt', attempt, 'failures', failures,
                'losses', losses, 'held', session_id IS NOT NULL, 'mark', cancel_requested_at IS NOT NULL,
                'ended', finished_at IS NOT NULL, 'cause', cause, 'exit', exit_code), ';' ORDER BY (id <> $1), id)
             FROM tasks),
            'history', (SELECT string_agg(concat_ws(',', epoch, attempt, cause), ';' ORDER BY epoch) FROM attempts),
            'outputs', (SELECT count(*) FROM task_output), 'keys', (SELECT count(*) FROM idempotency_keys),
            'sessions', (SELECT string_agg(concat_ws(',', attach, ended_at IS NULL, lost), ';'
                         ORDER BY ended_at IS NULL, attach, lost) FROM sessions),
            'orphans', (SELECT count(*) FROM tasks t JOIN sessions s ON s.id = t.session_id
                        WHERE t.state IN (1, 2) AND s.ended_at IS NOT NULL))";
        sqlx::query_scalar(left).bind(self.task.as_uuid()).fetch_one(store.pool()).await.unwrap()
    }
}

async fn clear(store: &PgStore) {
    let clear = "TRUNCATE tasks, sessions, attempts, task_output, idempotency_keys";
    sqlx::raw_sql(clear).execute(store.pool()).await.unwrap();
}

impl Op {
    /// Runs it as a service does: what may succeed later is tried again.
    pub(crate) async fn run(self, store: &PgStore, made: &Made) -> String {
        for _ in 0..20 {
            match self.once(store, made).await {
                Err(StoreError::Unavailable(error)) if !error.to_string().contains("registration") => {}
                Err(error) => return format!("{error}").split(' ').take(3).collect(),
                Ok(answer) => return answer,
            }
        }
        panic!("{self:?} is never answered");
    }

    /// Of how many attempts an answer tells that they ended.
    pub(crate) fn told(self, answer: &str) -> u32 {
        let numbers: Vec<u32> =
            answer.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
        if matches!(self, Self::Sweep) {
            numbers[1]
        } else if matches!(self, Self::Deregister | Self::Restart) {
            *numbers.last().unwrap()
        } else {
            0
        }
    }

    async fn once(self, store: &PgStore, made: &Made) -> Result<String, StoreError> {
        Ok(match self {
            Self::Submit => {
                let answers = store.submit(vec![made.submission.clone()], SubmitMode::Each).await?;
                format!("{:?}", answers[0]).chars().take(7).collect()
            }
            Self::Claim => {
                let request = ClaimRequest {
                    coordinator: made.worker.coordinator,
                    queues: None,
                    labels: Default::default(),
                    slots: vec![made.slot],
                    trace_policy: TracePolicy::Auto,
                };
                let claims = store.claim(request).await?;
                format!(
                    "{:?}",
                    claims.claimed.iter().map(|claimed| claimed.attempt.epoch).collect::<Vec<_>>()
                )
            }
            Self::Cancel => format!("{:?}", store.cancel(made.task).await?),
            Self::Expire | Self::Sweep => {
                let last = store.sweep(0, None).await?.at;
                let swept = store.sweep(10, Some(last)).await?;
                let counts =
                    (swept.sessions_lost.len(), swept.attempts_lost.len(), swept.tasks_expired.len());
                format!("{counts:?}")
            }
            Self::Release => format!("{:?}", store.release(vec![made.attempt]).await?),
            Self::Start => say(store, made.attempt, AttemptEvent::Started { ago: Duration::ZERO }).await?,
            Self::Succeed => say(store, made.attempt, finished(Outcome::success())).await?,
            Self::Fail => {
                say(store, made.attempt, finished(Outcome::failure(Cause::ExitCode, "exit code 1"))).await?
            }
            Self::OldReport => {
                let old = AttemptRef { epoch: 1, ..made.attempt };
                say(store, old, finished(Outcome::success())).await?
            }
            Self::Register => register(store, Registration { sequence: 2, ..made.worker.clone() }).await?,
            Self::RegisterHolding => {
                let held = vec![made.attempt];
                register(store, Registration { sequence: 2, held, ..made.worker.clone() }).await?
            }
            Self::Restart => {
                register(store, Registration { instance: InstanceId::new(), ..made.worker.clone() }).await?
            }
            Self::Renew => {
                let session = made.slot.session;
                let seen = HeartbeatSeen { session, ago: Duration::ZERO, busy: 0, draining: false };
                let renewed =
                    store.renew(made.worker.coordinator, vec![seen], Duration::from_secs(3600)).await?;
                format!("{}", renewed.alive.len())
            }
            Self::Deregister => format!("{}", store.deregister(made.slot.session).await?.len()),
            Self::Prune => {
                let retention = Retention {
                    tasks: Duration::ZERO,
                    sessions: Duration::from_secs(3600),
                    ..Retention::default()
                };
                format!("{}", store.prune(retention, 10).await?.tasks)
            }
        })
    }
}

async fn register(store: &PgStore, new: Registration) -> Result<String, StoreError> {
    let registered = store.register(new).await?;
    let released = registered.released.attempts;
    let (kept, kill, lost) = (registered.kept.len(), registered.kill.len(), registered.lost.len());
    Ok(format!("attach {} kept {kept} kill {kill} released {released} lost {lost}", registered.attach))
}

async fn say(store: &PgStore, attempt: AttemptRef, event: AttemptEvent) -> Result<String, StoreError> {
    let reported = store.report(vec![AttemptReport { attempt, session: None, jitter: 0.0, event }]).await?;
    Ok(format!("{:?}", reported.receipts[0]))
}

fn finished(outcome: Outcome) -> AttemptEvent {
    let stdout = StreamOutput { head: b"hello".to_vec(), tail: Vec::new(), bytes: 5 };
    let output = Output { stdout, ..Output::default() };
    AttemptEvent::Finished { ago: Duration::ZERO, ran: Some(Duration::ZERO), outcome, output }
}
