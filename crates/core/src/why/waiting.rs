//! Why a task waits.

use std::time::Duration;

use super::fleet::{self, Slots};
use super::words::{count, instant, span};
use super::{Code, Facts, MOST_AHEAD, Reason, Why, words};
use crate::outcome::{Cause, Outcome};

/// How long a free slot and a due task may be apart before that is odd.
const CLAIMED_WITHIN: Duration = Duration::from_secs(5);
/// How long a worker that is well may be silent: two heartbeats.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn explain(facts: &Facts) -> Why {
    let task = &facts.task;
    let is_due = task.due_at <= facts.now;
    let mut reasons = Vec::new();
    reasons.extend(deadline(facts));
    if !is_due {
        reasons.push(not_due(facts));
    }
    match fleet::slots(facts) {
        // Worth knowing before its time comes, too.
        Err(lack) => reasons.push(*lack),
        Ok(slots) if is_due => {
            if slots.free == 0 {
                reasons.push(slots.busy(facts));
            }
            let stalled = is_stalled(facts, &slots);
            if stalled {
                reasons.push(not_claimed(facts, &slots));
            }
            reasons.extend(ahead(facts, &slots));
            // With others before it, the free slots are theirs.
            if !stalled && slots.free > facts.ahead {
                reasons.push(about_to_start(facts, &slots));
            }
        }
        Ok(_) => {}
    }
    reasons.extend(given_back(facts));
    reasons.extend(expires(facts));
    reasons.extend(facts.tried_before(None));
    let first = reasons.first().map(|reason| reason.text.as_str());
    let summary = format!("waiting: {}", first.unwrap_or("it is due, and about to be claimed"));
    Why { summary, reasons, not_before: (!is_due).then_some(task.due_at) }
}

/// A deadline that it cannot keep.
fn deadline(facts: &Facts) -> Option<Reason> {
    let task = &facts.task;
    let at = task.expires_at?;
    if at <= facts.now {
        let ago = facts.since(at);
        let text =
            format!("its deadline passed {} ago: it will not start, and is about to expire", span(ago));
        let reason = Reason::new(Code::DeadlinePassed, text).lasts(ago).at(at);
        return Some(reason.change("nothing; submit it again to run it"));
    }
    if at > task.due_at {
        return None;
    }
    let left = facts.until(at);
    let text =
        format!("its deadline {} comes before its time: it expires without having started", instant(at));
    let reason = Reason::new(Code::Expires, text).lasts(left).at(at);
    Some(reason.change("nothing; submit it again with a later deadline"))
}

fn not_due(facts: &Facts) -> Reason {
    let task = &facts.task;
    let (at, left) = (task.due_at, facts.until(task.due_at));
    let (left_said, at_said) = (span(left), instant(at));
    let retried = task.outcome.as_ref().filter(|outcome| !outcome.is_success());
    let reason = match retried {
        None => {
            let text = format!("it is not due for {left_said}, until {at_said}");
            Reason::new(Code::NotDue, text)
                .change("nothing before its time; cancel it and submit it again to run it now")
        }
        Some(Outcome { cause: Some(Cause::WorkerLost), .. }) => {
            let worker = task.worker.as_deref().map(|worker| format!(" {worker}")).unwrap_or_default();
            let text = format!("its worker{worker} was lost; it is tried again in {left_said}");
            Reason::new(Code::AfterLoss, text).worker(task.worker.as_deref()).change(
                "nothing: a task that may have taken its worker down waits before it meets the next one",
            )
        }
        Some(outcome) => {
            let retries = task.policy.max_attempts.saturating_sub(1);
            let text = format!(
                "retry {} of {retries} backs off for {left_said}, until {at_said}, after {}",
                task.failures,
                facts.cause_of(outcome)
            );
            Reason::new(Code::Backoff, text)
                .attempt(task.attempt + 1)
                .change("nothing before its time; cancel it and submit it again to run it now")
        }
    };
    reason.lasts(left).at(at)
}

fn ahead(facts: &Facts, slots: &Slots) -> Option<Reason> {
    let (tasks, queue) = (facts.ahead, &facts.task.queue);
    let many = match tasks {
        0 => return None,
        1 => "1 task is".to_owned(),
        tasks if tasks > MOST_AHEAD => format!("more than {} tasks are", words::grouped(MOST_AHEAD)),
        tasks => format!("{} are", count(tasks, "task", "tasks")),
    };
    let some = match facts.ahead_requiring {
        0 => String::new(),
        all if all == tasks => ", for workers with labels that they require".to_owned(),
        some => format!(", {} of them for workers with labels that they require", words::grouped(some)),
    };
    let shared = if slots.shared { "; tasks of other queues share these slots" } else { "" };
    let reason = Reason::new(Code::TasksAhead, format!("{many} before it in queue {queue}{some}"));
    let reason =
        reason.change(format!("more slots; a task submitted with a higher priority goes first{shared}"));
    Some(Reason { tasks: Some(tasks), ..reason })
}

/// Whether slots are free, tasks are due, and nobody has claimed anything for a while. Other tasks may be due before
/// this one: they are not claimed either.
fn is_stalled(facts: &Facts, slots: &Slots) -> bool {
    let idle = slots.last_claim.is_none_or(|at| facts.since(at) >= CLAIMED_WITHIN);
    slots.free > 0 && facts.since(facts.task.due_at) >= CLAIMED_WITHIN && idle
}

fn not_claimed(facts: &Facts, slots: &Slots) -> Reason {
    let free = count(slots.free, "slot is", "slots are");
    let due_for = facts.since(facts.task.due_at);
    let silent = facts.since(slots.last_heartbeat);
    let heard = match silent >= HEARD_WITHIN {
        true => format!("; no worker that could run it was heard for {}", span(silent)),
        false => String::new(),
    };
    let text = format!(
        "it has been due for {} although {free} free: no coordinator seems to claim it{heard}",
        span(due_for)
    );
    Reason::new(Code::NotClaimed, text).slots(slots.free).lasts(due_for).change(
        "look at the coordinators' logs: one may be gone, or gives a worker a rest after failed dispatches",
    )
}

fn about_to_start(facts: &Facts, slots: &Slots) -> Reason {
    let free = count(slots.free, "slot is", "slots are");
    let due_for = facts.since(facts.task.due_at);
    let text = format!("it has been due for {} and {free} free: it is about to be claimed", span(due_for));
    Reason::new(Code::AboutToStart, text).slots(slots.free).lasts(due_for)
}

/// That claims of it came to nothing.
pub(super) fn given_back(facts: &Facts) -> Option<Reason> {
    let times = match facts.given_back() {
        0 => return None,
        1 => "once".to_owned(),
        times => format!("{} times", words::grouped(times)),
    };
    let text =
        format!("it was claimed {times} and given back: the worker could not be reached, or did not take it");
    Some(Reason::new(Code::GivenBack, text).change("look at the coordinators' logs for the worker at fault"))
}

fn expires(facts: &Facts) -> Option<Reason> {
    let at = facts.task.expires_at.filter(|at| *at > facts.now && *at > facts.task.due_at)?;
    let left = facts.until(at);
    let text = format!("it expires in {} unless it starts before", span(left));
    Some(Reason::new(Code::Expires, text).lasts(left).at(at).change("a start before its deadline"))
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
