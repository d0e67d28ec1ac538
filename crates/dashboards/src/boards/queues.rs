//! What waits, and for how long: does each queue keep up?

use super::{
    ATTEMPTS_LOST, DISPATCH_STALLED, IDLE, INTAKE_REFUSING, NO_QUEUE, NO_RULES, NO_SCHEDULER, NO_TASK,
    NO_WORKERS, QUEUE_LAG_HIGH,
};
use crate::alert::Alert;
use crate::dashboard::Dashboard;
use crate::link::{self, Board};
use crate::panel::Panel;
use crate::promql::{fleet, quantiles, rate_by, zero_without};
use crate::query::Query;
use crate::table::Column;
use crate::threshold::{Colour, Thresholds};
use crate::unit::Unit;
use crate::variable::Variable;

const CHOSEN: &str = "queue=~\"$queue\"";

pub(super) fn dashboard() -> Dashboard {
    Dashboard::new(Board::Queues, "What waits, and for how long? Does each queue keep up with what comes in?")
        .variables([Variable::Queue])
        .section("Now", 7, [now()])
        .section("What waits", 8, [lag(), ready(), by_state()])
        .section("Whether it keeps up", 8, [in_and_out(), claimed_after(), time_to_empty()])
        .section("Who serves it", 8, [workers(), slots()])
        .section("How it ends", 8, [ended(), failures(), retries()])
        .row(8, [lost(), refused(), cancelled()])
}

fn now() -> Panel {
    let tasks = |state: &str| {
        Query::rows(fleet(
            "queue",
            "queue_state:distrack_queue_tasks:max",
            &format!("state=\"{state}\", {CHOSEN}"),
        ))
    };
    let recorded = |metric: &str| Query::rows(format!("queue:{metric}:max{{{CHOSEN}}}"));
    Panel::table(
        "Queues",
        "Each queue as the coordinators last saw it. Click a queue to see it alone; its latency is the second link.",
        NO_QUEUE,
        [
            Column::label("queue", "Queue")
                .link(link::from_cell("queue", Board::Queues))
                .link(link::from_cell("queue", Board::Latency)),
            Column::value(0, "Lag", Unit::Seconds).thresholds(Thresholds::red_from(60.0)),
            Column::value(1, "Scheduled", Unit::Count),
            Column::value(2, "Ready", Unit::Count),
            Column::value(3, "Dispatched", Unit::Count),
            Column::value(4, "Running", Unit::Count),
            Column::value(5, "Workers", Unit::Count).thresholds(Thresholds::red_below(1.0)),
            Column::value(6, "Slots free", Unit::Count),
            Column::value(7, "Slots used", Unit::Count),
        ],
    )
    .query(recorded("distrack_queue_lag_seconds"))
    .all(["scheduled", "ready", "dispatched", "running"].map(tasks))
    .query(recorded("distrack_queue_workers"))
    .query(recorded("distrack_queue_slots_free"))
    .query(recorded("distrack_queue_slots_used"))
}

fn lag() -> Panel {
    let lag = format!("queue:distrack_queue_lag_seconds:max{{{CHOSEN}}}");
    Panel::lines(
        "Lag",
        Unit::Seconds,
        "Age of the oldest task that is due and not claimed. Grows while nothing runs, and is 0 when nothing waits.",
        NO_RULES,
    )
    .query(Query::series(&lag, "{{queue}}"))
    .query(Query::series(zero_without(&lag), IDLE).may_be_empty())
    .alert(QUEUE_LAG_HIGH)
    .alert(DISPATCH_STALLED)
    .series_lead_to("queue", Board::Queues)
}

fn ready() -> Panel {
    Panel::lines(
        "Ready",
        Unit::Count,
        "Tasks that are due and not claimed. Above 100 and growing for long, the queue does not drain.",
        NO_QUEUE,
    )
    .query(Query::series(format!("queue:distrack_queue_tasks_ready:max{{{CHOSEN}}}"), "{{queue}}"))
    .alert(Alert::above("DistrackQueueNotDraining", 100.0))
    .series_lead_to("queue", Board::Queues)
}

fn by_state() -> Panel {
    Panel::stack(
        "Tasks that have not ended",
        Unit::Count,
        "Scheduled: not due yet. Ready: due, not claimed. Dispatched: on their way to a worker. Running: a command runs.",
        NO_QUEUE,
    )
    .query(Query::series(format!("sum by (state) (queue_state:distrack_queue_tasks:max{{{CHOSEN}}})"), "{{state}}"))
}

fn in_and_out() -> Panel {
    Panel::lines(
        "In and out",
        Unit::TasksPerSecond,
        "Tasks accepted and tasks that ended. What was accepted for later comes out later.",
        "No task yet",
    )
    .query(Query::series(rate_by("", "distrack_tasks_scheduled_total", CHOSEN), "accepted"))
    .query(Query::series(rate_by("", "distrack_tasks_finished_total", CHOSEN), "ended"))
    .query(Query::series(rate_by("", "distrack_task_wait_seconds_count", CHOSEN), "claimed"))
}

fn claimed_after() -> Panel {
    Panel::lines(
        "Wait for a slot",
        Unit::Seconds,
        "From the instant an attempt was due to its claim. A dot is a task: click it for its trace.",
        NO_TASK,
    )
    .all(quantiles("distrack_task_wait_seconds", CHOSEN))
    .leads_to(Board::Latency)
}

fn time_to_empty() -> Panel {
    let ready = format!("sum(queue:distrack_queue_tasks_ready:max{{{CHOSEN}}})");
    let claimed = rate_by("", "distrack_task_wait_seconds_count", CHOSEN);
    Panel::lines(
        "Time to empty",
        Unit::Seconds,
        "How long what is ready now would take at the rate of claims of now, if nothing more came due.",
        "Nothing is claimed: no end in sight, or nothing to do",
    )
    .query(Query::series(format!("{ready} / ({claimed} > 0)"), "to empty").may_be_empty())
}

fn workers() -> Panel {
    Panel::lines(
        "Workers",
        Unit::Count,
        "Workers that are alive, not draining, and serve the queue. With none, nothing of it starts.",
        NO_QUEUE,
    )
    .query(Query::series(format!("queue:distrack_queue_workers:max{{{CHOSEN}}}"), "{{queue}}"))
    .alert(NO_WORKERS)
    .leads_to(Board::Workers)
    .series_lead_to("queue", Board::Queues)
}

fn slots() -> Panel {
    let used = format!("queue:distrack_queue_slots_used:max{{{CHOSEN}}}");
    let free = format!("queue:distrack_queue_slots_free:max{{{CHOSEN}}}");
    Panel::lines(
        "Slots in use",
        Unit::Share,
        "Slots in use, of all slots of the workers that serve the queue. A worker may serve several queues.",
        "No worker serves the queue",
    )
    .query(Query::series(format!("{used} / ({used} + {free})"), "{{queue}}"))
    .alert(Alert::named("DistrackSlotsExhausted"))
    .thresholds(Thresholds::red_from(1.0))
    .series_lead_to("queue", Board::Queues)
}

fn ended() -> Panel {
    Panel::stack(
        "Tasks that ended",
        Unit::TasksPerSecond,
        "By their last state. Those that a user cancelled while they waited are apart, below.",
        NO_TASK,
    )
    .query(Query::series(rate_by("state", "distrack_tasks_finished_total", CHOSEN), "{{state}}"))
    .colour("completed", Colour::Green)
    .colour("failed", Colour::Red)
    .colour("expired", Colour::Orange)
    .colour("cancelled", Colour::Blue)
}

fn failures() -> Panel {
    let ended = "queue_state:distrack_tasks_finished_total:increase15m";
    let failed = format!("sum by (queue) ({ended}{{state=\"failed\", {CHOSEN}}})");
    let ended = format!("sum by (queue) ({ended}{{{CHOSEN}}})");
    Panel::lines(
        "Failed, of those that ended",
        Unit::Share,
        "Tasks that used up their attempts, of all that ended within 15 minutes.",
        "No task failed in this time",
    )
    .query(Query::series(format!("{failed} / ({ended} > 0)"), "{{queue}}").may_be_empty())
    .alert(Alert::above("DistrackFailureRateHigh", 0.25))
    .series_lead_to("queue", Board::Queues)
}

fn retries() -> Panel {
    Panel::stack(
        "Retries",
        Unit::PerSecond,
        "Attempts that ended and will be followed by another, by what ended them.",
        "No attempt had to be repeated",
    )
    .query(Query::series(rate_by("cause", "distrack_task_retries_total", CHOSEN), "{{cause}}").may_be_empty())
}

fn lost() -> Panel {
    Panel::stack(
        "Attempts lost",
        Unit::PerSecond,
        "Attempts lost with their worker. Their tasks run again, or fail if they said on_lost=fail.",
        "No attempt was lost",
    )
    .query(
        Query::series(rate_by("queue", "distrack_attempts_lost_total", CHOSEN), "{{queue}}").may_be_empty(),
    )
    .alert(ATTEMPTS_LOST)
    .leads_to(Board::Workers)
}

fn refused() -> Panel {
    Panel::stack(
        "Submissions refused",
        Unit::PerSecond,
        "Of all queues, by the code of their problem. intake_full, database_unavailable, commit_unknown and internal are no fault of the caller.",
        NO_SCHEDULER,
    )
    .query(
        Query::series(rate_by("reason", "distrack_tasks_rejected_total", ""), "{{reason}}").may_be_empty(),
    )
    .alert(INTAKE_REFUSING)
    .leads_to(Board::Internals)
}

fn cancelled() -> Panel {
    Panel::stack(
        "Cancelled while they waited",
        Unit::TasksPerSecond,
        "Waiting tasks that a user cancelled.",
        "No waiting task was cancelled",
    )
    .query(
        Query::series(rate_by("queue", "distrack_tasks_cancelled_total", CHOSEN), "{{queue}}").may_be_empty(),
    )
}
