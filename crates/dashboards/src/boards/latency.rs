//! Where does a task's time go? Each phase alone, and all of them on top of each other.

use super::NO_TASK;
use crate::dashboard::Dashboard;
use crate::link::Board;
use crate::panel::Panel;
use crate::promql::{buckets, mean, quantile, quantiles};
use crate::query::Query;
use crate::threshold::Thresholds;
use crate::unit::Unit;
use crate::variable::Variable;

const CHOSEN: &str = "queue=~\"$queue\"";
/// The routes that take tasks in.
const SUBMITS: &str = "http_request_method=\"POST\", http_route=~\"/schedule|/v1/tasks|/v1/tasks/batch\"";

pub(super) fn dashboard() -> Dashboard {
    Dashboard::new(
        Board::Latency,
        "Where does a task's time go? Due, claimed, dispatched, started, ended: each phase alone and together. Dots are tasks; a click opens their trace.",
    )
    .variables([Variable::Queue])
    .section("Start delay", 4, [median(), worst()])
    .row(9, [start_heatmap().wide(14), start_by_queue()])
    .section("Phases", 9, [phases().wide(14), completion()])
    .row(8, [submit(), wait(), dispatch(), spawn()])
    .section("Commands", 9, [run_heatmap().wide(14), run_by_outcome()])
}

fn median() -> Panel {
    start_stat("Start delay, p50", "Half of the first attempts started sooner after scheduled_at.", "0.5")
}

fn worst() -> Panel {
    start_stat(
        "Start delay, p99",
        "All but 1 in 100 of the first attempts started sooner after scheduled_at. The objective is 1 s.",
        "0.99",
    )
    .thresholds(Thresholds::red_from(1.0))
    .leads_to(Board::Slo)
}

fn start_stat(title: &'static str, says: &'static str, which: &str) -> Panel {
    Panel::stat(title, Unit::Seconds, says, NO_TASK)
        .query(Query::series(quantile(which, "", "distrack_task_start_delay_seconds", CHOSEN), "start delay"))
}

fn start_heatmap() -> Panel {
    Panel::heatmap(
        "Start delay, every task",
        "How many first attempts started how long after scheduled_at. A dot is one of them: click it for its trace.",
        NO_TASK,
    )
    .query(buckets("distrack_task_start_delay_seconds", CHOSEN))
}

fn start_by_queue() -> Panel {
    Panel::lines(
        "Start delay p99, by queue",
        Unit::Seconds,
        "Which queue is late. Click a line for its queue.",
        NO_TASK,
    )
    .query(
        Query::series(quantile("0.99", "queue", "distrack_task_start_delay_seconds", CHOSEN), "{{queue}}")
            .with_exemplars(),
    )
    .thresholds(Thresholds::red_from(1.0))
    .leads_to(Board::Queues)
    .series_lead_to("queue", Board::Queues)
}

fn phases() -> Panel {
    Panel::stack(
        "Where the time goes",
        Unit::Seconds,
        "The mean of each phase, so that they add up: due to claimed (waiting for a slot), claimed to the worker's answer, accepted to a running command, and the run itself. Dispatch and start are of all queues.",
        NO_TASK,
    )
    .query(Query::series(mean("distrack_task_wait_seconds", CHOSEN), "wait"))
    .query(Query::series(mean("distrack_dispatch_duration_seconds", ""), "dispatch"))
    .query(Query::series(mean("distrack_process_spawn_duration_seconds", ""), "start"))
    .query(Query::series(mean("distrack_task_run_duration_seconds", CHOSEN), "run"))
    .leads_to(Board::Queues)
}

fn completion() -> Panel {
    let all = quantile("0.99", "state", "distrack_task_completion_seconds", CHOSEN);
    Panel::lines(
        "Due to ended, p99",
        Unit::Seconds,
        "From scheduled_at to the end of the task, retries included, by its last state.",
        NO_TASK,
    )
    .query(Query::series(all, "{{state}}").with_exemplars())
}

fn submit() -> Panel {
    Panel::lines(
        "Submit",
        Unit::Seconds,
        "From a submission's head to its answer's: parsed, committed, answered. With ?wait= the wait is in it.",
        "Nothing was submitted in this time",
    )
    .all(quantiles("http_server_request_duration_seconds", SUBMITS))
    .leads_to(Board::Internals)
}

fn wait() -> Panel {
    Panel::lines(
        "Wait",
        Unit::Seconds,
        "From the instant an attempt was due to its claim: mostly for a slot.",
        NO_TASK,
    )
    .all(quantiles("distrack_task_wait_seconds", CHOSEN))
    .leads_to(Board::Queues)
}

fn dispatch() -> Panel {
    Panel::lines("Dispatch", Unit::Seconds, "From the claim to the worker's answer, of all queues.", NO_TASK)
        .all(quantiles("distrack_dispatch_duration_seconds", ""))
        .leads_to(Board::Internals)
}

fn spawn() -> Panel {
    Panel::lines(
        "Start",
        Unit::Seconds,
        "From an accepted assignment to its running command, of all queues.",
        NO_TASK,
    )
    .all(quantiles("distrack_process_spawn_duration_seconds", ""))
    .leads_to(Board::Workers)
}

fn run_heatmap() -> Panel {
    Panel::heatmap(
        "Run, every attempt",
        "How many commands ran for how long. A dot is one of them: click it for its trace.",
        NO_TASK,
    )
    .query(buckets("distrack_task_run_duration_seconds", CHOSEN))
}

fn run_by_outcome() -> Panel {
    let run = quantile("0.99", "outcome", "distrack_task_run_duration_seconds", CHOSEN);
    Panel::lines(
        "Run p99, by outcome",
        Unit::Seconds,
        "From the start of a command to its end: success, or the cause of the failure.",
        NO_TASK,
    )
    .query(Query::series(run, "{{outcome}}").with_exemplars())
}
