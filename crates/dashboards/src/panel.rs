//! A panel: one answer, and all that a reader needs to understand it.

use serde_json::{Value, json};

use crate::alert::Alert;
use crate::kind::{Band, Kind};
use crate::link::{self, Board};
use crate::query::Query;
use crate::table::{self, Column};
use crate::threshold::{Colour, Thresholds};
use crate::unit::Unit;
use crate::variable::DATASOURCE;

/// One answer on a dashboard.
#[derive(Clone, Debug)]
pub struct Panel {
    kind: Kind,
    title: &'static str,
    unit: Unit,
    says: &'static str,
    when_empty: &'static str,
    queries: Vec<Query>,
    thresholds: Thresholds,
    alerts: Vec<Alert>,
    head_links: Vec<Value>,
    series_links: Vec<Value>,
    colours: Vec<(&'static str, Colour)>,
    decimals: Option<u8>,
    width: Option<u32>,
}

/// The constructors take the title, the unit, what the panel says, and what it says when there is no answer.
impl Panel {
    pub(crate) fn stat(
        title: &'static str,
        unit: Unit,
        says: &'static str,
        when_empty: &'static str,
    ) -> Self {
        Self::new(Kind::Stat, title, unit, says, when_empty)
    }

    pub(crate) fn lines(
        title: &'static str,
        unit: Unit,
        says: &'static str,
        when_empty: &'static str,
    ) -> Self {
        Self::new(Kind::Lines, title, unit, says, when_empty)
    }

    pub(crate) fn stack(
        title: &'static str,
        unit: Unit,
        says: &'static str,
        when_empty: &'static str,
    ) -> Self {
        Self::new(Kind::Stack, title, unit, says, when_empty)
    }

    pub(crate) fn heatmap(title: &'static str, says: &'static str, when_empty: &'static str) -> Self {
        Self::new(Kind::Heatmap, title, Unit::Seconds, says, when_empty)
    }

    pub(crate) fn table(
        title: &'static str,
        says: &'static str,
        when_empty: &'static str,
        columns: impl Into<Vec<Column>>,
    ) -> Self {
        Self::new(Kind::Table(columns.into()), title, Unit::Count, says, when_empty)
    }

    pub(crate) fn states(
        title: &'static str,
        says: &'static str,
        when_empty: &'static str,
        bands: impl Into<Vec<Band>>,
    ) -> Self {
        Self::new(Kind::States(bands.into()), title, Unit::Seconds, says, when_empty)
    }

    fn new(
        kind: Kind,
        title: &'static str,
        unit: Unit,
        says: &'static str,
        when_empty: &'static str,
    ) -> Self {
        Self {
            kind,
            title,
            unit,
            says,
            when_empty,
            queries: Vec::new(),
            thresholds: Thresholds::none(),
            alerts: Vec::new(),
            head_links: Vec::new(),
            series_links: Vec::new(),
            colours: Vec::new(),
            decimals: None,
            width: None,
        }
    }

    pub(crate) fn query(mut self, query: Query) -> Self {
        self.queries.push(query);
        self
    }

    pub(crate) fn all(mut self, queries: impl IntoIterator<Item = Query>) -> Self {
        self.queries.extend(queries);
        self
    }

    pub(crate) fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Shows what this alert watches: links to its runbook, and draws its limit where it has one.
    pub(crate) fn alert(mut self, alert: Alert) -> Self {
        if let Some(limit) = alert.limit() {
            self.thresholds = Thresholds::red_from(limit);
        }
        self.head_links.push(link::to_runbook(&alert));
        self.alerts.push(alert);
        self
    }

    /// Leads to another dashboard, with the same choices.
    pub(crate) fn leads_to(mut self, board: Board) -> Self {
        self.head_links.push(link::to_board(board));
        self
    }

    /// Leads from each series to another dashboard, of what its `label` names alone.
    pub(crate) fn series_lead_to(mut self, label: &str, board: Board) -> Self {
        self.series_links.push(link::from_series(label, board));
        self
    }

    /// Draws the series of this name in this colour, so that good and bad look it.
    pub(crate) fn colour(mut self, series: &'static str, colour: Colour) -> Self {
        self.colours.push((series, colour));
        self
    }

    pub(crate) fn decimals(mut self, decimals: u8) -> Self {
        self.decimals = Some(decimals);
        self
    }

    /// Of 24; without it the panels of a row share what is left alike.
    pub(crate) fn wide(mut self, width: u32) -> Self {
        self.width = Some(width);
        self
    }

    /// What it is called.
    pub fn title(&self) -> &str {
        self.title
    }

    /// What it asks Prometheus.
    pub fn queries(&self) -> &[Query] {
        &self.queries
    }

    /// The alerts on what it shows.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// Where its colours change.
    pub fn limits(&self) -> impl Iterator<Item = f64> {
        self.thresholds.limits()
    }

    pub(crate) fn width(&self) -> Option<u32> {
        self.width
    }

    /// The panel with its number and place on a dashboard.
    pub(crate) fn json(&self, id: usize, place: Value) -> Value {
        let targets: Vec<Value> =
            self.queries.iter().enumerate().map(|(place, query)| query.json(place)).collect();
        let mut panel = json!({
            "id": id,
            "type": self.kind.id(),
            "title": self.title,
            "description": self.says,
            "datasource": {"type": "prometheus", "uid": DATASOURCE},
            "gridPos": place,
            "targets": targets,
            "options": self.kind.options(self.unit),
            "fieldConfig": {"defaults": self.defaults(), "overrides": self.overrides()},
            "links": self.head_links,
        });
        if let Kind::Table(columns) = &self.kind {
            panel["transformations"] = table::transformations(columns, self.queries.len());
        }
        panel
    }

    fn defaults(&self) -> Value {
        let limits = self.thresholds.are_drawn();
        let mut defaults = json!({
            "unit": self.unit.id(),
            "noValue": self.when_empty,
            "min": 0,
            "color": {"mode": self.kind.colour()},
            "custom": self.kind.custom(limits),
            "mappings": self.kind.mappings(),
            "thresholds": self.thresholds.json(),
            "links": self.series_links,
        });
        if let Some(decimals) = self.decimals {
            defaults["decimals"] = json!(decimals);
        }
        defaults
    }

    fn overrides(&self) -> Vec<Value> {
        let colours = self.colours.iter().map(|(series, colour)| {
            let colour = json!({"mode": "fixed", "fixedColor": colour.name()});
            json!({
                "matcher": {"id": "byName", "options": series},
                "properties": [{"id": "color", "value": colour}],
            })
        });
        let columns = match &self.kind {
            Kind::Table(columns) => table::overrides(columns),
            Kind::Stat | Kind::Lines | Kind::Stack | Kind::Heatmap | Kind::States(_) => Vec::new(),
        };
        colours.chain(columns).collect()
    }
}
