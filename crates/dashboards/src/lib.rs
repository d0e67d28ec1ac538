//! The Grafana dashboards of distrack.
//!
//! A dashboard is rows of panels; a panel says what it shows, in which unit, and what an empty answer means. `boards`
//! has one file a dashboard and is what changes; the rest turns it into Grafana's classic JSON, whose published
//! schema `grafana/schema-check` holds it to. Nothing here runs in a service.

mod alert;
mod annotation;
mod boards;
mod dashboard;
mod kind;
mod link;
mod panel;
mod promql;
mod query;
mod table;
mod threshold;
mod unit;
mod variable;

use std::io;
use std::path::{Path, PathBuf};

pub use alert::Alert;
pub use annotation::Annotation;
pub use boards::dashboards;
pub use dashboard::Dashboard;
pub use panel::Panel;
pub use query::Query;

/// Where the dashboards are committed: `grafana/dashboards`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../grafana/dashboards")
}

/// Writes every dashboard to its file in `folder`.
pub fn write(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for dashboard in dashboards() {
        let text = serde_json::to_string_pretty(&dashboard.json())?;
        std::fs::write(folder.join(dashboard.file()), text + "\n")?;
    }
    Ok(())
}
