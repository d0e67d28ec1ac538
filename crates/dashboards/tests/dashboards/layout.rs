//! Where panels are: none over another, none of nothing.

use std::collections::BTreeSet;

use distrack_dashboards::dashboards;
use serde_json::Value;

use crate::{list, strings, text};

#[test]
fn uids_of_dashboards_and_numbers_and_titles_of_panels_are_unique() {
    let mut uids = BTreeSet::new();
    for dashboard in dashboards() {
        assert!(uids.insert(dashboard.uid()), "{} twice", dashboard.uid());
        let json = dashboard.json();
        let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
        for panel in list(&json["panels"]) {
            assert!(ids.insert(panel["id"].as_u64().expect("a panel has a number")), "{}", panel["title"]);
            assert!(titles.insert(text(&panel["title"])), "{}: {} twice", dashboard.uid(), panel["title"]);
        }
    }
}

#[test]
fn panels_fill_the_width_and_none_covers_another() {
    for dashboard in dashboards() {
        let json = dashboard.json();
        let mut taken = BTreeSet::new();
        for panel in list(&json["panels"]) {
            let side = |name: &str| panel["gridPos"][name].as_u64().expect("a panel has its place");
            assert!(side("x") + side("w") <= 24, "{}: {} is cut off", dashboard.uid(), panel["title"]);
            for x in side("x")..side("x") + side("w") {
                for y in side("y")..side("y") + side("h") {
                    assert!(taken.insert((x, y)), "{}: {} covers another", dashboard.uid(), panel["title"]);
                }
            }
        }
        let height = taken.iter().map(|(_, y)| y + 1).max().expect("a dashboard has panels");
        let cells = u64::try_from(taken.len()).expect("few");
        assert_eq!(cells, 24 * height, "{} has a hole", dashboard.uid());
    }
}

#[test]
fn the_overview_is_one_screen() {
    let overview = dashboards().remove(0).json();
    assert_eq!(overview["uid"], "distrack-overview");
    let bottom = |panel: &Value| {
        let place = &panel["gridPos"];
        place["y"].as_u64().expect("a place") + place["h"].as_u64().expect("a height")
    };
    let height = list(&overview["panels"]).iter().map(bottom).max().expect("it has panels");
    assert!(height <= 24, "{height} rows of Grafana's grid do not fit on a screen of 1080 lines");
}

#[test]
fn every_choice_that_a_dashboard_offers_is_used_and_every_one_used_is_offered() {
    for dashboard in dashboards() {
        let json = dashboard.json();
        let offered: BTreeSet<&str> =
            list(&json["templating"]["list"]).iter().map(|one| text(&one["name"])).collect();
        let exprs: Vec<&str> = dashboard
            .panels()
            .flat_map(distrack_dashboards::Panel::queries)
            .map(distrack_dashboards::Query::expr)
            .collect();
        for name in ["queue", "worker", "instance"] {
            let used = exprs.iter().any(|expr| expr.contains(&format!("${name}")));
            assert_eq!(offered.contains(name), used, "{}: {name}", dashboard.uid());
        }
        assert!(offered.contains("datasource"), "{}", dashboard.uid());
    }
}

#[test]
fn nothing_asks_a_data_source_by_its_name_in_one_installation() {
    let own = serde_json::json!({"type": "grafana", "uid": "-- Grafana --"});
    fn sources<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        if let Value::Object(fields) = value {
            found.extend(fields.get("datasource").filter(|source| source.is_object()));
            fields.values().for_each(|one| sources(one, found));
        }
        if let Value::Array(all) = value {
            all.iter().for_each(|one| sources(one, found));
        }
    }
    for dashboard in dashboards() {
        let json = dashboard.json();
        let mut found = Vec::new();
        sources(&json, &mut found);
        for source in found {
            assert!(*source == own || strings(source).contains(&"${datasource}"), "{source}");
        }
    }
}
