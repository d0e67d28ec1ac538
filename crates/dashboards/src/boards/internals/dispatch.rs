//! From the claim to the report, by the coordinators' account.

use super::CHOSEN;
use crate::alert::Alert;
use crate::boards::NO_COORDINATOR;
use crate::link::Board;
use crate::panel::Panel;
use crate::promql::{quantile, rate_by};
use crate::query::Query;
use crate::threshold::Colour;
use crate::unit::Unit;

pub(super) fn claims() -> Panel {
    Panel::lines(
        "Claims",
        Unit::PerSecond,
        "Claims, by whether they brought anything. Many empty ones beside ready tasks are wasted work.",
        NO_COORDINATOR,
    )
    .query(Query::series(rate_by("result", "distrack_claims_total", CHOSEN), "{{result}}"))
    .colour("failed", Colour::Red)
}

pub(super) fn claim_size() -> Panel {
    let size = |which: &str| quantile(which, "", "distrack_claim_batch_size", CHOSEN);
    Panel::lines(
        "Tasks a claim",
        Unit::Count,
        "Tasks of one claim that brought any. One big claim is cheaper than many small ones.",
        "Nothing was claimed in this time",
    )
    .query(Query::series(size("0.5"), "p50"))
    .query(Query::series(size("0.99"), "p99"))
}

pub(super) fn wakeups() -> Panel {
    Panel::lines(
        "Wake-ups",
        Unit::PerSecond,
        "What woke the dispatch loop: a hint that something came, a slot that became free, or the timer. Only timer: hints do not arrive.",
        NO_COORDINATOR,
    )
    .query(Query::series(rate_by("source", "distrack_wakeups_total", CHOSEN), "{{source}}"))
}

pub(super) fn snapshot() -> Panel {
    Panel::lines(
        "Age of the fleet's picture",
        Unit::Seconds,
        "When each coordinator last read the fleet-wide gauges from the database. While it is old, lag and workers may look healthy and not be.",
        NO_COORDINATOR,
    )
    .query(Query::series(
        format!("time() - max by (instance) (distrack_snapshot_timestamp_seconds{{{CHOSEN}}})"),
        "{{instance}}",
    ))
    .alert(Alert::named("DistrackSnapshotStale"))
}

pub(super) fn dispatch() -> Panel {
    Panel::lines("Dispatched", Unit::PerSecond, "Attempts dispatched, by what came of it.", NO_COORDINATOR)
        .query(Query::series(rate_by("result", "distrack_dispatch_total", CHOSEN), "{{result}}"))
        .colour("accepted", Colour::Green)
}

pub(super) fn dispatch_failing() -> Panel {
    let failed = format!("result=~\"not_delivered|unanswered|unreadable\", {CHOSEN}");
    let failed = rate_by("instance", "distrack_dispatch_total", &failed);
    let all = rate_by("instance", "distrack_dispatch_total", CHOSEN);
    Panel::lines(
        "Dispatches that reached nobody",
        Unit::Share,
        "Attempts that reached no worker or got no answer from it, of all that were dispatched.",
        "Nothing was dispatched in this time",
    )
    .query(Query::series(format!("{failed} / ({all} > 0)"), "{{instance}}").may_be_empty())
    .alert(Alert::above("DistrackDispatchFailing", 0.1))
    .leads_to(Board::Workers)
}

pub(super) fn reports() -> Panel {
    Panel::lines(
        "Reports",
        Unit::PerSecond,
        "Report items received. duplicate was recorded before; stale is of an attempt that another one replaced.",
        NO_COORDINATOR,
    )
    .query(Query::series(rate_by("receipt", "distrack_reports_total", CHOSEN), "{{receipt}}"))
    .colour("recorded", Colour::Green)
}

pub(super) fn released() -> Panel {
    Panel::lines(
        "Heartbeats and releases",
        Unit::PerSecond,
        "Heartbeats received, and attempts given back because no worker held them.",
        NO_COORDINATOR,
    )
    .query(Query::series(rate_by("", "distrack_heartbeats_total", CHOSEN), "heartbeats"))
    .query(Query::series(rate_by("", "distrack_attempts_released_total", CHOSEN), "released"))
    .query(Query::series(format!("sum(distrack_attached_workers{{{CHOSEN}}})"), "workers attached"))
    .leads_to(Board::Workers)
}
