//! Why a task waits.

use std::time::Duration;

use super::words::{count, instant, span};
use super::{Code, Facts, MOST_AHEAD, Reason, Why, fleet, words};
use crate::outcome::{Cause, Outcome};

/// How long a free slot and a due task may be apart before that is odd.
const CLAIMED_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn explain(facts: &Facts) -> Why {
    let task = &facts.task;
    let is_due = task.due_at <= facts.now;
    let mut reasons = Vec::new();
    reasons.extend(deadline_passed(facts));
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
            reasons.extend(ahead(facts));
            // With others before it, the free slots are theirs.
            if slots.free > facts.ahead {
                reasons.push(claimed_soon(facts, slots.free));
            }
        }
        Ok(_) => {}
    }
    reasons.extend(expires(facts));
    reasons.extend(facts.tried_before(None));
    let first = reasons.first().map(|reason| reason.text.as_str());
    let summary = format!("waiting: {}", first.unwrap_or("it is due, and about to be claimed"));
    Why { summary, reasons, not_before: (!is_due).then_some(task.due_at) }
}

fn deadline_passed(facts: &Facts) -> Option<Reason> {
    let at = facts.task.expires_at.filter(|at| *at <= facts.now)?;
    let ago = facts.since(at);
    let text = format!("its deadline passed {} ago: it is about to expire", span(ago));
    Some(
        Reason::new(Code::DeadlinePassed, text)
            .lasts(ago)
            .at(at)
            .change("nothing; submit it again to run it"),
    )
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

fn ahead(facts: &Facts) -> Option<Reason> {
    let (tasks, queue) = (facts.ahead, &facts.task.queue);
    let many = match tasks {
        0 => return None,
        1 => "1 task is".to_owned(),
        tasks if tasks > MOST_AHEAD => format!("more than {} tasks are", words::grouped(MOST_AHEAD)),
        tasks => format!("{} are", count(tasks, "task", "tasks")),
    };
    let reason = Reason::new(Code::TasksAhead, format!("{many} before it in queue {queue}"));
    let reason = reason.change("more slots; a task submitted with a higher priority goes first");
    Some(Reason { tasks: Some(tasks), ..reason })
}

fn claimed_soon(facts: &Facts, free: u32) -> Reason {
    let slots = count(free, "slot is", "slots are");
    let due_for = facts.since(facts.task.due_at);
    if due_for < CLAIMED_WITHIN {
        let text =
            format!("it has been due for {} and {slots} free: it is about to be claimed", span(due_for));
        return Reason::new(Code::AboutToStart, text).slots(free).lasts(due_for);
    }
    let text =
        format!("it has been due for {} although {slots} free: no coordinator claims it", span(due_for));
    let reason = Reason::new(Code::NotClaimed, text).slots(free).lasts(due_for);
    reason.change(
        "look at the coordinators' logs: one may be gone, or gives a worker a rest after failed dispatches",
    )
}

fn expires(facts: &Facts) -> Option<Reason> {
    let at = facts.task.expires_at.filter(|at| *at > facts.now)?;
    let left = facts.until(at);
    let text = format!("it expires in {} unless it starts before", span(left));
    Some(Reason::new(Code::Expires, text).lasts(left).at(at).change("a start before its deadline"))
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
