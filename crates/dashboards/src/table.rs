//! A table: rows joined from the answers of some queries, and its columns.

use serde_json::{Map, Value, json};

use crate::query::reference;
use crate::threshold::Thresholds;
use crate::unit::Unit;

/// Where a column's cells come from.
#[derive(Clone, Debug)]
enum Source {
    Label(&'static str),
    Query(usize),
}

/// A column under its heading.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    source: Source,
    heading: &'static str,
    unit: Unit,
    thresholds: Option<Thresholds>,
    links: Vec<Value>,
}

impl Column {
    /// What a label says.
    pub(crate) fn label(label: &'static str, heading: &'static str) -> Self {
        Self { source: Source::Label(label), heading, unit: Unit::Text, thresholds: None, links: Vec::new() }
    }

    /// What the query at `place` answers.
    pub(crate) fn value(place: usize, heading: &'static str, unit: Unit) -> Self {
        Self { source: Source::Query(place), heading, unit, thresholds: None, links: Vec::new() }
    }

    pub(crate) fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = Some(thresholds);
        self
    }

    pub(crate) fn link(mut self, link: Value) -> Self {
        self.links.push(link);
        self
    }

    /// The name that Grafana gives the field.
    fn field(&self, queries: usize) -> String {
        match self.source {
            Source::Label(label) => label.to_owned(),
            Source::Query(_) if queries == 1 => "Value".to_owned(),
            Source::Query(place) => format!("Value #{}", reference(place)),
        }
    }

    fn properties(&self) -> Value {
        let mut properties = vec![json!({"id": "unit", "value": self.unit.id()})];
        if let Some(thresholds) = &self.thresholds {
            properties.push(json!({"id": "thresholds", "value": thresholds.json()}));
            properties.push(json!({"id": "custom.cellOptions", "value": {"type": "color-text"}}));
        }
        if !self.links.is_empty() {
            properties.push(json!({"id": "links", "value": self.links}));
        }
        json!(properties)
    }
}

/// Joins the answers by their labels, keeps what has a column, in the order of the columns.
pub(crate) fn transformations(columns: &[Column], queries: usize) -> Value {
    let fields: Vec<String> = columns.iter().map(|column| column.field(queries)).collect();
    let order: Map<String, Value> =
        fields.iter().enumerate().map(|(place, field)| (field.clone(), json!(place))).collect();
    let headings: Map<String, Value> =
        columns.iter().zip(&fields).map(|(column, field)| (field.clone(), json!(column.heading))).collect();
    json!([
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": fields}}},
        {"id": "organize", "options": {
            "excludeByName": {}, "indexByName": order, "renameByName": headings,
        }},
    ])
}

/// What each column has of its own.
pub(crate) fn overrides(columns: &[Column]) -> Vec<Value> {
    let of = |column: &Column| {
        json!({
            "matcher": {"id": "byName", "options": column.heading},
            "properties": column.properties(),
        })
    };
    columns.iter().map(of).collect()
}
