//! A dashboard: rows of panels under a question.

use serde_json::{Value, json};

use crate::annotation;
use crate::link::{self, Board};
use crate::panel::Panel;
use crate::variable::{self, Variable};

/// How wide Grafana's grid is.
const WIDTH: u32 = 24;

/// Panels side by side, under a heading or not.
#[derive(Clone, Debug)]
struct Row {
    heading: Option<&'static str>,
    height: u32,
    panels: Vec<Panel>,
}

/// A page of panels.
#[derive(Clone, Debug)]
pub struct Dashboard {
    board: Board,
    says: &'static str,
    variables: Vec<Variable>,
    rows: Vec<Row>,
}

impl Dashboard {
    pub(crate) fn new(board: Board, says: &'static str) -> Self {
        Self { board, says, variables: Vec::new(), rows: Vec::new() }
    }

    pub(crate) fn variables(mut self, variables: impl Into<Vec<Variable>>) -> Self {
        self.variables = variables.into();
        self
    }

    /// A row under a heading.
    pub(crate) fn section(
        mut self,
        heading: &'static str,
        height: u32,
        panels: impl Into<Vec<Panel>>,
    ) -> Self {
        self.rows.push(Row { heading: Some(heading), height, panels: panels.into() });
        self
    }

    /// A row below the last one.
    pub(crate) fn row(mut self, height: u32, panels: impl Into<Vec<Panel>>) -> Self {
        self.rows.push(Row { heading: None, height, panels: panels.into() });
        self
    }

    /// Its name in addresses.
    pub fn uid(&self) -> &'static str {
        self.board.uid()
    }

    /// The name of its file.
    pub fn file(&self) -> String {
        format!("{}.json", self.uid())
    }

    /// Its panels, from the top left.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    /// Grafana's classic model, in its last version.
    pub fn json(&self) -> Value {
        let variables =
            [variable::datasource()].into_iter().chain(self.variables.iter().map(|one| one.json()));
        json!({
            "id": null,
            "uid": self.uid(),
            "title": self.board.title(),
            "description": self.says,
            "tags": ["distrack"],
            "schemaVersion": 42,
            "version": 1,
            "editable": false,
            "graphTooltip": 1,
            "fiscalYearStartMonth": 0,
            "liveNow": false,
            "preload": false,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "weekStart": "",
            "links": link::among_boards(),
            "annotations": annotation::json(),
            "templating": {"list": variables.collect::<Vec<Value>>()},
            "panels": self.place(),
        })
    }

    /// Row after row, numbered from 1.
    fn place(&self) -> Vec<Value> {
        let mut placed = Vec::new();
        let mut y = 0;
        for row in &self.rows {
            if let Some(heading) = row.heading {
                placed.push(json!({
                    "id": placed.len() + 1,
                    "type": "row",
                    "title": heading,
                    "collapsed": false,
                    "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
                    "panels": [],
                }));
                y += 1;
            }
            let mut x = 0;
            for (panel, width) in row.panels.iter().zip(widths(&row.panels)) {
                let place = json!({"x": x, "y": y, "w": width, "h": row.height});
                placed.push(panel.json(placed.len() + 1, place));
                x += width;
            }
            y += row.height;
        }
        placed
    }
}

/// What each panel of a row gets: what it asks for, or an equal share of the rest.
fn widths(panels: &[Panel]) -> Vec<u32> {
    let asked: u32 = panels.iter().filter_map(Panel::width).sum();
    let others = panels.iter().filter(|panel| panel.width().is_none()).count();
    let others = u32::try_from(others).expect("a row has few panels").max(1);
    let share = WIDTH.saturating_sub(asked) / others;
    panels.iter().map(|panel| panel.width().unwrap_or(share)).collect()
}
