//! The kinds of panel, each with the settings that Grafana wants for it.

use serde_json::{Value, json};

use crate::table::Column;
use crate::threshold::Colour;
use crate::unit::Unit;

/// Values from `from` on are drawn as `text`, up to the next band.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) to: Option<f64>,
    pub(crate) text: &'static str,
    pub(crate) colour: Colour,
}

/// How a panel shows its answer.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// The latest value in large figures, its course behind it.
    Stat,
    /// A line for each series.
    Lines,
    /// Series on top of each other, where their sum means something.
    Stack,
    /// How many observations fell where, with the traces of some.
    Heatmap,
    /// Rows and columns, of now.
    Table(Vec<Column>),
    /// In which band each series was, and when.
    States(Vec<Band>),
}

impl Kind {
    /// Grafana's name.
    pub(crate) fn id(&self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Lines | Self::Stack => "timeseries",
            Self::Heatmap => "heatmap",
            Self::Table(_) => "table",
            Self::States(_) => "state-timeline",
        }
    }

    pub(crate) fn options(&self, unit: Unit) -> Value {
        match self {
            Self::Stat => stat(),
            Self::Lines | Self::Stack => lines(),
            Self::Heatmap => heatmap(unit),
            Self::Table(_) => json!({"showHeader": true, "cellHeight": "sm", "frameIndex": 0}),
            Self::States(_) => states(),
        }
    }

    /// What Grafana calls custom: how a series is drawn. `limits` draws the thresholds.
    pub(crate) fn custom(&self, limits: bool) -> Value {
        let stacking = |mode| json!({"group": "A", "mode": mode});
        let limits = json!({"mode": if limits { "dashed" } else { "off" }});
        match self {
            Self::Stat => json!({}),
            Self::Lines => json!({
                "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 5,
                "showPoints": "never", "spanNulls": false, "stacking": stacking("none"), "thresholdsStyle": limits,
            }),
            Self::Stack => json!({
                "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 40,
                "showPoints": "never", "spanNulls": false, "stacking": stacking("normal"), "thresholdsStyle": limits,
            }),
            Self::Heatmap => json!({"hideFrom": {"legend": false, "tooltip": false, "viz": false}}),
            Self::Table(_) => json!({"align": "auto", "cellOptions": {"type": "auto"}, "inspect": false}),
            Self::States(_) => json!({"fillOpacity": 70, "lineWidth": 0}),
        }
    }

    /// Whether a series' colour says which one it is, or how its value is.
    pub(crate) fn colour(&self) -> &'static str {
        match self {
            Self::Lines | Self::Stack => "palette-classic",
            Self::Stat | Self::Heatmap | Self::Table(_) | Self::States(_) => "thresholds",
        }
    }

    pub(crate) fn mappings(&self) -> Value {
        match self {
            Self::States(bands) => bands.iter().map(mapping).collect(),
            Self::Stat | Self::Lines | Self::Stack | Self::Heatmap | Self::Table(_) => json!([]),
        }
    }
}

fn stat() -> Value {
    json!({
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
        "orientation": "auto",
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "textMode": "auto",
        "wideLayout": true,
        "showPercentChange": false,
        "percentChangeColorMode": "standard",
    })
}

fn lines() -> Value {
    json!({
        "legend": {
            "showLegend": true, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    })
}

fn heatmap(unit: Unit) -> Value {
    json!({
        "calculate": false,
        "cellGap": 1,
        "cellValues": {"unit": Unit::Count.id()},
        "color": {
            "mode": "scheme", "scheme": "Blues", "scale": "exponential", "exponent": 0.5, "steps": 64,
            "fill": "dark-blue", "reverse": false,
        },
        "exemplars": {"color": "orange"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": true},
        "rowsFrame": {"layout": "auto", "value": "tasks"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": true, "yHistogram": true},
        "yAxis": {"axisPlacement": "left", "reverse": false, "unit": unit.id()},
    })
}

fn states() -> Value {
    json!({
        "alignValue": "left",
        "mergeValues": true,
        "rowHeight": 0.9,
        "showValue": "auto",
        "legend": {"showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    })
}

fn mapping(band: &Band) -> Value {
    let result = json!({"text": band.text, "color": band.colour.name()});
    json!({"type": "range", "options": {"from": band.from, "to": band.to, "result": result}})
}
