//! What a reader may choose at the top of a dashboard.

use serde_json::{Value, json};

/// The data source that a reader chose; the provisioned one at first.
pub(crate) const DATASOURCE: &str = "${datasource}";
const PROVISIONED: &str = "distrack-prometheus";

/// A choice of label values, all of them at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// The queue of a task.
    Queue,
    /// A worker, by the name it gave itself.
    Worker,
    /// A process of any service, by its address for metrics.
    Instance,
    /// A worker's process, by its address for metrics.
    WorkerInstance,
}

impl Variable {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Worker => "worker",
            Self::Instance | Self::WorkerInstance => "instance",
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Queue => "Queues that have, or have had, tasks.",
            Self::Worker => "Workers, by name; one that is gone leaves the list.",
            Self::Instance => "Processes, by their address for metrics.",
            Self::WorkerInstance => "Processes of workers, by their address for metrics.",
        }
    }

    fn query(self) -> &'static str {
        match self {
            Self::Queue => {
                "label_values({__name__=~\"distrack_queue_lag_seconds|distrack_tasks_scheduled_total\"}, queue)"
            }
            Self::Worker => "label_values(distrack_worker_last_heartbeat_timestamp_seconds, worker)",
            Self::Instance => "label_values(distrack_build_info, instance)",
            Self::WorkerInstance => "label_values(distrack_build_info{role=\"worker\"}, instance)",
        }
    }

    pub(crate) fn json(self) -> Value {
        json!({
            "type": "query",
            "name": self.name(),
            "label": self.name(),
            "description": self.says(),
            "datasource": {"type": "prometheus", "uid": DATASOURCE},
            "query": {"qryType": 5, "query": self.query(), "refId": "variable"},
            "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
            "includeAll": true,
            "allValue": ".*",
            "multi": true,
            "refresh": 2,
            "sort": 1,
        })
    }
}

/// The choice of the data source itself.
pub(crate) fn datasource() -> Value {
    json!({
        "type": "datasource",
        "name": "datasource",
        "label": "data source",
        "description": "The Prometheus that scrapes distrack.",
        "query": "prometheus",
        "current": {"selected": true, "text": "Prometheus", "value": PROVISIONED},
    })
}
