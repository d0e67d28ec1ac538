//! Is it healthy? One screen: what was promised, what is now, and who says so.

use super::{
    CANARY_FAILING, CANARY_STALE, IDLE, INTAKE_REFUSING, NO_RULES, NO_TASK, NO_WORKER, NO_WORKERS,
    QUEUE_LAG_HIGH, WORKER_HEARTBEAT_STALE,
};
use crate::alert::Alert;
use crate::dashboard::Dashboard;
use crate::link::{self, Board};
use crate::panel::Panel;
use crate::promql::{fleet, or_zero, or_zero_while_seen, quantiles, rate_by, zero_without};
use crate::query::Query;
use crate::table::Column;
use crate::threshold::{Colour, Thresholds};
use crate::unit::Unit;

pub(super) fn dashboard() -> Dashboard {
    Dashboard::new(Board::Overview, "Is it healthy? Green above, flat below, and no alert: it is.")
        .row(3, [on_time(), accepted(), not_lost(), firing()])
        .row(3, [lag_now(), canary(), alive(), slots()])
        .row(6, [lag(), start_delay()])
        .row(6, [throughput(), heartbeats()])
        .row(5, [alerts(), services()])
}

fn on_time() -> Panel {
    kept(
        "Started on time",
        "First attempts of the last hour that started within 1 s of scheduled_at; what expired before did not. The objective is 99 %.",
        "No task was due in the last hour",
    )
    .query(Query::series("1 - distrack:slo_start_on_time:error_ratio_rate1h", "on time"))
    .thresholds(Thresholds::red_below(0.99))
}

fn accepted() -> Panel {
    kept(
        "Accepted",
        "Submissions of the last hour that were answered, and without a 5xx. The objective is 99.9 %.",
        "Nothing was submitted in the last hour",
    )
    .query(Query::series("1 - distrack:slo_accepted:error_ratio_rate1h", "accepted"))
    .thresholds(Thresholds::red_below(0.999))
}

fn not_lost() -> Panel {
    kept(
        "Not lost",
        "Attempts of the last hour that were not lost with their worker. The objective is 99.99 %.",
        "Nothing ran in the last hour",
    )
    .query(Query::series("1 - distrack:slo_not_lost:error_ratio_rate1h", "not lost"))
    .thresholds(Thresholds::red_below(0.9999))
}

fn kept(title: &'static str, says: &'static str, when_empty: &'static str) -> Panel {
    Panel::stat(title, Unit::Share, says, when_empty).decimals(2).leads_to(Board::Slo)
}

fn firing() -> Panel {
    Panel::stat(
        "Alerts firing",
        Unit::Count,
        "Alerts of distrack that fire now; the table below names them.",
        "Prometheus does not answer",
    )
    .query(Query::series(
        or_zero("count(ALERTS{alertname=~\"Distrack.+\", alertstate=\"firing\"})"),
        "firing",
    ))
    .thresholds(Thresholds::red_from(1.0))
}

fn lag_now() -> Panel {
    Panel::stat(
        "Worst queue lag",
        Unit::Seconds,
        "Age of the oldest task that is due and not claimed, in any queue. Grows while nothing runs.",
        NO_RULES,
    )
    .query(Query::series(or_zero_while_seen("max(queue:distrack_queue_lag_seconds:max)"), "lag"))
    .alert(QUEUE_LAG_HIGH)
    .leads_to(Board::Queues)
}

fn canary() -> Panel {
    Panel::stat(
        "Last canary",
        Unit::Seconds,
        "How long ago a canary task went all the way: submitted, run, and known to be completed. Of several schedulers the worst.",
        "The canary is off (--canary_interval)",
    )
    .query(Query::series("time() - min(distrack_canary_last_success_timestamp_seconds)", "ago"))
    .alert(CANARY_STALE)
    .alert(CANARY_FAILING)
    .leads_to(Board::Internals)
}

fn alive() -> Panel {
    Panel::stat("Workers alive", Unit::Count, "Workers whose heartbeat is on time.", NO_RULES)
        .query(Query::series(fleet("", "state:distrack_workers:max", "state=\"alive\""), "alive"))
        .alert(NO_WORKERS)
        .thresholds(Thresholds::red_below(1.0))
        .leads_to(Board::Workers)
}

fn slots() -> Panel {
    Panel::stat(
        "Slots in use",
        Unit::Share,
        "Slots that run a command, of all slots of all workers. At 100 % what is due waits.",
        NO_WORKER,
    )
    .query(Query::series("sum(distrack_worker_slots{state=\"used\"}) / sum(distrack_worker_slots)", "in use"))
    .thresholds(Thresholds::none().yellow_from(1.0))
    .leads_to(Board::Workers)
}

fn lag() -> Panel {
    Panel::lines(
        "Queue lag",
        Unit::Seconds,
        "Age of each queue's oldest task that is due and not claimed. Click a line for its queue.",
        NO_RULES,
    )
    .query(Query::series("queue:distrack_queue_lag_seconds:max", "{{queue}}"))
    .query(Query::series(zero_without("queue:distrack_queue_lag_seconds:max"), IDLE).may_be_empty())
    .alert(QUEUE_LAG_HIGH)
    .leads_to(Board::Queues)
    .series_lead_to("queue", Board::Queues)
}

fn start_delay() -> Panel {
    Panel::lines(
        "Start delay",
        Unit::Seconds,
        "From scheduled_at to the start of the command, of first attempts. A dot is a task: click it for its trace.",
        NO_TASK,
    )
    .all(quantiles("distrack_task_start_delay_seconds", ""))
    .leads_to(Board::Latency)
}

fn throughput() -> Panel {
    let ended = rate_by("state", "distrack_tasks_finished_total", "");
    Panel::lines(
        "Tasks",
        Unit::TasksPerSecond,
        "Tasks accepted, tasks that ended, and submissions refused. Accepted and ended stay together while the fleet keeps up.",
        "No task yet",
    )
    .query(Query::series(rate_by("", "distrack_tasks_scheduled_total", ""), "accepted"))
    .query(Query::series(ended, "{{state}}"))
    .query(Query::series(or_zero(&rate_by("", "distrack_tasks_rejected_total", "")), "refused"))
    .alert(INTAKE_REFUSING)
    .leads_to(Board::Queues)
    .colour("completed", Colour::Green)
    .colour("failed", Colour::Red)
    .colour("refused", Colour::Orange)
}

fn heartbeats() -> Panel {
    Panel::lines(
        "Heartbeat age",
        Unit::Seconds,
        "How long each worker has been silent. At 30 s it is lost. Click a line for its worker.",
        "No worker is registered",
    )
    .query(Query::series("max by (worker) (worker:distrack_worker_heartbeat_age_seconds:max)", "{{worker}}"))
    .alert(WORKER_HEARTBEAT_STALE)
    .leads_to(Board::Workers)
    .series_lead_to("worker", Board::Workers)
}

fn alerts() -> Panel {
    Panel::table(
        "Alerts",
        "Alerts of distrack that fire or are about to. Click a name for its runbook.",
        "No alert: all is well",
        [
            Column::label("alertname", "Alert").link(link::from_cell_to_runbook()),
            Column::label("alertstate", "State"),
            Column::label("severity", "Severity"),
            Column::label("queue", "Queue").link(link::from_cell("queue", Board::Queues)),
            Column::label("worker", "Worker").link(link::from_cell("worker", Board::Workers)),
            Column::label("instance", "Process").link(link::from_cell("instance", Board::Internals)),
        ],
    )
    .query(Query::rows("ALERTS{alertname=~\"Distrack.+\"}").may_be_empty())
}

fn services() -> Panel {
    Panel::table(
        "Services",
        "Every process that is scraped, its build, and for how long it has run.",
        "No service is scraped",
        [
            Column::label("role", "Service"),
            Column::label("instance", "Process").link(link::from_cell("instance", Board::Internals)),
            Column::label("version", "Build"),
            Column::value(0, "Up for", Unit::Seconds).thresholds(Thresholds::red_below(60.0)),
        ],
    )
    .query(Query::rows(
        "(time() - process_start_time_seconds) * on (instance, job) group_left (role, version) distrack_build_info",
    ))
    .alert(Alert::named("DistrackServiceDown"))
    .alert(Alert::named("DistrackTargetDown"))
}
