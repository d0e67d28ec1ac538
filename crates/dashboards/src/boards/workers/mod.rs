//! Who works, and how is it? Heartbeats by the coordinators' account, the rest by the workers' own.

mod processes;

use crate::alert::Alert;
use crate::boards::{ATTEMPTS_LOST, NO_COORDINATOR, NO_RULES, WORKER_HEARTBEAT_STALE};
use crate::dashboard::Dashboard;
use crate::kind::Band;
use crate::link::{self, Board};
use crate::panel::Panel;
use crate::promql::{fleet, or_zero, or_zero_while_seen, quantile, rate_by};
use crate::query::Query;
use crate::table::Column;
use crate::threshold::{Colour, Thresholds};
use crate::unit::Unit;
use crate::variable::Variable;

const WORKER: &str = "worker=~\"$worker\"";
const PROCESS: &str = "instance=~\"$instance\"";

/// Three missed heartbeats, and the lease, unless a setting says otherwise.
const LATE: f64 = 15.0;
const LOST: f64 = 30.0;

pub(super) fn dashboard() -> Dashboard {
    Dashboard::new(
        Board::Workers,
        "Who works, and how is it? The upper half is what coordinators hear of workers (choose a worker), the lower half what the workers' processes say themselves (choose an instance).",
    )
    .variables([Variable::Worker, Variable::WorkerInstance])
    .section("Heartbeats", 4, [by_state("alive"), by_state("late"), by_state("lost"), same_address()])
    .row(8, [states().wide(14), now()])
    .row(8, [age(), gap(), lost()])
    .section("Capacity", 8, [processes::slots(), used(), processes::running(), processes::attached()])
    .section("Commands", 8, [processes::attempts(), processes::spawn(), processes::cpu(), processes::memory()])
    .row(8, [processes::output(), processes::kills(), processes::refused()])
    .section("Results", 8, [processes::spool(), processes::spool_bytes(), processes::sent_again()])
}

fn by_state(state: &'static str) -> Panel {
    let (title, says) = match state {
        "alive" => ("Alive", "Workers whose heartbeat is on time."),
        "late" => ("Late", "Workers that have been silent for half of their lease. They get no new task."),
        _ => ("Lost", "Workers whose lease ran out, and that are not back. What they ran is lost."),
    };
    let thresholds = match state {
        "alive" => Thresholds::red_below(1.0),
        "late" => Thresholds::none().yellow_from(1.0),
        _ => Thresholds::red_from(1.0),
    };
    Panel::stat(title, Unit::Count, says, NO_RULES)
        .query(Query::series(fleet("", "state:distrack_workers:max", &format!("state=\"{state}\"")), state))
        .thresholds(thresholds)
}

fn same_address() -> Panel {
    Panel::stat(
        "Sharing an address",
        Unit::Count,
        "Workers that advertise an address that is not theirs alone. Only one of them can be reached.",
        NO_RULES,
    )
    .query(Query::series(
        or_zero_while_seen("count(worker:distrack_worker_same_address:max > 0)"),
        "sharing an address",
    ))
    .alert(Alert::named("DistrackWorkersShareAddress"))
    .thresholds(Thresholds::red_from(1.0))
}

fn states() -> Panel {
    let band = |from, to, text, colour| Band { from, to, text, colour };
    Panel::states(
        "Heard from",
        "How each worker's heartbeat stood. Click one for it alone.",
        "No worker is registered",
        [
            band(0.0, Some(LATE), "on time", Colour::Green),
            band(LATE, Some(LOST), "silent", Colour::Yellow),
            band(LOST, None, "lost", Colour::Red),
        ],
    )
    .query(Query::series(heartbeat_age(), "{{worker}}"))
    .thresholds(Thresholds::red_from(LOST).yellow_from(LATE))
    .series_lead_to("worker", Board::Workers)
}

fn now() -> Panel {
    Panel::table(
        "Workers",
        "Each registered worker as the coordinators last heard it. Click a worker for it alone.",
        "No worker is registered",
        [
            Column::label("worker", "Worker").link(link::from_cell("worker", Board::Workers)),
            Column::label("worker_id", "Id"),
            Column::value(0, "Silent for", Unit::Seconds).thresholds(Thresholds::red_from(LATE)),
            Column::value(1, "Slots used", Unit::Count),
            Column::value(2, "Same address", Unit::Count).thresholds(Thresholds::red_from(1.0)),
        ],
    )
    .query(Query::rows(format!("worker:distrack_worker_heartbeat_age_seconds:max{{{WORKER}}}")))
    .all(
        ["distrack_worker_slots_used", "distrack_worker_same_address"]
            .map(|gauge| Query::rows(format!("worker:{gauge}:max{{{WORKER}}}"))),
    )
}

fn age() -> Panel {
    Panel::lines(
        "Silent for",
        Unit::Seconds,
        "How long each worker had been silent when the coordinators last looked. A saw of 5 s is health; a line that climbs is not.",
        NO_RULES,
    )
    .query(Query::series(heartbeat_age(), "{{worker}}"))
    .alert(WORKER_HEARTBEAT_STALE)
    .series_lead_to("worker", Board::Workers)
}

fn heartbeat_age() -> String {
    format!("max by (worker) (worker:distrack_worker_heartbeat_age_seconds:max{{{WORKER}}})")
}

fn gap() -> Panel {
    let gap = |which: &str| quantile(which, "", "distrack_heartbeat_gap_seconds", "");
    Panel::lines(
        "Gap between heartbeats",
        Unit::Seconds,
        "From one heartbeat of a worker to its next, over all workers. Late heartbeats show here before a worker is late.",
        "No heartbeat in this time",
    )
    .query(Query::series(gap("0.5"), "p50"))
    .query(Query::series(gap("0.99"), "p99"))
}

fn lost() -> Panel {
    Panel::lines(
        "Sessions and attempts lost",
        Unit::PerSecond,
        "Sessions whose lease ran out, attempts lost with them, and attempts given back because no worker held them.",
        NO_COORDINATOR,
    )
    .query(Query::series(rate_by("", "distrack_sessions_lost_total", ""), "sessions lost"))
    .query(Query::series(or_zero(&rate_by("", "distrack_attempts_lost_total", "")), "attempts lost"))
    .query(Query::series(rate_by("", "distrack_attempts_released_total", ""), "attempts released"))
    .alert(Alert::named("DistrackWorkerLost"))
    .alert(ATTEMPTS_LOST)
    .leads_to(Board::Queues)
    .colour("sessions lost", Colour::Orange)
    .colour("attempts lost", Colour::Red)
}

fn used() -> Panel {
    Panel::lines(
        "Slots used, by worker",
        Unit::Count,
        "Slots in use, by the database. One that is always full beside others that are empty serves a queue alone.",
        "No worker is registered",
    )
    .query(Query::series(fleet("worker", "worker:distrack_worker_slots_used:max", WORKER), "{{worker}}"))
    .series_lead_to("worker", Board::Workers)
}
