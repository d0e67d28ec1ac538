use super::*;
use crate::new_task::TaskDraft;
use crate::state::TaskState;
use crate::why::fixtures::{at, ended_by, exit, facts, silent, tried, worker};
use crate::why::{Serving, explain};

fn plain(millis: i64) -> Facts {
    facts(TaskDraft::default(), millis)
}

/// The summary and the codes.
fn said(facts: &Facts) -> (String, Vec<Code>) {
    let why = explain(facts);
    (why.summary, why.reasons.iter().map(|reason| reason.code).collect())
}

/// The text of the first reason of this kind.
fn text(facts: &Facts, code: Code) -> String {
    let reasons = explain(facts).reasons;
    let found = reasons.into_iter().find(|reason| reason.code == code);
    found.unwrap_or_else(|| panic!("no {code:?}")).text
}

fn busy(name: &str, facts: &Facts, oldest: Option<i64>) -> Serving {
    Serving { held: 2, oldest_started_at: oldest.map(at), ..worker(name, facts.now) }
}

#[test]
fn a_task_whose_time_has_not_come_says_when_it_does() {
    let mut facts = plain(0);
    facts.task.due_at = at(41_000);
    facts.sessions = vec![busy("w1", &facts, None)];
    let (summary, codes) = said(&facts);
    assert_eq!(summary, "waiting: it is not due for 41 s, until 2030-01-31T12:00:41Z");
    assert_eq!(codes, [Code::NotDue], "slots that are busy now say nothing of then");
    assert_eq!(explain(&facts).not_before, Some(at(41_000)));
    facts.sessions.clear();
    assert_eq!(said(&facts).1, [Code::NotDue, Code::NoWorker], "what is missing is worth knowing before");
}

#[test]
fn a_retry_says_which_one_it_is_and_what_of() {
    let mut facts = facts(tried(6), 2000).claimed(0).started(10).failed(200, exit(3), 500);
    facts = facts.claimed(500).started(510).failed(900, exit(4), 2500);
    facts.sessions = vec![worker("w1", facts.now)];
    let (summary, codes) = said(&facts);
    let expected = "waiting: retry 2 of 5 backs off for 0.5 s, until 2030-01-31T12:00:02Z, after exit code 4";
    assert_eq!(summary, expected);
    assert_eq!(codes, [Code::Backoff, Code::TriedBefore, Code::TriedBefore]);
    let tried: Vec<_> = explain(&facts).reasons.into_iter().skip(1).map(|reason| reason.text).collect();
    let expected = [
        "attempt 2 on w1 ended with exit code 4 after 0.3 s",
        "attempt 1 on w1 ended with exit code 3 after 0.1 s",
    ];
    assert_eq!(tried, expected);
}

#[test]
fn a_task_whose_worker_was_lost_waits_a_moment() {
    let mut facts = plain(1500).claimed(0).started(10).failed(1000, ended_by(Cause::WorkerLost), 2000);
    facts.sessions = vec![worker("w2", facts.now)];
    assert_eq!(said(&facts).0, "waiting: its worker w1 was lost; it is tried again in 0.5 s");
}

#[test]
fn busy_slots_are_counted_over_the_workers_that_could_run_it() {
    let mut facts = plain(720_000);
    facts.sessions = vec![busy("w1", &facts, Some(0)), busy("w2", &facts, Some(5000))];
    facts.ahead = 312;
    let (summary, codes) = said(&facts);
    assert_eq!(
        summary,
        "waiting: all 4 slots of the 2 workers that serve queue etl are busy, the oldest for 12 min"
    );
    assert_eq!(codes, [Code::SlotsBusy, Code::TasksAhead]);
    assert_eq!(text(&facts, Code::TasksAhead), "312 tasks are before it in queue etl");
    let reason = &explain(&facts).reasons[0];
    assert_eq!(
        (reason.slots, reason.workers, reason.lasts),
        (Some(4), Some(2), Some(Duration::from_secs(720)))
    );
    assert!(reason.change.is_some());

    facts.sessions.push(Serving { draining: true, ..busy("w3", &facts, None) });
    let expected = "all 4 slots of the 2 workers that could run it are busy, the oldest for 12 min";
    assert_eq!(text(&facts, Code::SlotsBusy), expected);
    facts.sessions.pop();

    facts.sessions.pop();
    let expected = "all 2 slots of w1, the only worker that could run it, are busy, the oldest for 12 min";
    assert_eq!(text(&facts, Code::SlotsBusy), expected);
    facts.sessions[0].slots = 1;
    let expected = "the only slot of w1, the only worker that could run it, has been busy for 12 min";
    assert_eq!(text(&facts, Code::SlotsBusy), expected);
    facts.sessions[0].oldest_started_at = None;
    let expected = "the only slot of w1, the only worker that could run it, is busy";
    assert_eq!(text(&facts, Code::SlotsBusy), expected);
}

#[test]
fn a_backlog_is_counted_up_to_a_bound() {
    let mut facts = plain(10);
    facts.sessions = vec![worker("w1", facts.now)];
    for (ahead, expected) in [
        (1, "1 task is before it in queue etl"),
        (MOST_AHEAD, "10,000 tasks are before it in queue etl"),
        (MOST_AHEAD + 1, "more than 10,000 tasks are before it in queue etl"),
    ] {
        facts.ahead = ahead;
        assert_eq!(text(&facts, Code::TasksAhead), expected);
    }
}

#[test]
fn a_free_slot_means_that_it_is_about_to_start_or_that_nobody_claims() {
    let mut facts = plain(3);
    facts.sessions = vec![worker("w1", facts.now)];
    assert_eq!(
        said(&facts).0,
        "waiting: it has been due for 3 ms and 2 slots are free: it is about to be claimed"
    );
    facts.ahead = 2;
    assert_eq!(said(&facts).1, [Code::TasksAhead], "the free slots are theirs");
    facts.ahead = 1;
    assert_eq!(said(&facts).1, [Code::TasksAhead, Code::AboutToStart]);
    let mut facts = plain(40_000);
    facts.sessions = vec![worker("w1", facts.now)];
    let expected =
        "waiting: it has been due for 40 s although 2 slots are free: no coordinator seems to claim it";
    assert_eq!(said(&facts), (expected.to_owned(), vec![Code::NotClaimed]));
    facts.sessions = vec![silent(worker("w1", facts.now), 12)];
    assert_eq!(said(&facts).0, format!("{expected}; no worker that could run it was heard for 12 s"));
}

#[test]
fn slots_that_nobody_fills_are_told_however_many_tasks_are_before_it() {
    let mut facts = plain(40_000);
    facts.sessions = vec![worker("w1", facts.now)];
    facts.ahead = 500;
    assert_eq!(said(&facts).1, [Code::NotClaimed, Code::TasksAhead]);
}

#[test]
fn a_slot_that_is_free_for_an_instant_in_a_busy_fleet_accuses_nobody() {
    let mut facts = plain(600_000);
    let claimed = |before: i64| Some(at(600_000 - before));
    facts.sessions = vec![Serving { held: 1, newest_picked_at: claimed(30), ..worker("w1", facts.now) }];
    assert_eq!(said(&facts).1, [Code::AboutToStart]);
    facts.sessions[0].newest_picked_at = claimed(5000);
    assert_eq!(said(&facts).1, [Code::NotClaimed]);
}

#[test]
fn claims_that_came_to_nothing_are_counted() {
    let mut facts = plain(2000);
    facts.sessions = vec![worker("w1", facts.now)];
    facts.task.epoch = 1;
    let expected = "it was claimed once and given back: the worker could not be reached, or did not take it";
    assert_eq!(text(&facts, Code::GivenBack), expected);
    facts.task.epoch = 7;
    assert!(text(&facts, Code::GivenBack).starts_with("it was claimed 7 times and given back"));
}

#[test]
fn tasks_ahead_that_other_workers_must_take_are_told_apart() {
    let mut facts = plain(10);
    facts.sessions = vec![busy("w1", &facts, None)];
    (facts.ahead, facts.ahead_requiring) = (5000, 4000);
    let expected =
        "5,000 tasks are before it in queue etl, 4,000 of them for workers with labels that they require";
    assert_eq!(text(&facts, Code::TasksAhead), expected);
    facts.ahead_requiring = 5000;
    let expected = "5,000 tasks are before it in queue etl, for workers with labels that they require";
    assert_eq!(text(&facts, Code::TasksAhead), expected);
}

#[test]
fn slots_that_other_queues_have_too_are_told() {
    let mut facts = plain(10);
    facts.ahead = 1;
    let change = |facts: &Facts| explain(facts).reasons.remove(0).change.unwrap();
    facts.sessions = vec![worker("w1", facts.now)];
    assert!(change(&facts).ends_with("; tasks of other queues share these slots"));
    facts.sessions[0].queues = Some(vec!["etl".parse().unwrap()]);
    assert!(change(&facts).ends_with("a task submitted with a higher priority goes first"));
}

#[test]
fn no_worker_at_all_is_told_from_none_for_its_queue_or_labels() {
    let mut facts = plain(10);
    assert_eq!(said(&facts).0, "waiting: no worker is alive");

    let elsewhere = |name| Serving { queues: Some(vec!["mail".parse().unwrap()]), ..worker(name, at(10)) };
    facts.sessions = vec![elsewhere("w1"), elsewhere("w2")];
    assert_eq!(said(&facts).0, "waiting: no live worker serves queue etl; 2 live workers serve other queues");
    let reason = &explain(&facts).reasons[0];
    assert_eq!(reason.change.as_deref(), Some("start a worker with --queues=etl"));

    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    facts.task.requires = [label("gpu", "true"), label("zone", "a")].into();
    let with = |name, labels| Serving { labels, ..worker(name, at(10)) };
    facts.sessions =
        vec![with("w1", [label("zone", "a"), label("gpu", "false")].into()), worker("w2", at(10))];
    assert_eq!(said(&facts).0, "waiting: no live worker has label gpu=true; 2 serve queue etl without");
    let reason = &explain(&facts).reasons[0];
    assert_eq!(reason.change.as_deref(), Some("start a worker with --labels=gpu=true"));
    assert_eq!((&reason.requires, reason.workers), (&[label("gpu", "true")].into(), Some(2)));

    facts.sessions = vec![with("w1", [label("zone", "a")].into()), with("w2", [label("gpu", "true")].into())];
    let expected =
        "waiting: no live worker has labels gpu=true and zone=a together; 2 serve queue etl without";
    assert_eq!(said(&facts).0, expected);
}

#[test]
fn a_lost_worker_is_named_when_it_was_the_last_one() {
    let mut facts = plain(10);
    let gone = |name, seconds| Serving { ended: true, ..silent(worker(name, at(10)), seconds) };
    facts.sessions = vec![gone("w1", 100), gone("w2", 70)];
    assert_eq!(said(&facts).0, "waiting: no worker is alive; w2 was lost 40 s ago");
    facts.sessions.push(Serving { queues: Some(Vec::new()), ..worker("w3", at(10)) });
    let expected =
        "waiting: no live worker serves queue etl; 1 live worker serves other queues; w2 was lost 40 s ago";
    assert_eq!(said(&facts).0, expected);
}

#[test]
fn workers_that_drain_or_fell_silent_do_not_count() {
    let mut facts = plain(10);
    let draining = |name| Serving { draining: true, ..worker(name, at(10)) };
    facts.sessions = vec![draining("w1")];
    assert_eq!(said(&facts).0, "waiting: the only worker that could run it, w1, is draining");
    facts.sessions.push(draining("w2"));
    assert_eq!(said(&facts).0, "waiting: the only 2 workers that could run it are draining");

    facts.sessions = vec![silent(worker("w1", at(10)), 17), draining("w2")];
    assert_eq!(said(&facts).0, "waiting: the only worker that could run it, w1, was last heard 17 s ago");
    facts.sessions.push(silent(worker("w3", at(10)), 20));
    assert_eq!(said(&facts).0, "waiting: the 2 workers that could run it were last heard 17 s ago");
    facts.sessions.push(worker("w4", at(10)));
    assert_eq!(said(&facts).1, [Code::AboutToStart], "one that is well is enough");
}

#[test]
fn leases_that_ran_out_and_that_nobody_ended_mean_that_no_coordinator_runs() {
    let mut facts = plain(10);
    facts.sessions = vec![silent(worker("w1", at(10)), 72), silent(worker("w2", at(10)), 90)];
    let expected = "waiting: no coordinator seems to run: the leases of all 2 workers ran out 42 s ago, and nobody has ended what is lost";
    assert_eq!(said(&facts), (expected.to_owned(), vec![Code::NoCoordinator]));
    facts.sessions = vec![silent(worker("w1", at(10)), 64)];
    assert_eq!(said(&facts).1, [Code::NoWorker], "a coordinator that started lately does not yet");
    facts.sessions = vec![silent(worker("w1", at(10)), 72), worker("w2", at(10))];
    assert_eq!(said(&facts).1, [Code::AboutToStart], "another worker is well");
}

#[test]
fn a_deadline_is_told_before_and_after_it() {
    let mut facts = plain(1000);
    facts.sessions = vec![busy("w1", &facts, None)];
    facts.task.expires_at = Some(at(21_000));
    assert_eq!(said(&facts).1, [Code::SlotsBusy, Code::Expires]);
    assert_eq!(text(&facts, Code::Expires), "it expires in 20 s unless it starts before");
    facts.task.expires_at = Some(at(700));
    let expected = "waiting: its deadline passed 0.3 s ago: it will not start, and is about to expire";
    assert_eq!(said(&facts).0, expected);
    facts.task.due_at = at(60_000);
    for deadline in [59_000, 60_000] {
        facts.task.expires_at = Some(at(deadline));
        let (summary, codes) = said(&facts);
        assert!(summary.ends_with(" comes before its time: it expires without having started"), "{summary}");
        assert_eq!(codes, [Code::Expires, Code::NotDue]);
    }
}

#[test]
fn an_interrupted_attempt_that_is_due_again_is_told_of() {
    let mut facts =
        plain(500).claimed(0).started(10).ended(400, ended_by(Cause::Interrupted), TaskState::Pending);
    facts.task.due_at = at(400);
    facts.sessions = vec![worker("w2", facts.now)];
    assert_eq!(said(&facts).1, [Code::AboutToStart, Code::TriedBefore]);
    assert_eq!(
        text(&facts, Code::TriedBefore),
        "attempt 1 on w1 ended with an interruption (said so) after 0.3 s"
    );
}
