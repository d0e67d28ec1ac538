//! Tells the story of one task from all that is known: for a person who must find out what went wrong.

use std::fmt::Write;

use super::checker::Violation;
use super::dump::state;
use super::history::{Cut, History};
use super::world::World;

/// How many log lines of a task are told, and how many tasks.
const LINES: usize = 40;
const TASKS: usize = 4;

/// The stories of the tasks that the first violations are about.
pub async fn of_violations(violations: &[Violation], history: &History, world: &World) -> String {
    let mut tasks: Vec<&str> = Vec::new();
    for task in violations.iter().filter_map(|violation| violation.task.as_deref()) {
        if !tasks.contains(&task) {
            tasks.push(task);
        }
    }
    let mut text = String::new();
    for task in tasks.iter().take(TASKS) {
        text += &of(task, history, world).await;
    }
    if tasks.len() > TASKS {
        let _ = writeln!(text, "… and {} tasks more", tasks.len() - TASKS);
    }
    text
}

/// The story of one task.
pub async fn of(task: &str, history: &History, world: &World) -> String {
    let mut events: Vec<(i64, String)> = Vec::new();
    for step in history.database.steps.iter().filter(|step| step.task == task) {
        let old = step.old_state.map_or("nothing", state::name);
        let who = step.worker.as_deref().unwrap_or("nobody");
        let (new, epoch) = (state::name(step.new_state), step.new_epoch);
        let how = format!("cause {:?}, exit code {:?}", step.cause, step.exit_code);
        events.push((step.at, format!("database: {old} → {new}, epoch {epoch}, {who}, {how}")));
    }
    for run in history.runs.iter().filter(|run| run.task == task) {
        events.push((run.started.0, format!("command:  epoch {} starts, pid {}", run.epoch, run.pid)));
        if let Some((at, code)) = run.ended {
            events.push((at.0, format!("command:  epoch {} ends with {code}", run.epoch)));
        } else {
            let seen = run.seen.map_or_else(|| "never".to_owned(), |at| at.to_string());
            let at = run.gone.or(run.seen).unwrap_or(run.started);
            events.push((at.0, format!("command:  epoch {} is gone, last seen at {seen}", run.epoch)));
        }
    }
    for submission in &history.clients.submissions {
        for call in submission.calls.iter().filter(|call| call.task.as_deref() == Some(task)) {
            let key = submission.key.as_deref().unwrap_or("none");
            let kind = submission.item.kind;
            events.push((call.answered.0, format!("client:   {:?}, kind {kind}, key {key}", call.status)));
        }
    }
    for call in history.clients.cancels.iter().filter(|call| call.task.as_deref() == Some(task)) {
        events.push((call.answered.0, format!("client:   cancel, {:?} {:?}", call.status, call.error)));
    }
    let workers = history.workers_of();
    let its = |cut: &&Cut| workers.iter().any(|((of, _), worker)| *of == task && *worker == cut.worker);
    for cut in history.cuts.iter().filter(its) {
        let until = cut.until.map_or_else(|| "the end".to_owned(), |until| until.to_string());
        events.push((cut.from.0, format!("fault:    {} out of reach until {until}", cut.worker)));
    }
    events.sort();
    let mut text = format!("\ntask {task}\n");
    for (at, event) in events {
        let _ = writeln!(text, "  {}.{:03} {event}", at / 1_000, at % 1_000);
    }
    for path in ["why", "attempts"] {
        let asked = world.schedulers[0].api().get(&format!("/v1/tasks/{task}/{path}")).await;
        let told = asked.map_or_else(|error| format!("{error:#}"), |answer| answer.text());
        let _ = writeln!(text, "  {path}: {told}");
    }
    for member in world.members() {
        let log = member.process().log();
        for line in log.lines().filter(|line| line.contains(task)).take(LINES) {
            let _ = writeln!(text, "  {}: {line}", member.process().name());
        }
    }
    text
}
