//! Claiming due tasks, giving them back, and knowing when to look next.

use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::{
    AttemptRef, QueueName, SpanId, Task, TaskState, TraceContext, TraceId, TraceMode, TracePolicy,
};
use distrack_store::shared::released_of;
use distrack_store::{ClaimRequest, Claimed, Claims, NextDue, Released, Slot};

use super::state::{Kept, State};

/// How long after its submission a first attempt still belongs to the submitter's trace.
const SUBMITTERS_TRACE: TimeDelta = TimeDelta::minutes(15);

impl State {
    pub(super) fn claim(&mut self, request: &ClaimRequest, now: DateTime<Utc>) -> Claims {
        let seats: Vec<Slot> =
            request.slots.iter().copied().filter(|slot| self.may_have_work(request, *slot)).collect();
        let fits = |queue: &QueueName| request.queues.as_ref().is_none_or(|queues| queues.contains(queue));
        let due = self.pending.iter().filter(|((_, due_at, _), queue)| *due_at <= now && fits(queue));
        let picked: Vec<AttemptRef> = due
            .filter_map(|((_, _, id), _)| self.tasks.get(id))
            .filter(|kept| may_run(&kept.task, request, now))
            .map(Kept::attempt)
            .take(seats.len())
            .collect();
        let claimed = picked.into_iter().zip(seats);
        let claimed =
            claimed.filter_map(|(attempt, seat)| self.take(attempt, seat, request.trace_policy, now));
        Claims { claimed: claimed.collect(), unreadable: Vec::new() }
    }

    fn may_have_work(&self, request: &ClaimRequest, slot: Slot) -> bool {
        self.sessions.get(&slot.session).is_some_and(|session| {
            session.is_open() && session.coordinator == request.coordinator && session.attach == slot.attach
        })
    }

    fn take(
        &mut self,
        before: AttemptRef,
        seat: Slot,
        policy: TracePolicy,
        now: DateTime<Utc>,
    ) -> Option<Claimed> {
        let worker = self.sessions.get(&seat.session)?.name.clone();
        let pending = |task: &Task| task.state == TaskState::Pending;
        let taken = self.change(before, pending, |kept| {
            let task = &mut kept.task;
            let mode = match policy {
                TracePolicy::Always(mode) => mode,
                TracePolicy::Auto if task.attempt == 0 && now - task.created_at <= SUBMITTERS_TRACE => {
                    TraceMode::Child
                }
                TracePolicy::Auto => TraceMode::Link,
            };
            task.state = TaskState::Dispatched;
            task.epoch += 1;
            task.attempt += 1;
            task.session = Some(seat.session);
            task.worker = Some(worker);
            task.picked_at = Some(now);
            (task.started_at, task.finished_at, task.outcome) = (None, None, None);
            task.attempt_trace_id = Some(match mode {
                TraceMode::Child => task.trace.trace_id,
                TraceMode::Link => TraceId::random(),
            });
            task.attempt_span_id = Some(SpanId::random());
            kept.trace_mode = Some(mode);
        });
        taken.then(|| claimed(&self.tasks[&before.task], seat, now))
    }

    pub(super) fn release(&mut self, attempts: &[AttemptRef], now: DateTime<Utc>) -> Released {
        let mut waiting = 0;
        let mut ended = Vec::new();
        for attempt in attempts {
            let dispatched = |task: &Task| task.state == TaskState::Dispatched;
            self.change(*attempt, dispatched, |kept| {
                let task = &mut kept.task;
                task.attempt -= 1;
                (task.session, task.worker, task.picked_at) = (None, None, None);
                if task.cancel_requested_at.is_some() {
                    task.state = TaskState::Cancelled;
                    task.finished_at = Some(now);
                    ended.push(task.queue.to_string());
                } else {
                    task.state = TaskState::Pending;
                    (task.attempt_trace_id, task.attempt_span_id) = (None, None);
                    kept.trace_mode = None;
                    waiting += 1;
                }
            });
        }
        released_of(waiting, ended.into_iter())
    }

    pub(super) fn next_due(&self, now: DateTime<Utc>) -> NextDue {
        let ready = self.pending.keys().any(|(_, due_at, _)| *due_at <= now);
        let next = self.pending.keys().map(|(_, due_at, _)| *due_at).filter(|due_at| *due_at > now).min();
        NextDue { ready, due_in: next.and_then(|next| (next - now).to_std().ok()) }
    }
}

fn may_run(task: &Task, request: &ClaimRequest, now: DateTime<Utc>) -> bool {
    let has = |(key, value): (&String, &String)| request.labels.get(key) == Some(value);
    task.requires.iter().all(has) && task.expires_at.is_none_or(|expires_at| expires_at > now)
}

fn claimed(kept: &Kept, seat: Slot, now: DateTime<Utc>) -> Claimed {
    let task = &kept.task;
    let trace_id = task.attempt_trace_id.unwrap_or(task.trace.trace_id);
    let span_id = task.attempt_span_id.unwrap_or(task.trace.span_id);
    let previous = kept.superseded.last().filter(|_| task.attempt > 1);
    Claimed {
        attempt: kept.attempt(),
        number: task.attempt,
        session: seat.session,
        queue: task.queue.clone(),
        spec: task.spec.clone(),
        trace: TraceContext { trace_id, span_id, ..task.trace.clone() },
        mode: kept.trace_mode.unwrap_or(TraceMode::Child),
        submission: task.trace.clone(),
        previous: previous.and_then(|attempt| attempt.trace_id.zip(attempt.span_id)),
        waiting_since: previous.and_then(|attempt| attempt.finished_at).unwrap_or(task.created_at),
        due_at: task.due_at,
        picked_at: now,
    }
}
