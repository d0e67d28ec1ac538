//! Ways from one place to the next: dashboards, and the page of an alert.

use serde_json::{Value, json};

use crate::alert::Alert;

/// A dashboard of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Board {
    /// Is it healthy?
    Overview,
    /// What waits, and for how long?
    Queues,
    /// Who works, and how is it?
    Workers,
    /// Where does a task's time go?
    Latency,
    /// What do the database and the services themselves do?
    Internals,
    /// Is the promise kept, and how much room is left?
    Slo,
}

impl Board {
    /// Its name in addresses; never changes.
    pub(crate) fn uid(self) -> &'static str {
        match self {
            Self::Overview => "distrack-overview",
            Self::Queues => "distrack-queues",
            Self::Workers => "distrack-workers",
            Self::Latency => "distrack-latency",
            Self::Internals => "distrack-internals",
            Self::Slo => "distrack-slo",
        }
    }

    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Overview => "distrack: overview",
            Self::Queues => "distrack: queues",
            Self::Workers => "distrack: workers",
            Self::Latency => "distrack: task latency",
            Self::Internals => "distrack: database and internals",
            Self::Slo => "distrack: objectives",
        }
    }

    /// Its address, at the same time, with the same choices.
    fn with_choices(self) -> String {
        format!("/d/{}?${{__url_time_range}}&${{__all_variables}}", self.uid())
    }

    /// Its address, at the same time, with one choice made.
    fn with(self, variable: &str, value: &str) -> String {
        let datasource = "${datasource:queryparam}";
        format!("/d/{}?${{__url_time_range}}&{datasource}&var-{variable}={value}", self.uid())
    }
}

/// A link in the head of a panel.
pub(crate) fn to_board(board: Board) -> Value {
    in_head(&format!("Open {}", board.title()), &board.with_choices(), false)
}

/// A link in the head of a panel.
pub(crate) fn to_runbook(alert: &Alert) -> Value {
    in_head(&format!("Runbook of {}", alert.name()), &alert.runbook(), true)
}

/// A link of each series to the dashboard of what its label names.
pub(crate) fn from_series(label: &str, board: Board) -> Value {
    let url = board.with(label, &format!("${{__field.labels.{label}}}"));
    json!({"title": format!("This {label} in {}", board.title()), "url": url, "targetBlank": false})
}

/// A link of each cell of a column to the dashboard of what it names.
pub(crate) fn from_cell(label: &str, board: Board) -> Value {
    let url = board.with(label, "${__value.raw}");
    json!({"title": format!("This {label} in {}", board.title()), "url": url, "targetBlank": false})
}

/// A link of each cell of a column to the runbook of the alert that it names.
pub(crate) fn from_cell_to_runbook() -> Value {
    json!({"title": "Runbook", "url": Alert::runbook_of("${__value.raw}"), "targetBlank": true})
}

/// Links to all dashboards of ours, in the head of each.
pub(crate) fn among_boards() -> Value {
    json!([{
        "type": "dashboards",
        "title": "distrack",
        "tags": ["distrack"],
        "asDropdown": false,
        "includeVars": true,
        "keepTime": true,
        "targetBlank": false,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }])
}

fn in_head(title: &str, url: &str, elsewhere: bool) -> Value {
    json!({
        "type": "link",
        "title": title,
        "url": url,
        "targetBlank": elsewhere,
        "asDropdown": false,
        "includeVars": false,
        "keepTime": false,
        "icon": "external link",
        "tags": [],
        "tooltip": "",
    })
}
