//! What is marked on every graph of a dashboard: alerts that fire, and processes that started anew.

use serde_json::{Value, json};

use crate::query::Query;
use crate::variable::DATASOURCE;

/// While an alert of ours fires.
const FIRING: &str = "ALERTS{alertname=~\"Distrack.+\", alertstate=\"firing\"}";
/// When a process of ours started again at the same address.
const RESTARTS: &str = "(changes(process_start_time_seconds[$__rate_interval]) > 0) \
    * on (instance, job) group_left (role) distrack_build_info";

/// A mark with a title, for as long as its query answers.
#[derive(Clone, Debug)]
pub struct Annotation {
    name: &'static str,
    colour: &'static str,
    query: Query,
    tags: &'static str,
}

impl Annotation {
    /// The annotations of every dashboard, beside what people mark by hand.
    pub fn all() -> [Self; 2] {
        [
            Self {
                name: "Alerts",
                colour: "red",
                query: Query::series(FIRING, "{{alertname}}").may_be_empty(),
                tags: "severity,queue,worker",
            },
            Self {
                name: "Restarts",
                colour: "purple",
                query: Query::series(RESTARTS, "{{role}} {{instance}} restarted").may_be_empty(),
                tags: "role,instance",
            },
        ]
    }

    /// What the switch at the top of a dashboard says.
    pub fn name(&self) -> &str {
        self.name
    }

    /// When there is a mark.
    pub fn query(&self) -> &Query {
        &self.query
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "datasource": {"type": "prometheus", "uid": DATASOURCE},
            "enable": true,
            "iconColor": self.colour,
            "target": {
                "refId": "Anno",
                "expr": self.query.expr(),
                "legendFormat": self.query.legend(),
                "range": true,
                "instant": false,
            },
            "titleFormat": self.query.legend(),
            "tagKeys": self.tags,
        })
    }
}

/// The annotations of each dashboard.
pub(crate) fn json() -> Value {
    let ours = Annotation::all();
    let list: Vec<Value> = [by_hand()].into_iter().chain(ours.iter().map(Annotation::json)).collect();
    json!({"list": list})
}

fn by_hand() -> Value {
    json!({
        "name": "Annotations & Alerts",
        "builtIn": 1,
        "type": "dashboard",
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": true,
        "hide": true,
        "iconColor": "rgba(0, 211, 255, 1)",
    })
}
