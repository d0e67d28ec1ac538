//! From the request to the commit, and the canary that shows that it works.

use super::CHOSEN;
use crate::alert::Alert;
use crate::boards::{CANARY_FAILING, CANARY_STALE, INTAKE_REFUSING, NO_SCHEDULER};
use crate::link::Board;
use crate::panel::Panel;
use crate::promql::{mean, quantile, quantiles, rate_by};
use crate::query::Query;
use crate::threshold::Colour;
use crate::unit::Unit;

pub(super) fn requests() -> Panel {
    Panel::lines(
        "HTTP requests",
        Unit::PerSecond,
        "Requests, by the status of their answer; 499 is a client that gave up before it had one.",
        NO_SCHEDULER,
    )
    .query(Query::series(
        rate_by("http_response_status_code", "http_server_request_duration_seconds_count", CHOSEN),
        "{{http_response_status_code}}",
    ))
}

pub(super) fn requests_p99() -> Panel {
    let by = "http_request_method, http_route";
    Panel::lines(
        "HTTP requests, p99",
        Unit::Seconds,
        "From a request's head to its answer's head, waits (?wait=) included. A dot leads to a trace.",
        "No request in this time",
    )
    .query(
        Query::series(
            quantile("0.99", by, "http_server_request_duration_seconds", CHOSEN),
            "{{http_request_method}} {{http_route}}",
        )
        .with_exemplars(),
    )
    .leads_to(Board::Latency)
}

pub(super) fn intake() -> Panel {
    Panel::lines(
        "Waiting for a commit",
        Unit::Count,
        "Tasks taken in by a scheduler and not yet committed or refused. At 10,000 it refuses more.",
        NO_SCHEDULER,
    )
    .query(Query::series(format!("max by (instance) (distrack_intake_waiting{{{CHOSEN}}})"), "{{instance}}"))
    .alert(Alert::above("DistrackIntakeFilling", 5000.0))
    .alert(INTAKE_REFUSING)
}

pub(super) fn batch() -> Panel {
    Panel::lines(
        "Tasks a transaction",
        Unit::Count,
        "Mean number of tasks stored in one transaction. More under load is the intake doing its work.",
        "Nothing was submitted in this time",
    )
    .query(Query::series(mean("distrack_submit_batch_size", CHOSEN), "tasks"))
    .query(Query::series(rate_by("", "distrack_idempotent_replays_total", CHOSEN), "replays, a second"))
}

pub(super) fn canary_age() -> Panel {
    Panel::lines(
        "Last canary",
        Unit::Seconds,
        "How long ago a canary task of each scheduler went all the way.",
        "The canary is off",
    )
    .query(Query::series(
        format!("time() - min by (instance) (distrack_canary_last_success_timestamp_seconds{{{CHOSEN}}})"),
        "{{instance}}",
    ))
    .alert(CANARY_STALE)
}

pub(super) fn canary_results() -> Panel {
    Panel::lines("Canaries", Unit::PerSecond, "Canary tasks, by how they came out.", NO_SCHEDULER)
        .query(Query::series(rate_by("result", "distrack_canary_total", CHOSEN), "{{result}}"))
        .alert(CANARY_FAILING)
        .colour("success", Colour::Green)
}

pub(super) fn canary_duration() -> Panel {
    Panel::lines(
        "Canary duration",
        Unit::Seconds,
        "From submitting a canary to knowing that it completed. A dot leads to a trace.",
        "The canary is off",
    )
    .all(quantiles("distrack_canary_duration_seconds", CHOSEN))
    .leads_to(Board::Latency)
}
