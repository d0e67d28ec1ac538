//! What `distrack up` says once it is up: where everything is, and what to type next.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where everything is.
#[derive(Clone, Debug)]
pub(crate) struct Banner {
    pub(crate) scheduler: SocketAddr,
    /// Whether that is HTTPS.
    pub(crate) tls: bool,
    pub(crate) coordinator: SocketAddr,
    pub(crate) coordinator_metrics: SocketAddr,
    pub(crate) worker_metrics: Vec<SocketAddr>,
    pub(crate) slots: u32,
    pub(crate) data: PathBuf,
    /// The database, when it is not in `data`.
    pub(crate) database: Option<String>,
    pub(crate) output: PathBuf,
}

/// The most workers whose addresses are listed.
const LISTED: usize = 4;

impl Banner {
    /// The text, without a last line break.
    pub(crate) fn text(&self) -> String {
        let api = url(if self.tls { "https" } else { "http" }, self.scheduler);
        let workers = self.worker_metrics.len();
        let mut lines = vec![
            format!(
                "distrack {} is up: {workers} worker{} with {} slots each",
                env!("CARGO_PKG_VERSION"),
                if workers == 1 { "" } else { "s" },
                self.slots
            ),
            String::new(),
            format!("  API          {api}"),
            format!("  for people   {api}/docs"),
            format!("  metrics      {api}/metrics"),
            format!("               {}/metrics (coordinator)", url("http", self.coordinator_metrics)),
        ];
        for (index, metrics) in self.worker_metrics.iter().take(LISTED).enumerate() {
            lines.push(format!("               {}/metrics (worker {})", url("http", *metrics), index + 1));
        }
        lines.push(format!("  coordinator  {} (gRPC; further workers may join here)", self.coordinator));
        lines.push(format!("  data         {}", self.data.display()));
        lines.extend(self.database.iter().map(|database| format!("  database     {database}")));
        lines.push(format!("  output       {}", self.output.display()));
        lines.push(format!(
            "\nRun a command in 2 seconds, and see what became of it:\n\n  curl -sS {api}/schedule -H \
             'Content-Type: application/json' -d '{{\"command\":\"echo hello\",\"delay_seconds\":2}}'\n  \
             curl -sS '{api}/v1/tasks?limit=1'\n\nCtrl-C lets running commands finish."
        ));
        lines.join("\n")
    }
}

/// A URL that people and terminals like.
fn url(scheme: &str, address: SocketAddr) -> String {
    if address.ip().is_loopback() {
        format!("{scheme}://localhost:{}", address.port())
    } else {
        format!("{scheme}://{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_names_every_address_and_a_line_to_paste() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let banner = Banner {
            scheduler: at(8081),
            tls: false,
            coordinator: at(8080),
            coordinator_metrics: at(9080),
            worker_metrics: vec![at(9000), at(9001)],
            slots: 8,
            data: "/data".into(),
            database: None,
            output: "/output".into(),
        };
        let text = banner.text();
        for part in [
            "2 workers with 8 slots",
            "http://localhost:8081/docs",
            "http://localhost:9080/metrics",
            "http://localhost:9001/metrics (worker 2)",
            "/data",
            "/output",
            "curl -sS http://localhost:8081/schedule -H 'Content-Type: application/json' -d '{\"command\":\"echo hello\"",
            "curl -sS 'http://localhost:8081/v1/tasks?limit=1'",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
        let moved = Banner { scheduler: "192.0.2.1:9".parse().unwrap(), ..banner };
        assert!(moved.text().contains("http://192.0.2.1:9/docs"));
        let secure = Banner { tls: true, ..moved }.text();
        assert!(
            secure.contains("https://192.0.2.1:9/docs") && secure.contains("http://localhost:9080/metrics")
        );
    }
}
