//! What happened to a task that has ended.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::waiting::given_back;
use super::words::{instant, on, signal, span};
use super::{Code, Facts, Reason, Why};
use crate::attempt::Attempt;
use crate::outcome::{Cause, Outcome};
use crate::retry::OnLost;
use crate::state::TaskState;
use crate::transition::POISON_LOSSES;

/// A start this long after its time is late.
const LATE: Duration = Duration::from_secs(1);
/// A part of a delay that is said.
const WORTH_SAYING: Duration = Duration::from_millis(100);

pub(super) fn explain(facts: &Facts) -> Why {
    let last = facts.attempts.last();
    let (code, mut summary) = match facts.task.state {
        TaskState::Completed => (Code::Completed, completed(facts, last)),
        TaskState::Failed => (Code::Failed, failed(facts, last)),
        TaskState::Cancelled => (Code::Cancelled, cancelled(facts, last)),
        TaskState::Expired => (Code::Expired, expired(facts)),
        TaskState::Pending | TaskState::Dispatched | TaskState::Running => unreachable!("it has ended"),
    };
    // A task that waited again after its last attempt did not end with it.
    let last = last.filter(|last| ended_with(facts, last));
    let delays = last.map(|last| delays(facts, last)).unwrap_or_default();
    if let Some((late, parts)) = delays.split_first() {
        let parts: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
        let because = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(" and ")) };
        summary = format!("{summary}; {}{because}", late.text);
    }
    let outcome = Reason {
        at: facts.task.finished_at,
        lasts: last.and_then(ran),
        attempt: last.map(|last| last.attempt),
        ..Reason::new(code, summary.clone()).worker(last.and_then(|last| last.worker.as_deref()))
    };
    let outcome = match facts.task.state {
        TaskState::Failed | TaskState::Cancelled | TaskState::Expired => {
            outcome.change(format!("distrack retry {} submits it again", facts.task.id))
        }
        TaskState::Completed | TaskState::Pending | TaskState::Dispatched | TaskState::Running => outcome,
    };
    let mut reasons = vec![outcome];
    reasons.extend(delays);
    reasons.extend(facts.tried_before(last));
    Why { summary, reasons, not_before: None }
}

/// Whether the task ended with this attempt.
fn ended_with(facts: &Facts, attempt: &Attempt) -> bool {
    attempt.epoch == facts.task.epoch && attempt.finished_at == facts.task.finished_at
}

/// How long an attempt ran, if it did.
fn ran(attempt: &Attempt) -> Option<Duration> {
    attempt.started_at.zip(attempt.finished_at).map(|(from, to)| Facts::between(from, to))
}

fn completed(facts: &Facts, last: Option<&Attempt>) -> String {
    let took = last.and_then(ran).map(|ran| format!(" in {}", span(ran))).unwrap_or_default();
    let on = on(last.and_then(|last| last.worker.as_deref()));
    let when = match last {
        Some(last) if last.attempt > 1 => format!(", on {}", facts.attempt_of(last.attempt)),
        Some(last) => match start_delay(facts, last).filter(|delay| *delay < LATE) {
            Some(delay) => format!(", {} after its time", span(delay)),
            None => String::new(),
        },
        None => String::new(),
    };
    format!("completed{took}{on}{when}")
}

fn failed(facts: &Facts, last: Option<&Attempt>) -> String {
    let task = &facts.task;
    let none = Outcome::default();
    let outcome = task.outcome.as_ref().unwrap_or(&none);
    let worker = last.and_then(|last| last.worker.as_deref());
    let its_worker = worker.map_or_else(|| "its worker".to_owned(), |worker| format!("its worker {worker}"));
    let error = || outcome.error.as_deref().map(|error| format!(" ({error})")).unwrap_or_default();
    let what = match outcome.cause {
        Some(Cause::ExitCode) => format!("failed with {}", facts.cause_of(outcome)),
        Some(Cause::Signal) => {
            let signal = outcome.signal.map_or_else(|| "a signal".to_owned(), signal);
            format!("failed: {signal} ended it")
        }
        Some(Cause::Timeout) => format!("killed after its {} timeout", span(task.spec.timeout())),
        Some(Cause::SpawnFailed) => format!("failed: its command could not be started{}", error()),
        Some(Cause::OutputLimit) => "failed: it printed more than its worker keeps".to_owned(),
        Some(Cause::Oom) => "failed: memory ran out and the kernel killed it".to_owned(),
        Some(Cause::WorkerLost) if task.policy.on_lost == OnLost::Retry && task.losses >= POISON_LOSSES => {
            let times =
                if task.losses == 3 { "three times".to_owned() } else { format!("{} times", task.losses) };
            let lately = worker.map(|worker| format!(", {worker} the last one")).unwrap_or_default();
            return format!("failed: its worker was lost {times}{lately}, so it was given up (poison)");
        }
        Some(Cause::WorkerLost) => {
            return format!("failed: {its_worker} was lost with it, and on_lost=fail forbids a second run");
        }
        Some(Cause::Interrupted) if task.policy.on_lost == OnLost::Fail => {
            return format!(
                "failed: {its_worker} interrupted it{}, and on_lost=fail forbids a second run",
                error()
            );
        }
        Some(Cause::Interrupted | Cause::Cancelled) | None => format!("failed{}", error()),
    };
    let Some(last) = last else { return what };
    let attempt = facts.attempt_of(last.attempt);
    let after = ran(last).filter(|_| outcome.cause != Some(Cause::Timeout));
    let after = after.map(|ran| format!(", after {}", span(ran))).unwrap_or_default();
    let on = on(last.worker.as_deref());
    // Attempts were left, so that the failure was one that another attempt meets again.
    let given_up = if task.failures < task.policy.max_attempts {
        ", not tried again since it would fail again"
    } else {
        ""
    };
    format!("{what} on {attempt}{after}{on}{given_up}")
}

fn cancelled(facts: &Facts, last: Option<&Attempt>) -> String {
    let task = &facts.task;
    let ended = task.finished_at.unwrap_or(facts.now);
    // Of a task that waited, the last attempt ended before it did.
    let held = last.filter(|last| ended_with(facts, last));
    let Some(held) = held else {
        let waited = Facts::between(task.due_at, ended);
        return match last {
            Some(last) => format!(
                "cancelled while it waited to be tried again, after {}",
                facts.attempt_of(last.attempt)
            ),
            None if ended < task.due_at => {
                format!(
                    "cancelled before it started, {} before its time",
                    span(Facts::between(ended, task.due_at))
                )
            }
            None => format!("cancelled before it started, {} after its time", span(waited)),
        };
    };
    let on = on(held.worker.as_deref());
    let asked = task.cancel_requested_at.map(|at| Facts::between(at, ended));
    let asked =
        asked.map(|after| format!(", {} after the cancel was asked for", span(after))).unwrap_or_default();
    let cause = held.outcome.as_ref().filter(|outcome| outcome.cause != Some(Cause::Cancelled));
    match (ran(held), cause) {
        (_, Some(outcome)) => format!("cancelled: it ended with {}{on}{asked}", facts.cause_of(outcome)),
        (Some(ran), None) => format!("cancelled while it ran{on}: stopped after {}{asked}", span(ran)),
        (None, None) => format!("cancelled before it started, while it was dispatched{on}{asked}"),
    }
}

fn expired(facts: &Facts) -> String {
    let task = &facts.task;
    let Some(deadline) = task.expires_at else { return "expired".to_owned() };
    let at = instant(deadline);
    if deadline <= task.due_at {
        return match task.attempt {
            0 => format!("expired: its deadline {at} lay before its time"),
            attempt => format!(
                "expired: its deadline {at} passed before it could be tried again, after {}",
                facts.attempt_of(attempt)
            ),
        };
    }
    let waited = span(Facts::between(task.due_at, deadline));
    format!("expired: no slot came free for it before its deadline {at}, {waited} after it was due")
}

/// From when an attempt was asked to start until it did: for a retry, from the end of its backoff.
fn start_delay(facts: &Facts, attempt: &Attempt) -> Option<Duration> {
    attempt.started_at.map(|started| Facts::between(facts.task.due_at, started))
}

/// If the last attempt started late: that, and then the parts of the delay. What filled the slots meanwhile is not
/// stored, so that it is not said.
fn delays(facts: &Facts, last: &Attempt) -> Vec<Reason> {
    let Some(late) = start_delay(facts, last).filter(|delay| *delay >= LATE) else { return Vec::new() };
    let (Some(picked), Some(started)) = (last.picked_at, last.started_at) else { return Vec::new() };
    let mut delays =
        vec![Reason::new(Code::StartedLate, format!("it started {} late", span(late))).lasts(late)];
    let due = facts.task.due_at;
    let waited = Facts::between(due, picked);
    if waited >= WORTH_SAYING {
        delays.extend(waited_until_claimed(facts, last, picked));
    }
    let taken = Facts::between(picked, started);
    if taken >= WORTH_SAYING {
        let name = last.worker.as_deref().unwrap_or("its worker");
        let text = format!("{name} took {} to start it", span(taken));
        delays.push(Reason::new(Code::WaitedForStart, text).lasts(taken).worker(last.worker.as_deref()));
    }
    delays
}

/// The worker itself, if it is known when that came, and then a slot of it; or claims that came to nothing.
fn waited_until_claimed(facts: &Facts, last: &Attempt, picked: DateTime<Utc>) -> Vec<Reason> {
    let due = facts.task.due_at;
    // Unless somebody else has its name.
    let joined = match facts.sessions.as_slice() {
        [only] => Some(only.registered_at).filter(|at| *at > due && *at <= picked),
        _ => None,
    };
    let mut waited = Vec::new();
    if let (Some(at), Some(name)) = (joined, last.worker.as_deref()) {
        let missing = Facts::between(due, at);
        let text = format!("it waited for a worker: {name} came {} after it was due", span(missing));
        waited.push(Reason::new(Code::WaitedForWorker, text).lasts(missing).at(at).worker(Some(name)));
    }
    let rest = Facts::between(joined.unwrap_or(due), picked);
    if rest < WORTH_SAYING {
        return waited;
    }
    match given_back(facts) {
        // Nobody knows how long the slots were taken, if they were.
        Some(in_vain) => waited.push(Reason { lasts: Some(rest), ..in_vain }),
        None => {
            let reason = Reason::new(Code::WaitedForSlot, format!("it waited {} for a slot", span(rest)));
            waited.push(reason.lasts(rest).change("more slots or workers for its queue"));
        }
    }
    waited
}

#[cfg(test)]
#[path = "ended_tests.rs"]
mod tests;
