//! A report as a person reads it.

use crate::against::Compared;
use crate::bench::Sample;
use crate::figure::{Figure, Ratio};
use crate::report::{Report, WorkloadReport};

/// All of it.
pub(crate) fn report(report: &Report, compared: Option<&[Compared]>) -> String {
    let system = &report.system;
    let mut parts = vec![format!(
        "run {} of distrack {}: {} ({}), {} workers with {} slots, {} cores",
        report.run,
        report.version,
        system.server,
        system.store,
        system.workers,
        system.slots,
        report.machine.cores,
    )];
    parts.push(figures(&report.workloads));
    parts.extend(report.workloads.iter().map(workload));
    parts.extend(compared.map(against));
    parts.push(verdict(report));
    parts.join("\n\n")
}

fn figures(workloads: &[WorkloadReport]) -> String {
    let head = ["FIGURE", "MEDIAN", "RANGE", "BESIDE", "MEASURED", "RATIO", "RANGE"];
    let mut rows = Vec::new();
    for figure in workloads.iter().flat_map(|workload| &workload.figures) {
        let values = &figure.values;
        let mut row = vec![
            figure.name.clone(),
            format!("{} {}", number(values.median), figure.unit),
            format!("{} to {}", number(values.low), number(values.high)),
        ];
        match (figure.ratios.first(), figure.beside.first()) {
            (Some(first), _) => row.extend(beside(figure, first)),
            (None, Some(wanted)) => row.extend([wanted, "not measured", "-", "-"].map(str::to_owned)),
            (None, None) => {}
        }
        rows.push(row);
        for ratio in figure.ratios.iter().skip(1) {
            let empty = [""; 3].map(str::to_owned);
            rows.push(empty.into_iter().chain(beside(figure, ratio)).collect());
        }
    }
    table(&head, &rows)
}

fn beside(figure: &Figure, ratio: &Ratio) -> [String; 4] {
    let unit = if figure.unit == "ms" { " ms" } else { "/s" };
    let values = &ratio.values;
    [
        ratio.to.clone(),
        format!("{}{unit}", number(ratio.calibrator)),
        format!("{:.3}", values.median),
        format!("{:.3} to {:.3}", values.low, values.high),
    ]
}

fn workload(workload: &WorkloadReport) -> String {
    let mut lines = vec![format!("{}, {} rounds", workload.name, workload.rounds)];
    if !workload.hops.is_empty() {
        let row = |hop: &crate::hops::HopReport| {
            vec![hop.hop.clone(), millis(hop.p50), millis(hop.p99), hop.count.to_string(), hop.clock.clone()]
        };
        let rows: Vec<_> = workload.hops.iter().map(row).collect();
        lines.push(table(&["HOP", "P50", "P99", "COUNT", "CLOCK"], &rows));
    }
    if !workload.latencies.is_empty() {
        let rows: Vec<_> = workload
            .latencies
            .iter()
            .map(|(name, spread)| {
                let mut row = vec![name.clone()];
                row.extend([spread.p50, spread.p90, spread.p99, spread.p999, spread.max].map(millis));
                row.push(spread.count.to_string());
                row
            })
            .collect();
        lines.push(table(&["LATENCY", "P50", "P90", "P99", "P99.9", "MAX", "COUNT"], &rows));
    }
    let slow = |slow: &crate::hops::Slow| {
        let link = slow.url.clone().unwrap_or_else(|| format!("distrack trace {}", slow.task_id));
        vec![
            slow.task_id.clone(),
            millis(slow.total),
            format!("{} {}", slow.worst_hop, millis(slow.worst)),
            link,
        ]
    };
    if !workload.slowest.is_empty() {
        let rows: Vec<_> = workload.slowest.iter().map(slow).collect();
        lines.push(table(&["SLOWEST", "TOTAL", "WORST HOP", "TRACE"], &rows));
    }
    lines.extend(samples(workload));
    lines.push(cost(workload));
    if !workload.memory.is_empty() {
        lines.push(memory(workload));
    }
    lines.push(checks(workload));
    lines.extend(workload.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

fn cost(workload: &WorkloadReport) -> String {
    let cost = &workload.cost;
    let mut parts: Vec<String> =
        cost.cpu_ms_per_task.iter().map(|(role, spent)| format!("{role} {spent:.3} ms")).collect();
    if let Some(bytes) = cost.wal_bytes_per_task {
        parts.push(format!("log {bytes:.0} bytes"));
    }
    let mut line = match parts.is_empty() {
        true => "a task costs: not measured".to_owned(),
        false => format!("a task costs: {}", parts.join(", ")),
    };
    if let Some(dead) = cost.dead_rows {
        line.push_str(&format!("; {dead:.0} dead rows at the end"));
    }
    line
}

fn checks(workload: &WorkloadReport) -> String {
    let checks = &workload.checks;
    let counted = checks.attempts_of_workers.map(|count| format!(", {count} attempts by the workers' count"));
    let mut line = format!(
        "checked: {} accepted, {} ended as they should, {} lost, {} doubled; {} outputs, {} effects{}",
        checks.tasks,
        checks.ended,
        checks.lost,
        checks.doubled,
        checks.outputs,
        checks.effects,
        counted.unwrap_or_default(),
    );
    for problem in &checks.problems {
        line.push_str(&format!("\n  {problem}"));
    }
    line
}

fn memory(workload: &WorkloadReport) -> String {
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let told = workload.memory.iter().map(|(role, memory)| {
        format!(
            "{role} {} MiB at rest, {} after, {} at most",
            mib(memory.at_rest),
            mib(memory.after),
            mib(memory.peak)
        )
    });
    format!("memory: {}", told.collect::<Vec<_>>().join("; "))
}

fn samples(workload: &WorkloadReport) -> Option<String> {
    let roles: Vec<&String> = workload.samples.first()?.memory.keys().collect();
    let row = |sample: &Sample| {
        let mut row = vec![format!("{:.0} s", sample.seconds)];
        let mib = |bytes: &u64| format!("{:.1} MiB", *bytes as f64 / f64::from(1 << 20));
        row.extend(roles.iter().map(|role| sample.memory.get(*role).map_or_else(|| "-".to_owned(), mib)));
        row.push(sample.dead_rows.map_or_else(|| "-".to_owned(), |rows| format!("{rows:.0}")));
        row
    };
    let names = roles.iter().map(|role| role.to_uppercase());
    let head: Vec<String> =
        std::iter::once("AT".to_owned()).chain(names).chain(["DEAD ROWS".to_owned()]).collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    Some(table(&head, &workload.samples.iter().map(row).collect::<Vec<_>>()))
}

fn against(compared: &[Compared]) -> String {
    let row = |one: &Compared| {
        let beyond = if one.beyond_noise { "" } else { "within the range of the rounds" };
        let numbers = [one.earlier, one.now, one.better].map(|number| format!("{number:.3}"));
        [one.figure.clone(), one.to.clone()].into_iter().chain(numbers).chain([beyond.to_owned()]).collect()
    };
    let rows: Vec<Vec<String>> = compared.iter().map(row).collect();
    table(&["AGAINST", "BESIDE", "EARLIER", "NOW", "BETTER", ""], &rows)
}

fn verdict(report: &Report) -> String {
    let unsteady =
        report.workloads.iter().flat_map(|workload| &workload.figures).flat_map(|figure| &figure.ratios);
    let most = unsteady.map(|ratio| ratio.unsteady).fold(0.0, f64::max);
    let sound =
        if report.good { "nothing was lost, nothing ran twice" } else { "UNSOUND: see what was checked" };
    format!("{sound}; what the machine does by itself differed by up to {:.0} % around one round", most * 1e2)
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn millis(value: f64) -> String {
    format!("{} ms", number(value))
}

/// Columns, each as wide as its widest cell.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(head[column].len())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}
