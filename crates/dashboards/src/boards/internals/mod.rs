//! What do the database and the services themselves do? For finding why, once another dashboard said what.

mod dispatch;
mod intake;

use crate::alert::Alert;
use crate::dashboard::Dashboard;
use crate::link::Board;
use crate::panel::Panel;
use crate::promql::{or_zero, quantile, rate, rate_by};
use crate::query::Query;
use crate::threshold::{Colour, Thresholds};
use crate::unit::Unit;
use crate::variable::Variable;

const CHOSEN: &str = "instance=~\"$instance\"";
const NO_SERVICE: &str = "No service is scraped";

pub(super) fn dashboard() -> Dashboard {
    Dashboard::new(
        Board::Internals,
        "What do the database and the services themselves do? For finding why, once another dashboard said what.",
    )
    .variables([Variable::Instance])
    .section("Database", 8, [steps_p99(), steps(), step_errors(), pool()])
    .section("Intake", 8, [intake::requests(), intake::requests_p99(), intake::intake(), intake::batch()])
    .row(8, [intake::canary_age(), intake::canary_results(), intake::canary_duration()])
    .section("Dispatch", 8, [dispatch::claims(), dispatch::claim_size(), dispatch::wakeups(), dispatch::snapshot()])
    .row(8, [dispatch::dispatch(), dispatch::dispatch_failing(), dispatch::reports(), dispatch::released()])
    .section("Calls between services", 8, [calls_p99(), call_errors()])
    .section("Processes and their telemetry", 8, [cpu(), memory(), files(), spans()])
    .row(6, [certificates()])
}

fn steps_p99() -> Panel {
    Panel::lines(
        "Database steps, p99",
        Unit::Seconds,
        "From asking the store for an atomic step to its answer, the wait for a connection included. A dot leads to a trace.",
        "No step in this time",
    )
    .query(
        Query::series(quantile("0.99", "step", "distrack_db_step_duration_seconds", CHOSEN), "{{step}}")
            .with_exemplars(),
    )
    .alert(Alert::above("DistrackDatabaseStepSlow", 0.5))
}

fn steps() -> Panel {
    Panel::lines("Database steps", Unit::PerSecond, "Steps asked of the database.", "No step in this time")
        .query(Query::series(rate_by("step", "distrack_db_step_duration_seconds_count", CHOSEN), "{{step}}"))
}

fn step_errors() -> Panel {
    Panel::lines(
        "Database errors",
        Unit::PerSecond,
        "Steps that failed. conflict is a race that the store settles by itself.",
        "No step failed",
    )
    .query(
        Query::series(rate_by("step, kind", "distrack_db_errors_total", CHOSEN), "{{step}}: {{kind}}")
            .may_be_empty(),
    )
    .alert(Alert::named("DistrackDatabaseErrors"))
}

fn pool() -> Panel {
    let connections = |state: &str| {
        format!("max by (instance, lane) (distrack_db_pool_connections{{state=\"{state}\", {CHOSEN}}})")
    };
    Panel::lines(
        "Connections in use",
        Unit::Share,
        "Database connections in use, of those a process may have for one purpose. At 100 % steps of that lane wait for one.",
        NO_SERVICE,
    )
    .query(Query::series(format!("{} / {}", connections("used"), connections("max")), "{{instance}} {{lane}}"))
    .alert(Alert::named("DistrackDatabasePoolExhausted"))
    .thresholds(Thresholds::red_from(1.0))
}

fn calls_p99() -> Panel {
    let call =
        |side: &str| quantile("0.99", "rpc_method", &format!("rpc_{side}_call_duration_seconds"), CHOSEN);
    Panel::lines(
        "Calls, p99",
        Unit::Seconds,
        "gRPC calls, as caller and callee see them; what is between the two is the network. A dot leads to a trace.",
        "No call in this time",
    )
    .query(Query::series(call("client"), "{{rpc_method}}, caller").with_exemplars())
    .query(Query::series(call("server"), "{{rpc_method}}, callee").with_exemplars())
}

fn call_errors() -> Panel {
    let failed = format!("rpc_response_status_code!=\"OK\", {CHOSEN}");
    Panel::lines(
        "Calls that failed",
        Unit::PerSecond,
        "gRPC calls that the caller did not see succeed, by status.",
        "No call failed",
    )
    .query(
        Query::series(
            rate_by(
                "rpc_method, rpc_response_status_code",
                "rpc_client_call_duration_seconds_count",
                &failed,
            ),
            "{{rpc_method}}: {{rpc_response_status_code}}",
        )
        .may_be_empty(),
    )
}

/// `expr` of our processes alone, with the service in `role`.
fn ours(expr: &str) -> String {
    format!("sum by (role, instance) ({expr} * on (instance, job) group_left (role) distrack_build_info)")
}

fn cpu() -> Panel {
    Panel::lines(
        "Processor",
        Unit::Cores,
        "Processor time of the services; of a worker without its commands.",
        NO_SERVICE,
    )
    .query(Query::series(ours(&rate("process_cpu_seconds_total", CHOSEN)), "{{role}} {{instance}}"))
}

fn memory() -> Panel {
    Panel::lines("Memory", Unit::Bytes, "Resident memory of the services.", NO_SERVICE).query(Query::series(
        ours(&format!("process_resident_memory_bytes{{{CHOSEN}}}")),
        "{{role}} {{instance}}",
    ))
}

fn files() -> Panel {
    let open = format!("process_open_fds{{{CHOSEN}}} / process_max_fds{{{CHOSEN}}}");
    Panel::lines("Files open", Unit::Share, "Open file descriptors, of those a process may have.", NO_SERVICE)
        .query(Query::series(ours(&open), "{{role}} {{instance}}"))
}

fn spans() -> Panel {
    Panel::lines(
        "Spans",
        Unit::PerSecond,
        "Spans that the collector took, and spans that nobody will see.",
        NO_SERVICE,
    )
    .query(Query::series(rate_by("", "distrack_otel_spans_exported_total", CHOSEN), "exported"))
    .query(Query::series(or_zero(&rate_by("", "distrack_otel_spans_dropped_total", CHOSEN)), "dropped"))
    .alert(Alert::named("DistrackSpansDropped"))
    .colour("dropped", Colour::Red)
}

fn certificates() -> Panel {
    let left = format!("(distrack_tls_certificate_expiry_timestamp_seconds{{{CHOSEN}}} - time())");
    Panel::lines(
        "Certificates",
        Unit::Seconds,
        "What is left of the TLS certificates in use. After that nobody talks to their services any more.",
        "No service has a certificate",
    )
    .query(Query::series(ours(&left), "{{role}} {{instance}}").may_be_empty())
    .alert(Alert::named("DistrackCertificateExpires"))
}
