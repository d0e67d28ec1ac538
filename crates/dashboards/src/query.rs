//! A query to Prometheus.

use serde_json::{Value, json};

use crate::variable::DATASOURCE;

/// How long `$__rate_interval` is where nobody draws: four scrapes of the slowest usual interval.
const RATE_INTERVAL: &str = "1m";

/// In which shape the answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Series,
    Rows,
    Buckets,
}

/// A query with the legend of its series.
#[derive(Clone, Debug)]
pub struct Query {
    expr: String,
    legend: String,
    shape: Shape,
    exemplars: bool,
    rare: bool,
}

impl Query {
    /// Over the time on the screen, a series for each answer.
    pub(crate) fn series(expr: impl Into<String>, legend: &str) -> Self {
        Self::new(expr, legend, Shape::Series)
    }

    /// Of now, a row for each answer.
    pub(crate) fn rows(expr: impl Into<String>) -> Self {
        Self::new(expr, "", Shape::Rows)
    }

    /// Over the time on the screen, the buckets of a histogram.
    pub(crate) fn buckets(expr: impl Into<String>) -> Self {
        Self::new(expr, "{{le}}", Shape::Buckets).with_exemplars()
    }

    fn new(expr: impl Into<String>, legend: &str, shape: Shape) -> Self {
        Self { expr: expr.into(), legend: legend.to_owned(), shape, exemplars: false, rare: false }
    }

    /// With a dot for each trace whose duration is known.
    pub(crate) fn with_exemplars(self) -> Self {
        Self { exemplars: true, ..self }
    }

    /// Nothing to show may mean that nothing went wrong.
    pub(crate) fn may_be_empty(self) -> Self {
        Self { rare: true, ..self }
    }

    /// The expression, with Grafana's variables.
    pub fn expr(&self) -> &str {
        &self.expr
    }

    /// The legend of each series; nothing for the rows of a table.
    pub fn legend(&self) -> &str {
        &self.legend
    }

    /// Whether a healthy fleet may have no answer to it.
    pub fn is_rare(&self) -> bool {
        self.rare
    }

    /// The expression for a Prometheus: every variable stands for all of its values.
    pub fn resolved(&self) -> String {
        ["$queue", "$worker", "$instance"]
            .iter()
            .fold(self.expr.replace("$__rate_interval", RATE_INTERVAL), |expr, one| expr.replace(one, ".*"))
    }

    pub(crate) fn json(&self, place: usize) -> Value {
        let instant = self.shape == Shape::Rows;
        let format = match self.shape {
            Shape::Series => "time_series",
            Shape::Rows => "table",
            Shape::Buckets => "heatmap",
        };
        json!({
            "refId": reference(place),
            "datasource": {"type": "prometheus", "uid": DATASOURCE},
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legend,
            "format": format,
            "instant": instant,
            "range": !instant,
            "exemplar": self.exemplars,
        })
    }
}

/// The letter of the query at `place`.
pub(crate) fn reference(place: usize) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    LETTERS.get(place..=place).expect("a panel has fewer queries than there are letters").to_owned()
}
