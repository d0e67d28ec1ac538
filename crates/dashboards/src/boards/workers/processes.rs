//! What the workers' processes say themselves: slots, commands, and results that wait.

use super::PROCESS;
use crate::alert::Alert;
use crate::boards::NO_WORKER;
use crate::link::Board;
use crate::panel::Panel;
use crate::promql::{quantile, quantiles, rate, rate_by};
use crate::query::Query;
use crate::threshold::Colour;
use crate::unit::Unit;

pub(super) fn slots() -> Panel {
    Panel::stack(
        "Slots",
        Unit::Count,
        "Slots of the chosen processes, used and free. With none free, what is due waits.",
        NO_WORKER,
    )
    .query(Query::series(format!("sum by (state) (distrack_worker_slots{{{PROCESS}}})"), "{{state}}"))
    .colour("used", Colour::Blue)
    .colour("free", Colour::Green)
}

pub(super) fn running() -> Panel {
    Panel::lines("Commands running", Unit::Count, "Commands that run now, by process.", NO_WORKER)
        .query(Query::series(
            format!("sum by (instance) (distrack_processes_running{{{PROCESS}}})"),
            "{{instance}}",
        ))
        .series_lead_to("instance", Board::Internals)
}

pub(super) fn attached() -> Panel {
    Panel::lines(
        "Attached",
        Unit::Count,
        "1 while a worker's process is registered with a coordinator that answers. At 0 it gets no tasks.",
        NO_WORKER,
    )
    .query(Query::series(
        format!("min by (instance) (distrack_worker_attached{{{PROCESS}}})"),
        "{{instance}}",
    ))
    .alert(Alert::named("DistrackWorkerDetached"))
    .series_lead_to("instance", Board::Internals)
}

pub(super) fn attempts() -> Panel {
    Panel::stack(
        "Attempts",
        Unit::PerSecond,
        "Attempts that ended on the chosen processes, by outcome.",
        "No attempt ended",
    )
    .query(Query::series(rate_by("outcome", "distrack_attempts_total", PROCESS), "{{outcome}}"))
    .colour("success", Colour::Green)
}

pub(super) fn spawn() -> Panel {
    Panel::lines(
        "To a running command",
        Unit::Seconds,
        "From an accepted assignment to its running command. Grows when the machine has no processor to spare. A dot is a task: click it for its trace.",
        "No command was started",
    )
    .all(quantiles("distrack_process_spawn_duration_seconds", PROCESS))
    .leads_to(Board::Latency)
}

pub(super) fn cpu() -> Panel {
    let commands = rate_by("mode", "distrack_process_cpu_seconds_total", PROCESS);
    let own = format!(
        "sum({} * on (instance, job) group_left () distrack_build_info{{role=\"worker\"}})",
        rate("process_cpu_seconds_total", PROCESS)
    );
    Panel::lines(
        "Processor",
        Unit::Cores,
        "Processor time of commands, counted when they end, and of the workers themselves.",
        NO_WORKER,
    )
    .query(Query::series(commands, "commands, {{mode}}"))
    .query(Query::series(own, "workers"))
}

pub(super) fn memory() -> Panel {
    let largest = |which: &str| quantile(which, "", "distrack_process_max_rss_bytes", PROCESS);
    Panel::lines(
        "Memory of commands",
        Unit::Bytes,
        "Largest resident set of commands that ended, where it can be told.",
        "No command took more memory than its worker",
    )
    .query(Query::series(largest("0.5"), "p50"))
    .query(Query::series(largest("0.99"), "p99"))
}

pub(super) fn output() -> Panel {
    Panel::lines("Output", Unit::BytesPerSecond, "Bytes that commands wrote.", NO_WORKER)
        .query(Query::series(rate_by("stream", "distrack_process_output_bytes_total", PROCESS), "{{stream}}"))
}

pub(super) fn kills() -> Panel {
    Panel::lines(
        "Signals sent",
        Unit::PerSecond,
        "To process groups, to end them: on timeout, cancel, or the worker's stop. A kill is a command that did not heed the term.",
        NO_WORKER,
    )
    .query(Query::series(rate_by("signal", "distrack_process_kills_total", PROCESS), "{{signal}}"))
}

pub(super) fn refused() -> Panel {
    Panel::lines(
        "Assignments refused",
        Unit::PerSecond,
        "By reason. spool: the worker cannot keep results safe. wrong_session: the coordinator talks to another worker than it thinks.",
        NO_WORKER,
    )
    .query(Query::series(rate_by("reason", "distrack_dispatch_refused_total", PROCESS), "{{reason}}"))
    .alert(Alert::named("DistrackSpoolRefused"))
}

pub(super) fn spool() -> Panel {
    Panel::lines(
        "Results not acknowledged",
        Unit::Count,
        "Results on each worker's disk that no coordinator has acknowledged. They pass through; they must not stay.",
        NO_WORKER,
    )
    .query(Query::series(format!("max by (instance) (distrack_spool_records{{{PROCESS}}})"), "{{instance}}"))
    .alert(Alert::named("DistrackSpoolGrowing"))
    .series_lead_to("instance", Board::Internals)
}

pub(super) fn spool_bytes() -> Panel {
    Panel::lines("On disk", Unit::Bytes, "What those results take on each worker's disk.", NO_WORKER)
        .query(Query::series(
            format!("max by (instance) (distrack_spool_bytes{{{PROCESS}}})"),
            "{{instance}}",
        ))
        .series_lead_to("instance", Board::Internals)
}

pub(super) fn sent_again() -> Panel {
    Panel::lines(
        "Reports sent again",
        Unit::PerSecond,
        "Batches of reports that had to be sent again because no answer came.",
        NO_WORKER,
    )
    .query(Query::series(rate_by("instance", "distrack_report_retries_total", PROCESS), "{{instance}}"))
    .series_lead_to("instance", Board::Internals)
}
