//! Every step in every state that a task can be in: the store does what the rules of `core` say, and nothing else.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use distrack_core::protocol::record::{Cancelled, Record};
use distrack_core::protocol::report::{Judgement, Said};
use distrack_core::{
    AttemptRef, Backoff, Ended, Outcome, QueueName, RetryPolicy, TaskDraft, TaskId, TaskState,
};

use super::fixtures::{Db, exit, finished, get, report, started, submit, tried};
use super::fleet::{Worker, claim};
use crate::{CancelAnswer, ClaimRequest, Receipt};

/// Histories of more steps than this lead to no state that is new.
const STEPS: usize = 7;
const AT_ONCE: Backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };

/// A step. What names an attempt names the last one, or the one before.
#[derive(Clone, Copy, Debug)]
enum Step {
    Claim,
    Release { older: i64 },
    Start { older: i64 },
    Succeed { older: i64 },
    Fail { older: i64 },
    Cancel,
    Leave,
}

const STEPS_THERE_ARE: [Step; 11] = [
    Step::Claim,
    Step::Release { older: 0 },
    Step::Release { older: 1 },
    Step::Start { older: 0 },
    Step::Start { older: 1 },
    Step::Succeed { older: 0 },
    Step::Succeed { older: 1 },
    Step::Fail { older: 0 },
    Step::Fail { older: 1 },
    Step::Cancel,
    Step::Leave,
];

/// A task in the store, and what it is by the rules.
struct Both {
    store: Db,
    worker: Worker,
    queue: QueueName,
    task: TaskId,
    rules: Record<()>,
    /// Whether it waits for its next attempt for a while: who claims it then is a matter of time.
    waits: bool,
}

impl Both {
    async fn new(store: &Db, number: usize) -> Self {
        let queue: QueueName = format!("rules-{number}").parse().expect("a good name");
        let draft = TaskDraft { queue: Some(queue.to_string()), ..tried(2, AT_ONCE) };
        let policy = RetryPolicy { max_attempts: 2, backoff: AT_ONCE, ..RetryPolicy::default() };
        Self {
            worker: Worker::join(store).await,
            task: submit(store, draft).await,
            store: Db::clone(store),
            queue,
            rules: Record::new(policy),
            waits: false,
        }
    }

    /// Takes a step on both sides, which must agree on what it did.
    async fn take(&mut self, step: Step) {
        let attempt = |older| AttemptRef { task: self.task, epoch: self.rules.epoch - older };
        match step {
            Step::Claim => {
                let request =
                    ClaimRequest { queues: Some(vec![self.queue.clone()]), ..self.worker.request(1) };
                let claimed = claim(&self.store, request).await;
                assert_eq!(claimed.len(), usize::from(self.rules.claim(())), "{step:?}");
                assert!(claimed.iter().all(|claimed| claimed.attempt.epoch == self.rules.epoch));
            }
            Step::Release { older } => {
                let attempt = attempt(older);
                let released = self.store.release(vec![attempt]).await.expect("a release is heard");
                assert_eq!(released.attempts, u64::from(self.rules.release(attempt.epoch)), "{step:?}");
            }
            Step::Start { older } => {
                let attempt = attempt(older);
                let judged = self.rules.judge(attempt.epoch, Said::Started);
                self.rules.start(attempt.epoch);
                assert_eq!(report(&self.store, started(attempt)).await, receipt(judged), "{step:?}");
            }
            Step::Succeed { older } => self.finish(attempt(older), Outcome::success()).await,
            Step::Fail { older } => self.finish(attempt(older), exit(1)).await,
            Step::Cancel => {
                let expected = match self.rules.cancel() {
                    Cancelled::Now => CancelAnswer::Cancelled,
                    Cancelled::Requested => CancelAnswer::Requested,
                    Cancelled::TooLate => CancelAnswer::Ended,
                };
                assert_eq!(self.store.cancel(self.task).await.expect("a cancel is heard"), expected);
            }
            Step::Leave => {
                let lost = self.store.deregister(self.worker.session).await.expect("a worker leaves");
                let epoch = self.rules.epoch;
                let expected = if self.rules.state == TaskState::Running {
                    let verdict = self.rules.finish(epoch, Ended::Lost { in_company: false }, 0.0);
                    self.waits = verdict.is_some_and(|verdict| !verdict.due_in.is_zero());
                    1
                } else {
                    self.rules.release(epoch);
                    0
                };
                assert_eq!(lost.len(), expected, "{step:?}");
                self.worker = Worker::join(&self.store).await;
            }
        }
        self.compare(step).await;
    }

    async fn finish(&mut self, attempt: AttemptRef, outcome: Outcome) {
        let judged = self.rules.judge(attempt.epoch, Said::Finished);
        self.rules.finish(attempt.epoch, Ended::Reported { outcome: &outcome, began: true }, 0.0);
        assert_eq!(report(&self.store, finished(attempt, outcome)).await, receipt(judged));
    }

    async fn compare(&self, step: Step) {
        let task = get(&self.store, self.task).await;
        let (rules, is) = (&self.rules, (task.state, task.epoch, task.attempt, task.failures, task.losses));
        let expected = (rules.state, rules.epoch, rules.attempt, rules.failures, rules.losses);
        assert_eq!(is, expected, "after {step:?}");
    }
}

fn receipt(judgement: Judgement) -> Receipt {
    match judgement {
        Judgement::Stale => Receipt::Stale,
        Judgement::Duplicate => Receipt::Duplicate,
        Judgement::Starts | Judgement::Ends => Receipt::Recorded,
    }
}

pub async fn every_step_in_every_state_does_what_the_rules_say(store: Db) {
    let mut seen = HashSet::new();
    let mut open = VecDeque::from([Vec::new()]);
    let mut number = 0;
    while let Some(history) = open.pop_front() {
        for step in STEPS_THERE_ARE {
            let mut both = Both::new(&store, number).await;
            number += 1;
            for earlier in &history {
                both.take(*earlier).await;
            }
            if both.waits && matches!(step, Step::Claim) {
                continue;
            }
            both.take(step).await;
            let new = seen.insert((both.rules.clone(), both.waits));
            if new && history.len() + 1 < STEPS && !both.waits {
                open.push_back([history.as_slice(), &[step]].concat());
            }
        }
    }
    assert!(seen.len() > 20, "there are many states: {}", seen.len());
}
