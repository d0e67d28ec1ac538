//! What a task is doing that a worker holds.

use super::words::{instant, span};
use super::{Code, Facts, Reason, Serving, Why};
use crate::state::TaskState;

pub(super) fn explain(facts: &Facts) -> Why {
    let task = &facts.task;
    let session = facts.sessions.iter().find(|session| Some(session.session) == task.session);
    let doing = doing(facts);
    let mut summary = doing.text.clone();
    let mut reasons = Vec::new();
    if let Some(worker) = session.and_then(|session| worker(facts, session)) {
        if worker.code != Code::WorkerDraining {
            summary = format!("{summary}; {}", worker.text);
        }
        reasons.push(worker);
    }
    if let Some(cancel) = cancel(facts) {
        summary = format!("{summary}; {}", cancel.text);
        reasons.push(cancel);
    }
    reasons.insert(0, doing);
    reasons.extend(times_out(facts));
    reasons.extend(facts.tried_before(facts.attempts.last().filter(|last| last.epoch == task.epoch)));
    Why { summary, reasons, not_before: None }
}

fn doing(facts: &Facts) -> Reason {
    let task = &facts.task;
    let worker = task.worker.as_deref();
    let named = worker.unwrap_or("a worker");
    let attempt = facts.attempt_of(task.attempt);
    match (task.state, task.started_at) {
        (TaskState::Running, Some(at)) => {
            let text = format!("running for {} on {named}, {attempt}", span(facts.since(at)));
            let reason = Reason::new(Code::Running, text).lasts(facts.since(at)).at(at);
            reason.attempt(task.attempt).worker(worker).change("its end, its timeout, or a cancel")
        }
        _ => {
            let at = task.picked_at.unwrap_or(facts.now);
            let ago = facts.since(at);
            let text = format!(
                "dispatched to {named} {} ago, {attempt}; the worker has not said yet that it started",
                span(ago)
            );
            let reason = Reason::new(Code::Dispatched, text).lasts(ago).at(at);
            reason.attempt(task.attempt).worker(worker).change("the worker's word")
        }
    }
}

fn cancel(facts: &Facts) -> Option<Reason> {
    let at = facts.task.cancel_requested_at?;
    let ago = facts.since(at);
    let text = format!("a cancel was asked for {} ago and its worker has not confirmed it yet", span(ago));
    let reason =
        Reason::new(Code::CancelRequested, text).lasts(ago).at(at).worker(facts.task.worker.as_deref());
    Some(reason.change("the end of the command: SIGTERM, then SIGKILL after the worker's kill_grace"))
}

/// What there is to say of the worker's health.
fn worker(facts: &Facts, session: &Serving) -> Option<Reason> {
    let (now, name) = (facts.now, &session.name);
    let heard = facts.since(session.last_heartbeat_at);
    let reason = if session.is_forgotten(now) {
        let text = format!(
            "worker {name} was last heard {} ago and nobody has reclaimed the attempt: no coordinator seems to run",
            span(heard)
        );
        Reason::new(Code::NoCoordinator, text)
            .lasts(heard)
            .change("start a coordinator: distrack coordinator")
    } else if !session.is_live(now) {
        let lease = span(session.lease().to_std().unwrap_or_default());
        let text = format!(
            "worker {name} is lost, last heard {} ago: its attempt is reclaimed in a moment, or {lease} after a coordinator started",
            span(heard)
        );
        Reason::new(Code::WorkerLost, text).lasts(heard)
    } else if session.is_late(now) {
        let left = facts.until(session.lease_expires_at);
        let text = format!(
            "worker {name} is late, last heard {} ago: its attempt is reclaimed in {}",
            span(heard),
            span(left)
        );
        Reason::new(Code::WorkerLate, text)
            .lasts(left)
            .at(session.lease_expires_at)
            .change("a heartbeat of it")
    } else if session.draining {
        let text =
            format!("worker {name} is draining: it takes nothing new, and stops what does not end in time");
        Reason::new(Code::WorkerDraining, text).change("its end before the worker's drain_timeout")
    } else {
        return None;
    };
    Some(reason.worker(Some(name)))
}

fn times_out(facts: &Facts) -> Option<Reason> {
    let task = &facts.task;
    let started = task.started_at.filter(|_| task.state == TaskState::Running)?;
    let at = started + task.spec.timeout();
    let left = facts.until(at);
    let text = format!("it is stopped at its {} timeout, {}", span(task.spec.timeout()), instant(at));
    Some(Reason::new(Code::TimesOut, text).lasts(left).at(at).change("an end of the command before"))
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
