//! Writes the dashboards, or lists their queries.

#![expect(clippy::print_stdout, reason = "the list of queries is what the program is asked for")]

use std::io;

use distrack_dashboards::Annotation;

const USAGE: &str = "usage: distrack-dashboards [queries [--may-be-empty]]";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => distrack_dashboards::write(&distrack_dashboards::folder())?,
        ["queries"] => list(false),
        ["queries", "--may-be-empty"] => list(true),
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, USAGE)),
    }
    Ok(())
}

/// One line a query: dashboard, panel and expression, with tabs between. No expression has a tab or a line break.
fn list(may_be_empty: bool) {
    for dashboard in distrack_dashboards::dashboards() {
        for one in Annotation::all().iter().filter(|one| one.query().is_rare() == may_be_empty) {
            println!("{}\tannotation {}\t{}", dashboard.uid(), one.name(), one.query().resolved());
        }
        for panel in dashboard.panels() {
            for query in panel.queries().iter().filter(|one| one.is_rare() == may_be_empty) {
                println!("{}\t{}\t{}", dashboard.uid(), panel.title(), query.resolved());
            }
        }
    }
}
